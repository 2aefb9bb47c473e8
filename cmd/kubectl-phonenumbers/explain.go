package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	apiclient "numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/standing/remote"
)

func explainCommand() *cobra.Command {
	flags := genericclioptions.NewConfigFlags(true)
	var output outputFormat
	cmd := &cobra.Command{
		Use:   "explain NAME | businessportfolio/NAME | messagetemplate/NAME | numberpool/NAME",
		Short: "Say in sentences why a number is where it is, what is missing for the next tier, and what would lower it",
		Example: `  # Why can the number hotels not send any more today?
  kubectl phonenumbers explain hotels -n fleet

  # What does the portfolio need for its next tier?
  kubectl phonenumbers explain businessportfolio/acme-travel`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeObject(flags, "BusinessPortfolio", "MessageTemplate", "NumberPool"),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := newClient(flags, v1alpha1.AddToScheme)
			if err != nil {
				return err
			}
			namespace, _, err := flags.ToRawKubeConfigLoader().Namespace()
			if err != nil {
				return err
			}
			object, err := getObject(cmd.Context(), api, namespace, args[0])
			if err != nil {
				return err
			}
			explained := explain(object)
			if output != outputTable {
				return encode(cmd.OutOrStdout(), output, explained)
			}
			explained.write(printer{cmd.OutOrStdout()})
			return nil
		},
	}
	addConfigFlags(cmd, flags)
	addOutput(cmd, &output, "How to write it: for people, or for programs.", outputTable, outputJSON, outputYAML)
	return cmd
}

// lately is how many transitions an explanation has.
const lately = 8

// explanation is why an object is where it is, as its status says.
type explanation struct {
	Kind      string      `json:"kind"`
	Namespace string      `json:"namespace,omitempty"`
	Name      string      `json:"name"`
	Summary   string      `json:"summary"`
	AsOf      metav1.Time `json:"asOf,omitzero"`
	Why       []string    `json:"why"`
	// Ready is the condition of that type; nil where the operator has not seen the object yet.
	Ready   *metav1.Condition     `json:"ready,omitempty"`
	Budgets []apiclient.Budget    `json:"budgets,omitempty"`
	Members []v1alpha1.PoolMember `json:"members,omitempty"`
	// Lately is what happened, the newest first.
	Lately []v1alpha1.Transition `json:"lately,omitempty"`
}

func explain(object v1alpha1.Object) *explanation {
	status := object.CommonStatus()
	stands, _ := new(remote.Standing).Of(object)
	e := &explanation{
		Kind: remote.KindOf(object), Namespace: object.GetNamespace(), Name: object.GetName(), Why: []string{}, Budgets: stands.Budgets,
		Ready:  meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady),
		Lately: slices.Clone(status.History[max(0, len(status.History)-lately):]),
	}
	slices.Reverse(e.Lately)
	e.Summary = e.Kind + " " + fullName(object)
	switch object := object.(type) {
	case *v1alpha1.PhoneNumber:
		e.addNumber(object, &stands)
	case *v1alpha1.BusinessPortfolio:
		e.addPortfolio(object, &stands)
	case *v1alpha1.MessageTemplate:
		e.addTemplate(object)
	case *v1alpha1.NumberPool:
		e.addPool(object, &stands)
	}
	e.addUnfit(status)
	return e
}

func (e *explanation) addNumber(n *v1alpha1.PhoneNumber, stands *apiclient.Item) {
	s := &n.Status
	if s.Tier.Name != "" {
		e.Summary += fmt.Sprintf(" is %s: %s", s.State, limit(&s.LimitStatus, stands, s.Quality.Rating))
	}
	e.Why, e.AsOf = append(e.Why, s.Explanation...), s.Usage.ObservedTime
	if c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionUsageFresh); c != nil && c.Status != metav1.ConditionTrue {
		e.Why = append(e.Why, c.Message)
	}
	if c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionUsageComplete); c != nil {
		e.Why = append(e.Why, c.Message)
	}
}

func (e *explanation) addPortfolio(p *v1alpha1.BusinessPortfolio, stands *apiclient.Item) {
	s := &p.Status
	if s.Tier.Name != "" {
		e.Summary += ": " + limit(&s.LimitStatus, stands, s.Quality.Rating)
	}
	if s.Numbers != nil {
		e.Summary += fmt.Sprintf(", %d numbers", *s.Numbers)
	}
	e.Why, e.AsOf = append(e.Why, s.Explanation...), s.Usage.ObservedTime
}

func (e *explanation) addPool(p *v1alpha1.NumberPool, stands *apiclient.Item) {
	s := &p.Status
	if s.Numbers != nil && s.Sendable != nil {
		e.Summary += fmt.Sprintf(": %d of %d numbers may send%s, %s", *s.Sendable, *s.Numbers, reserved(s.Reserved),
			remaining(stands))
	}
	e.Members = s.Members
}

