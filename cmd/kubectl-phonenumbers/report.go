package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"

	"numberfleet.dev/numberfleet/internal/bundle"
)

func reportCommand() *cobra.Command {
	flags := genericclioptions.NewConfigFlags(true)
	var operatorNamespace, file string
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Write an archive for whoever helps, without people and secrets",
		Long: `Write an archive for whoever helps: versions, the resources of numberfleet with their conditions, Events, the objects of the operator's
namespace with its configuration and logs, and what doctor finds. README.txt in it says what is where.

Phone numbers, ids of users and messages, mail addresses, display names and names of businesses are replaced by words that are the same for the
same text within the archive alone. Secrets are not in it. Names of resources and namespaces are as they are. It reads with your own rights; what
you may not read is named in unread.txt.`,
		Example: `  kubectl phonenumbers report
  tar -tzf numberfleet-report-*.tar.gz`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options := bundle.Options{}
			var err error
			if options.Doctor, err = doctorOptions(cmd.Context(), flags, operatorNamespace); err != nil {
				return err
			}
			config, err := restConfig(flags)
			if err != nil {
				return err
			}
			if options.Cluster, err = kubernetes.NewForConfig(config); err != nil {
				return err
			}
			return writeReport(cmd.Context(), file, options, cmd.OutOrStdout())
		},
	}
	addConfigFlags(cmd, flags)
	addOperatorNamespace(cmd, &operatorNamespace)
	cmd.Flags().StringVarP(&file, "file", "f", "", "File to write; - for the standard output. If left out, a name with the time, in this folder.")
	return cmd
}

func writeReport(ctx context.Context, file string, options bundle.Options, stdout io.Writer) error {
	if file == "-" {
		return bundle.Write(ctx, stdout, options)
	}
	if file == "" {
		file = bundle.FolderAt(options.Doctor.Now) + ".tar.gz"
	}
	if err := create("--file", file, func(to io.Writer) error { return bundle.Write(ctx, to, options) }); err != nil {
		return err
	}
	_, err := fmt.Fprintln(stdout, file)
	return err
}
