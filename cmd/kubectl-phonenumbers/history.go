package main

import (
	"cmp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

func historyCommand() *cobra.Command {
	var f clusterFlags
	var output outputFormat
	var tail int
	cmd := &cobra.Command{
		Use:   "history [NAME | businessportfolio/NAME | messagetemplate/NAME | numberpool/NAME]",
		Short: "List what happened to a number, or to the whole fleet, in the order of time",
		Long: `List what happened to a number, or to the whole fleet, in the order of time: the last 20 transitions that each status keeps, and since when
each condition that no transition tells of has been as it is.`,
		Example: `  # What happened lately?
  kubectl phonenumbers history -A --tail 20

  # Since when is the number hotels lower?
  kubectl phonenumbers history hotels -n fleet`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if tail < 0 {
				return usageErrorf("--tail: must be a whole number, 0 for all")
			}
			api, namespace, _, err := f.open()
			if err != nil {
				return err
			}
			var objects []v1alpha1.Object
			if len(args) == 1 {
				object, err := getObject(cmd.Context(), api, namespace, args[0])
				if err != nil {
					return err
				}
				objects = []v1alpha1.Object{object}
			} else {
				fleet, err := readFleet(cmd.Context(), api, namespace)
				if err != nil {
					return err
				}
				objects = slices.Concat(fleet.numbers, fleet.portfolios, fleet.pools, fleet.templates)
			}
			happened := happenings(objects)
			if tail > 0 {
				happened = happened[max(0, len(happened)-tail):]
			}
			if output == outputJSON || output == outputYAML {
				return encode(cmd.OutOrStdout(), output, map[string]any{"items": happened})
			}
			t := table{columns: []string{"TIME", "OBJECT", "REASON", "MESSAGE"}, narrow: 4}
			for _, h := range happened {
				object := h.Object
				if f.all && h.Namespace != "" {
					object += " -n " + h.Namespace
				}
				reason := h.Reason
				if h.Condition != "" {
					reason = h.Condition + ": " + reason
				}
				t.rows = append(t.rows, tableRow{cells: []string{h.Time.Format(time.DateTime), object, reason, h.Message}})
			}
			return t.write(cmd.OutOrStdout(), false, false)
		},
	}
	f.addConfig(cmd)
	f.addAllNamespaces(cmd)
	cmd.Flags().IntVar(&tail, "tail", 0, "How many of the last to list; 0 for all that is known.")
	addOutput(cmd, &output, "How to write it: for people, or for programs.", outputTable, outputJSON, outputYAML)
	cmd.ValidArgsFunction = completeObject(f.ConfigFlags, "BusinessPortfolio", "MessageTemplate", "NumberPool")
	return cmd
}

// happening is a transition of an object, or of one of its conditions.
type happening struct {
	Time      time.Time `json:"time"`
	Namespace string    `json:"namespace,omitempty"`
	Object    string    `json:"object"` // kind/name
	// Condition is the type of a condition, which has been as it is since then; empty for a transition.
	Condition string `json:"condition,omitempty"`
	Reason    string `json:"reason"`
	From      string `json:"from,omitempty"`
	To        string `json:"to,omitempty"`
	Message   string `json:"message"`
}

// untold are the conditions that no transition tells of.
var untold = []string{
	v1alpha1.ConditionReady, v1alpha1.ConditionRulesAgree, v1alpha1.ConditionUsageFresh, v1alpha1.ConditionUsageComplete, v1alpha1.ConditionReportsFresh,
	v1alpha1.ConditionBudgetsFit, v1alpha1.ConditionMembersFit,
}

// happenings are what the statuses of objects tell of, in the order of time.
func happenings(objects []v1alpha1.Object) []happening {
	all := []happening{}
	for _, o := range objects {
		of := happening{Namespace: o.GetNamespace(), Object: argumentOf(o, "")}
		for _, t := range o.CommonStatus().History {
			h := of
			h.Time, h.Reason, h.From, h.To, h.Message = t.Time.UTC(), string(t.Reason), t.From, t.To, t.Message
			all = append(all, h)
		}
		for _, c := range o.CommonStatus().Conditions {
			if slices.Contains(untold, c.Type) {
				h := of
				h.Time, h.Condition, h.Reason, h.Message = c.LastTransitionTime.UTC(), c.Type, c.Reason, c.Message
				all = append(all, h)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b happening) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Object, b.Object)) })
	return all
}
