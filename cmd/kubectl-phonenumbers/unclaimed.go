package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/internal/unclaimed"
)

func unclaimedCommand() *cobra.Command {
	flags := genericclioptions.NewConfigFlags(true)
	var namespace string
	var output outputFormat
	cmd := &cobra.Command{
		Use:   "unclaimed",
		Short: "List what the operator received for numbers that no PhoneNumber claims",
		Long: `List what the operator received, by webhook or event, for numbers that no PhoneNumber claims: the last four digits of the number, the
ids that Meta gave to it and to its WhatsApp Business account, how much was received, and when. It is counted all the same: a
PhoneNumber with that number, or with that id in spec.phoneNumberID, finds it. It takes the right to get the ConfigMap
numberfleet-unclaimed in the operator's namespace.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := newClient(flags, corev1.AddToScheme)
			if err != nil {
				return err
			}
			return listUnclaimed(cmd.Context(), api, namespace, output, cmd.OutOrStdout())
		},
	}
	addConfigFlags(cmd, flags)
	addOperatorNamespace(cmd, &namespace)
	addOutput(cmd, &output, "How to write the list.", outputTable, outputJSON, outputYAML)
	return cmd
}

func listUnclaimed(ctx context.Context, api client.Reader, namespace string, output outputFormat, to io.Writer) error {
	var stored corev1.ConfigMap
	err := api.Get(ctx, client.ObjectKey{Namespace: namespace, Name: unclaimed.ConfigMap}, &stored)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("read what is not claimed: %w", err)
	}
	all, err := unclaimed.Read(stored.Data)
	if err != nil {
		return err
	}
	if output != outputTable {
		return encode(to, output, map[string]any{"items": append([]unclaimed.Number{}, all...)})
	}
	if len(all) == 0 {
		_, err := fmt.Fprintf(to, "Nothing is told in namespace %s: all that the operator received is claimed, or it never wrote otherwise.\n", namespace)
		return err
	}
	t := table{columns: []string{"NUMBER", "ID", "ACCOUNT", "UPDATES", "FIRST", "LAST"}, narrow: 6}
	for i := range all {
		n := &all[i]
		t.rows = append(t.rows, tableRow{cells: []string{dash(n.Number), dash(n.NumberID), dash(n.Account), strconv.FormatInt(n.Updates, 10),
			n.FirstTime.UTC().Format(time.RFC3339), n.LastTime.UTC().Format(time.RFC3339)}})
	}
	return t.write(to, false, false)
}
