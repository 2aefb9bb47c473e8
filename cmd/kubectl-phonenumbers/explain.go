package main

import (
	"cmp"
	"context"
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
	"sigs.k8s.io/controller-runtime/pkg/client"

	apiclient "numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/standing/remote"
)

func explainCommand() *cobra.Command {
	flags := genericclioptions.NewConfigFlags(true)
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
			return explain(cmd.Context(), api, namespace, args[0], cmd.OutOrStdout())
		},
	}
	addConfigFlags(cmd, flags)
	return cmd
}

// explanation is what is said of a resource beside what all kinds have in common.
type explanation struct {
	head      string
	sentences []string
	asOf      metav1.Time
	members   []v1alpha1.PoolMember
}

// explain writes what the status of a resource says, for people to read.
func explain(ctx context.Context, api client.Reader, namespace, what string, to io.Writer) error {
	object, err := getObject(ctx, api, namespace, what)
	if err != nil {
		return err
	}
	var explained explanation
	switch object := object.(type) {
	case *v1alpha1.PhoneNumber:
		explained = explainNumber(object)
	case *v1alpha1.BusinessPortfolio:
		explained = explainPortfolio(object)
	case *v1alpha1.MessageTemplate:
		explained = explainTemplate(object)
	case *v1alpha1.NumberPool:
		explained = explainPool(object)
	}
	stood, _ := new(remote.Standing).Of(object)
	explained.write(printer{to}, object.CommonStatus(), stood.Budgets)
	return nil
}

func explainNumber(n *v1alpha1.PhoneNumber) explanation {
	s := &n.Status
	head := fmt.Sprintf("PhoneNumber %s/%s", n.Namespace, n.Name)
	if s.Tier.Name != "" {
		head += fmt.Sprintf(" is %s: %s", s.State, limit(&s.CommonStatus, &s.LimitStatus, s.Quality.Rating))
	}
	sentences := slices.Clone(s.Explanation)
	if c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionUsageFresh); c != nil && c.Status != metav1.ConditionTrue {
		sentences = append(sentences, c.Message)
	}
	if c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionUsageComplete); c != nil {
		sentences = append(sentences, c.Message)
	}
	return explanation{head: head, sentences: append(sentences, unfit(&s.CommonStatus)...), asOf: s.Usage.ObservedTime}
}

func explainPortfolio(p *v1alpha1.BusinessPortfolio) explanation {
	s := &p.Status
	head := "BusinessPortfolio " + p.Name
	if s.Tier.Name != "" {
		head += ": " + limit(&s.CommonStatus, &s.LimitStatus, s.Quality.Rating)
	}
	if s.Numbers != nil {
		head += fmt.Sprintf(", %d numbers", *s.Numbers)
	}
	return explanation{head: head, sentences: append(slices.Clone(s.Explanation), unfit(&s.CommonStatus)...), asOf: s.Usage.ObservedTime}
}

// unfit says what of the budgets, or of the numbers of a pool, is not as it should be.
func unfit(s *v1alpha1.CommonStatus) (sentences []string) {
	for _, c := range s.Conditions {
		if (c.Type == v1alpha1.ConditionBudgetsFit || c.Type == v1alpha1.ConditionMembersFit) && c.Status != metav1.ConditionTrue {
			sentences = append(sentences, c.Message)
		}
	}
	return sentences
}

func explainPool(p *v1alpha1.NumberPool) explanation {
	s := &p.Status
	head := fmt.Sprintf("NumberPool %s/%s", p.Namespace, p.Name)
	if s.Numbers != nil && s.Sendable != nil {
		head += fmt.Sprintf(": %d of %d numbers may send%s, %s", *s.Sendable, *s.Numbers, reserved(s.Reserved),
			remaining(s.Conditions, &v1alpha1.UsageStatus{Remaining: s.Remaining, SendableTime: s.SendableTime}))
	}
	return explanation{head: head, sentences: unfit(&s.CommonStatus), members: s.Members}
}

func explainTemplate(t *v1alpha1.MessageTemplate) explanation {
	s := &t.Status
	head := fmt.Sprintf("MessageTemplate %s/%s", t.Namespace, t.Name)
	if s.State != "" {
		head += fmt.Sprintf(" is %s, quality %s", s.State, s.Quality.Rating)
	}
	var sentences []string
	if c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionSendable); c != nil {
		sentences = append(sentences, c.Message+" (rule 8)")
	}
	return explanation{head: head, sentences: sentences, asOf: s.EvaluatedTime}
}

// limit says what a number or a portfolio may send, and how it is rated.
func limit(common *v1alpha1.CommonStatus, of *v1alpha1.LimitStatus, quality v1alpha1.QualityRating) string {
	return fmt.Sprintf("tier %s, %s%s, %s, quality %s", of.Tier.Name, used(of.Usage.Used, of.Tier.Limit), reserved(of.Usage.Reserved), remaining(common.Conditions, &of.Usage), quality)
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
func remaining(conditions []metav1.Condition, usage *v1alpha1.UsageStatus) string {
	c := meta.FindStatusCondition(conditions, v1alpha1.ConditionSendable)
	switch {
	case c != nil && c.Status != metav1.ConditionTrue && !usage.SendableTime.IsZero():
		return fmt.Sprintf("0 remain (%s, until %s)", c.Reason, usage.SendableTime.UTC().Format(time.DateTime+" MST"))
	case c != nil && c.Status != metav1.ConditionTrue:
		return fmt.Sprintf("0 remain (%s)", c.Reason)
	case usage.Remaining == nil:
		return "no limit"
	default:
		return fmt.Sprintf("%d remain", *usage.Remaining)
	}
}

// lately is how many transitions are shown.
const lately = 8

func (e explanation) write(to io.Writer, status *v1alpha1.CommonStatus, budgets []apiclient.Budget) {
	fmt.Fprintln(to, e.head)
	if c := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady); c == nil {
		fmt.Fprintln(to, "\nThe operator has not seen it yet.")
	} else if c.Status != metav1.ConditionTrue {
		fmt.Fprintf(to, "\nNot ready, %s: %s\n", c.Reason, c.Message)
	}
	if len(e.sentences) > 0 {
		since := ""
		if !e.asOf.IsZero() {
			since = ", as of " + e.asOf.UTC().Format(time.DateTime+" MST")
		}
		fmt.Fprintf(to, "\nWhy%s:\n", since)
		for _, sentence := range e.sentences {
			fmt.Fprintln(to, "  -", sentence)
		}
	}
	writeBudgets(to, budgets)
	writeMembers(to, e.members)
	if len(status.History) > 0 {
		fmt.Fprintln(to, "\nLately:")
		last := slices.Clone(status.History[max(0, len(status.History)-lately):])
		slices.Reverse(last)
		for _, t := range last {
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
