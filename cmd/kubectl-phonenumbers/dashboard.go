package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/dashboard"
	"numberfleet.dev/numberfleet/internal/server"
)

type dashboardFlags struct {
	clusterFlags
	port uint16
}

func dashboardCommand() *cobra.Command {
	var f dashboardFlags
	cmd := &cobra.Command{
		Use:   "dashboard",
		Short: "Show the fleet live in a browser, until Ctrl-C",
		Long: `Show the fleet live in a browser, until Ctrl-C: which numbers may send, how much of each limit is used and held, what happened lately and
what happens next.

The page is served to this machine alone, on loopback, and to whoever has the URL that is printed. It only reads, with the rights that you
have by your kubeconfig, and puts nothing into the cluster.`,
		Example: `  # All that you may read.
  kubectl phonenumbers dashboard -A

  # One namespace, at a port that a tunnel leads to.
  kubectl phonenumbers dashboard -n fleet --port 8001`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	addClusterFlags(cmd, &f.clusterFlags)
	f.addAllNamespaces(cmd)
	cmd.Flags().Uint16Var(&f.port, "port", 0, "Port on loopback; 0 for any that is free.")
	return cmd
}

func (f *dashboardFlags) run(ctx context.Context, to io.Writer) error {
	namespace, operator, err := f.scope()
	if err != nil {
		return err
	}
	raw, err := f.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(logr.NewContext(ctx, logr.Discard()))
	defer stop()
	fleet, err := dashboard.New(ctx, dashboard.Options{
		Config: operator.Config, Cluster: cmp.Or(*f.Context, raw.CurrentContext), Namespace: namespace, Operator: operator, Clock: clock.RealClock{},
	})
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(f.port))))
	if err != nil {
		return usageErrorf("--port: %w", err)
	}
	token := rand.Text()
	page := dashboard.NewPage(fleet, token)
	at := url.URL{Scheme: "http", Host: listener.Addr().String(), Path: "/", RawQuery: url.Values{"token": {token}}.Encode()}
	fmt.Fprintf(to, "The fleet is at %s until Ctrl-C. Who has this URL, on this machine, sees what you see.\n", &at)

	running, ctx := errgroup.WithContext(ctx)
	running.Go(func() error { return fleet.Run(ctx) })
	running.Go(func() error {
		return (&server.Server{Name: "the dashboard", Handler: page.Handler(), Log: logr.Discard(), Stopping: page.EndStreams}).Serve(ctx, listener)
	})
	if err := running.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