func (e *explanation) addTemplate(t *v1alpha1.MessageTemplate) {
	s := &t.Status
	if s.State != "" {
		e.Summary += fmt.Sprintf(" is %s, quality %s", s.State, s.Quality.Rating)
	}
	if c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionSendable); c != nil {
		e.Why = append(e.Why, c.Message+" (rule 8)")
	}
	e.AsOf = s.EvaluatedTime
}

// addUnfit says what of the budgets, or of the numbers of a pool, is not as it should be.
func (e *explanation) addUnfit(s *v1alpha1.CommonStatus) {
	for _, c := range s.Conditions {
		if (c.Type == v1alpha1.ConditionBudgetsFit || c.Type == v1alpha1.ConditionMembersFit) && c.Status != metav1.ConditionTrue {
			e.Why = append(e.Why, c.Message)
		}
	}
}

// limit says what a number or a portfolio may send, and how it is rated.
func limit(of *v1alpha1.LimitStatus, stands *apiclient.Item, quality v1alpha1.QualityRating) string {
	return fmt.Sprintf("tier %s, %s%s, %s, quality %s", of.Tier.Name, used(of.Usage.Used, of.Tier.Limit), reserved(of.Usage.Reserved), remaining(stands), quality)
}

func used(used *int64, limit int64) string {
	of := "an unlimited number"
	if limit > 0 {
		of = strconv.FormatInt(limit, 10)
	}
	if used == nil {
		return "limit " + of
	}
	return fmt.Sprintf("%d of %s used", *used, of)
}

// reserved says how much is held, if anything is.
func reserved(held *int64) string {
	if held == nil || *held == 0 {
		return ""
	}
	return fmt.Sprintf(", %d reserved", *held)
}

// remaining says how many further users may be messaged, and why none.
func remaining(stands *apiclient.Item) string {
	switch {
	case stands.Sendable && stands.Remaining == rules.NoLimit:
		return "no limit"
	case stands.Sendable:
		return fmt.Sprintf("%d remain", stands.Remaining)
	case stands.Until.IsZero():
		return fmt.Sprintf("0 remain (%s)", stands.Reason)
	default:
		return fmt.Sprintf("0 remain (%s, until %s)", stands.Reason, stamp(stands.Until))
	}
}

// write writes it for people.
func (e *explanation) write(to io.Writer) {
	fmt.Fprintln(to, e.Summary)
	if e.Ready == nil {
		fmt.Fprintln(to, "\nThe operator has not seen it yet.")
	} else if e.Ready.Status != metav1.ConditionTrue {
		fmt.Fprintf(to, "\nNot ready, %s: %s\n", e.Ready.Reason, e.Ready.Message)
	}
	if len(e.Why) > 0 {
		since := ""
		if !e.AsOf.IsZero() {
			since = ", as of " + stamp(e.AsOf.Time)
		}
		fmt.Fprintf(to, "\nWhy%s:\n", since)
		for _, sentence := range e.Why {
			fmt.Fprintln(to, "  -", sentence)
		}
	}
	writeBudgets(to, e.Budgets)
	writeMembers(to, e.Members)
	if len(e.Lately) > 0 {
		fmt.Fprintln(to, "\nLately:")
		for _, t := range e.Lately {
			fmt.Fprintf(to, "  %s  %-18s %s\n", t.Time.UTC().Format(time.DateTime), t.Reason, t.Message)
		}
	}
}

// writeBudgets writes the budgets as a table.
func writeBudgets(to io.Writer, budgets []apiclient.Budget) {
	if len(budgets) == 0 {
		return
	}
	fmt.Fprintln(to, "\nBudgets:")
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  NAME\tUSED\tRESERVED\tGUARANTEED\tMAXIMUM\tREMAINING")
	for _, b := range budgets {
		fmt.Fprintf(table, "  %s\t%d\t%d\t%d\t%s\t%s\n", b.Name, b.Used, b.Reserved, b.Guaranteed, figure(b.Maximum), remainder(b.Remaining))
	}
	_ = table.Flush() // it fails as the writes do
}

// writeMembers writes the numbers of a pool as a table.
func writeMembers(to io.Writer, members []v1alpha1.PoolMember) {
	if len(members) == 0 {
		return
	}
	fmt.Fprintln(to, "\nNumbers:")
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  NAME\tSTATE\tREMAINING\tWHY")
	for _, m := range members {
		remaining := "no limit"
		if m.Remaining != nil {
			remaining = strconv.FormatInt(*m.Remaining, 10)
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", m.Name, cmp.Or(string(m.State), "-"), remaining, cmp.Or(string(m.Reason), "-"))
	}
	_ = table.Flush() // it fails as the writes do
}
