package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

func explainCommand() *cobra.Command {
	flags := genericclioptions.NewConfigFlags(true)
	cmd := &cobra.Command{
		Use:   "explain NAME | businessportfolio/NAME | messagetemplate/NAME",
		Short: "Say in sentences why a number is where it is, what is missing for the next tier, and what would lower it",
		Example: `  # Why can the number hotels not send any more today?
  kubectl phonenumbers explain hotels -n fleet

  # What does the portfolio need for its next tier?
  kubectl phonenumbers explain businessportfolio/acme-travel`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := flags.ToRESTConfig()
			if err != nil {
				return err
			}
			namespace, _, err := flags.ToRawKubeConfigLoader().Namespace()
			if err != nil {
				return err
			}
			scheme := runtime.NewScheme()
			if err := v1alpha1.AddToScheme(scheme); err != nil {
				return err
			}
			api, err := client.New(config, client.Options{Scheme: scheme})
			if err != nil {
				return err
			}
			return explain(cmd.Context(), api, namespace, args[0], cmd.OutOrStdout())
		},
	}
	flags.AddFlags(cmd.Flags())
	return cmd
}

// explanation is what is said of a resource, whatever its kind.
type explanation struct {
	head       string
	conditions []metav1.Condition
	sentences  []string
	asOf       metav1.Time
	history    []v1alpha1.Transition
	clustered  bool // it has no namespace
}

// explain writes what the status of a resource says, for people to read.
func explain(ctx context.Context, api client.Reader, namespace, what string, to io.Writer) error {
	kind, name, ok := strings.Cut(what, "/")
	if !ok {
		kind, name = "phonenumber", what
	}
	var of explanation
	var err error
	switch strings.ToLower(kind) {
	case "phonenumber", "phonenumbers", "pn", "wapn":
		of, err = explainNumber(ctx, api, client.ObjectKey{Namespace: namespace, Name: name})
	case "businessportfolio", "businessportfolios", "wabp":
		of, err = explainPortfolio(ctx, api, client.ObjectKey{Name: name})
	case "messagetemplate", "messagetemplates", "wamt":
		of, err = explainTemplate(ctx, api, client.ObjectKey{Namespace: namespace, Name: name})
	default:
		return fmt.Errorf("%q is no kind that can be explained: it must be phonenumber, businessportfolio or messagetemplate", kind)
	}
	if apierrors.IsNotFound(err) {
		if of.clustered {
			return fmt.Errorf("there is no %s %q", kind, name)
		}
		return fmt.Errorf("there is no %s %q in namespace %q", kind, name, namespace)
	}
	if err != nil {
		return err
	}
	of.write(to)
	return nil
}

func explainNumber(ctx context.Context, api client.Reader, key client.ObjectKey) (explanation, error) {
	var n v1alpha1.PhoneNumber
	if err := api.Get(ctx, key, &n); err != nil {
		return explanation{}, err
	}
	s := &n.Status
	head := fmt.Sprintf("PhoneNumber %s/%s", n.Namespace, n.Name)
	if s.Tier.Name != "" {
		head += fmt.Sprintf(" is %s: tier %s, %s, %s, quality %s", s.State, s.Tier.Name, used(s.Usage.Used, s.Tier.Limit), remaining(s.Conditions, &s.Usage), s.Quality.Rating)
	}
	sentences := slices.Clone(s.Explanation)
	if c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionUsageFresh); c != nil && c.Status != metav1.ConditionTrue {
		sentences = append(sentences, c.Message)
	}
	if c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionUsageComplete); c != nil {
		sentences = append(sentences, c.Message)
	}
	return explanation{head: head, conditions: s.Conditions, sentences: sentences, asOf: s.Usage.ObservedTime, history: s.History}, nil
}

func explainPortfolio(ctx context.Context, api client.Reader, key client.ObjectKey) (explanation, error) {
	var p v1alpha1.BusinessPortfolio
	if err := api.Get(ctx, key, &p); err != nil {
		return explanation{clustered: true}, err
	}
	s := &p.Status
	head := "BusinessPortfolio " + p.Name
	if s.Tier.Name != "" {
		head += fmt.Sprintf(": tier %s, %s, %s, quality %s", s.Tier.Name, used(s.Usage.Used, s.Tier.Limit), remaining(s.Conditions, &s.Usage), s.Quality.Rating)
	}
	if s.Numbers != nil {
		head += fmt.Sprintf(", %d numbers", *s.Numbers)
	}
	return explanation{head: head, conditions: s.Conditions, sentences: s.Explanation, asOf: s.Usage.ObservedTime, history: s.History}, nil
}

func explainTemplate(ctx context.Context, api client.Reader, key client.ObjectKey) (explanation, error) {
	var t v1alpha1.MessageTemplate
	if err := api.Get(ctx, key, &t); err != nil {
		return explanation{}, err
	}
	s := &t.Status
	head := fmt.Sprintf("MessageTemplate %s/%s", t.Namespace, t.Name)
	if s.State != "" {
		head += fmt.Sprintf(" is %s, quality %s", s.State, s.Quality.Rating)
	}
	var sentences []string
	if c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionSendable); c != nil {
		sentences = append(sentences, c.Message+" (rule 8)")
	}
	return explanation{head: head, conditions: s.Conditions, sentences: sentences, asOf: s.EvaluatedTime, history: s.History}, nil
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

func (e *explanation) write(to io.Writer) {
	fmt.Fprintln(to, e.head)
	if c := meta.FindStatusCondition(e.conditions, v1alpha1.ConditionReady); c == nil {
		fmt.Fprintln(to, "\nThe operator has not seen it yet.")
	} else if c.Status != metav1.ConditionTrue {
		fmt.Fprintf(to, "\nNot ready, %s: %s\n", c.Reason, c.Message)
	}
	if len(e.sentences) > 0 {
		fmt.Fprintf(to, "\nWhy, as of %s:\n", e.asOf.UTC().Format(time.DateTime+" MST"))
		for _, sentence := range e.sentences {
			fmt.Fprintln(to, "  -", sentence)
		}
	}
	if len(e.history) > 0 {
		fmt.Fprintln(to, "\nLately:")
		last := slices.Clone(e.history[max(0, len(e.history)-lately):])
		slices.Reverse(last)
		for _, t := range last {
			fmt.Fprintf(to, "  %s  %-18s %s\n", t.Time.UTC().Format(time.DateTime), t.Reason, t.Message)
		}
	}
}
