package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"

	"numberfleet.dev/numberfleet/internal/doctor"
	"numberfleet.dev/numberfleet/internal/version"
)

func doctorCommand() *cobra.Command {
	flags := genericclioptions.NewConfigFlags(true)
	var operatorNamespace string
	var output outputFormat
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find what is misconfigured, and say what mends it",
		Long: `Find what is misconfigured, from the kinds in the cluster to the secrets of the operator, what Meta says of tokens and subscriptions, clocks,
rights and the resources themselves, and say what each finding means and which command mends it.

It reads only, with your own rights, and changes nothing. What you may not read is said, and is no reason to fail. Secrets are looked at and never
shown. The resources of all namespaces are looked at, or those of --namespace alone.

It ends with 0 where there is neither an error nor a warning, with 3 where there is one, and with 1 where the API server does not answer.`,
		Example: `  # Is everything as it should be?
  kubectl phonenumbers doctor

  # The same for programs.
  kubectl phonenumbers doctor -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := doctorOptions(cmd.Context(), flags, operatorNamespace)
			if err != nil {
				return err
			}
			report, err := doctor.Examine(cmd.Context(), options)
			if err != nil {
				return err
			}
			if output == outputTable {
				writeFindings(printer{cmd.OutOrStdout()}, report)
			} else if err := encode(cmd.OutOrStdout(), output, report); err != nil {
				return err
			}
			if !report.Healthy() {
				return errNo
			}
			return nil
		},
	}
	addConfigFlags(cmd, flags)
	addOperatorNamespace(cmd, &operatorNamespace)
	addOutput(cmd, &output, "How to write the findings.", outputTable, outputJSON, outputYAML)
	return cmd
}

// doctorOptions say what is examined. An API server that does not answer, or does not know who asks, is an error.
func doctorOptions(ctx context.Context, flags *genericclioptions.ConfigFlags, operatorNamespace string) (o doctor.Options, err error) {
	o = doctor.Options{OperatorNamespace: operatorNamespace, Namespace: *flags.Namespace, Version: version.Release()}
	if o.API, err = newClient(flags, doctor.AddToScheme); err != nil {
		return o, err
	}
	if o.Home, _, err = flags.ToRawKubeConfigLoader().Namespace(); err != nil {
		return o, err
	}
	config, err := restConfig(flags)
	if err != nil {
		return o, err
	}
	o.ServerTime = func(ctx context.Context) (time.Time, error) { return serverTime(ctx, config) }
	server, err := o.ServerTime(ctx)
	o.Now = time.Now()
	o.Ahead = o.Now.Sub(server)
	return o, err
}

// serverTime is the time of the API server, to the second, as it dates its answers.
func serverTime(ctx context.Context, config *rest.Config) (time.Time, error) {
	web, err := rest.HTTPClientFor(config)
	if err != nil {
		return time.Time{}, err
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return time.Time{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("version").String(), http.NoBody)
	if err != nil {
		return time.Time{}, err
	}
	answer, err := web.Do(request)
	if err != nil {
		return time.Time{}, err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusUnauthorized {
		return time.Time{}, errors.New("the API server does not know who asks: the credentials of the kubeconfig are missing, wrong or too old")
	}
	return http.ParseTime(answer.Header.Get("Date"))
}

// mostObjects is how many objects of a finding a person is shown; programs are given all.
const mostObjects = 5

func writeFindings(to io.Writer, report *doctor.Report) {
	for i := range report.Findings {
		f := &report.Findings[i]
		fmt.Fprintf(to, "%-8s %s\n", strings.ToUpper(string(f.Severity)), f.Message)
		if len(f.Objects) > 0 {
			more := ""
			if n := len(f.Objects) - mostObjects; n > 0 {
				more = fmt.Sprintf(" and %d more", n)
			}
			fmt.Fprintf(to, "         %s%s\n", strings.Join(f.Objects[:min(len(f.Objects), mostObjects)], ", "), more)
		}
		if f.Command != "" {
			fmt.Fprintf(to, "         $ %s\n", f.Command)
		}
		fmt.Fprintln(to)
	}
	fmt.Fprintf(to, "%s: %s, %s, %d that could not be told, %d to know of.\n", plural(len(report.Checks), "check"),
		plural(report.Count(doctor.Error), "error"), plural(report.Count(doctor.Warning), "warning"), report.Count(doctor.Unknown), report.Count(doctor.Info))
}
