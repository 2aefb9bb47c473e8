package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/check"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/ingest/webhook"
	"numberfleet.dev/numberfleet/internal/replay"
	"numberfleet.dev/numberfleet/internal/secret"
	"numberfleet.dev/numberfleet/internal/trust"
)

// checkFlags say what is checked, besides the flags that it shares with the operator.
type checkFlags struct {
	url, caFile, namespace, account string
	timeout                         time.Duration
}

// checkCommand posts a webhook as Meta would, and sees that it is counted.
func checkCommand(f *flags) *cobra.Command {
	var c checkFlags
	cmd := &cobra.Command{
		Use: "check", Short: "Post a signed webhook to a running operator, and see that it is counted",
		Long: `Post a signed webhook to a running operator, and see that it is counted.

For the time of the check there is a PhoneNumber of its own, whose number begins with 999 and so is nobody's. The webhook
says that one message of it was delivered. The check ends well when the status of the PhoneNumber counts the user. Nothing of
the fleet changes, and the PhoneNumber is deleted. Where the check is killed it stays: its name begins with numberfleet-check-.

Whoever runs it needs the file app-secret of the folder --webhook-credentials, and in the namespace the verbs create, get and
delete on phonenumbers.whatsapp.numberfleet.dev. The exit code is 0 if the webhook is counted, and 1 if not, with the reason
in the log.`,
		Example: "  manager check --url http://numberfleet-webhook.numberfleet-system.svc/webhooks/whatsapp",
		Args:    cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context(), f) },
	}
	for _, name := range []string{"webhook-credentials", "kubeconfig", "zap-log-level", "zap-encoder"} {
		cmd.Flags().AddGoFlag(flag.Lookup(name))
	}
	cmd.Flags().StringVar(&c.url, "url", "http://numberfleet-webhook"+webhook.DefaultPath, "Where the app posts to: the Service of the receiver of webhooks, with the path of the app.")
	cmd.Flags().StringVar(&c.caFile, "ca-file", "", "File with the certificates to trust, in PEM, where the URL is https; the system's where it is left out.")
	cmd.Flags().StringVar(&c.account, "account", "", "Meta's id of an account that the app may report about. Needed where the configuration gives the app accounts.")
	cmd.Flags().StringVarP(&c.namespace, "namespace", "n", "", "Namespace of the PhoneNumber, without a NumberPool that selects everything; the pod's own where it is left out.")
	cmd.Flags().DurationVar(&c.timeout, "timeout", time.Minute, "How long the check may take.")
	return cmd
}

// run checks the operator.
func (c *checkFlags) run(ctx context.Context, f *flags) error {
	key, err := secret.Read(filepath.Join(f.webhookCredentials, config.AppSecretKey))
	if err != nil {
		return fmt.Errorf("--webhook-credentials: %s %w", config.AppSecretKey, err)
	}
	trusted, err := trust.Config(c.caFile)
	if err != nil {
		return fmt.Errorf("--ca-file: %w", err)
	}
	own, unknown := f.namespace()
	namespace := cmp.Or(c.namespace, own)
	if namespace == "" {
		return errors.Join(errors.New("set --namespace"), unknown)
	}
	api, err := newClient(v1alpha1.AddToScheme)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = trusted
	err = check.Run(ctx, check.Options{
		API: api, Namespace: namespace, Account: c.account,
		Target: replay.Target{URL: c.url, Secret: key, Client: &http.Client{Transport: transport}, Tries: 10, Wait: time.Second},
	}, time.Now())
	if err != nil {
		return fmt.Errorf("the check failed: %w", err)
	}
	ctrl.Log.WithName("check").Info("A signed webhook was posted, and is counted", "url", c.url)
	return nil
}
