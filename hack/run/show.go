package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// resources are what is shown.
var resources = []string{"phonenumbers", "businessportfolios", "messagetemplates", "numberpools"}

// shownConditions are the conditions whose changes are printed. No transition reports them.
var shownConditions = []string{v1alpha1.ConditionReportsFresh, v1alpha1.ConditionRulesAgree, v1alpha1.ConditionUsageFresh, v1alpha1.ConditionUsageComplete}

// shownReasons are worth a line though they say no more than that something is not known.
var shownReasons = []string{v1alpha1.ReasonWithinDelay, v1alpha1.ReasonSilent, v1alpha1.ReasonNotSubscribed}

// worthALine says whether a change of a condition is printed: something is wrong, or right again.
func worthALine(was, is metav1.Condition) bool {
	return was.Reason != is.Reason && (is.Status == metav1.ConditionFalse || was.Status == metav1.ConditionFalse ||
		slices.Contains(shownReasons, is.Reason) || was.Reason == v1alpha1.ReasonSilent || was.Reason == v1alpha1.ReasonNotSubscribed)
}

// show prints what happens as it happens, and after it the tables that `kubectl get` prints.
func show(ctx context.Context, config *rest.Config, clock *fleetClock) error {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	api, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	tables, err := tableClient(config)
	if err != nil {
		return err
	}
	seen, conditions := map[string]bool{}, map[string]metav1.Condition{}
	first, stateBefore, quiet := true, "", 0
	for tick := time.NewTicker(time.Second); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return ctx.Err()
		case <-tick.C:
		}
		if err := clock.save(); err != nil {
			return err
		}
		var numbers v1alpha1.PhoneNumberList
		var portfolios v1alpha1.BusinessPortfolioList
		var templates v1alpha1.MessageTemplateList
		if err := errors.Join(api.List(ctx, &numbers), api.List(ctx, &portfolios), api.List(ctx, &templates)); err != nil {
			return err
		}
		var now strings.Builder
		tell := func(of metav1.ObjectMeta, history []v1alpha1.Transition, state ...any) {
			for _, t := range history {
				key := fmt.Sprint(of.UID, t.Time.Unix(), t.Reason, t.From, t.To)
				if !seen[key] && !first {
					fmt.Printf("%s  %-12s %-17s %s\n", t.Time.UTC().Format(time.DateTime), of.Name, t.Reason, t.Message)
				}
				seen[key] = true
			}
			fmt.Fprintln(&now, state...)
		}
		for i := range numbers.Items {
			n := &numbers.Items[i]
			tell(n.ObjectMeta, n.Status.History, folded(&n.Status), n.Status.Tier.Name, n.Status.Quality.Rating)
			for _, c := range n.Status.Conditions {
				key := fmt.Sprint(n.UID, c.Type)
				was, is := conditions[key], c
				if conditions[key] = c; slices.Contains(shownConditions, c.Type) && !first && worthALine(was, is) {
					fmt.Printf("%s  %-12s %-17s %s: %s\n", c.LastTransitionTime.UTC().Format(time.DateTime), n.Name, c.Type, c.Reason, c.Message)
				}
			}
		}
		for i := range portfolios.Items {
			p := &portfolios.Items[i]
			tell(p.ObjectMeta, p.Status.History, p.Status.Tier.Name, p.Status.LimitReached.SinceTime)
		}
		for i := range templates.Items {
			t := &templates.Items[i]
			tell(t.ObjectMeta, t.Status.History, t.Status.State, t.Status.Quality.Rating)
		}
		states := now.String()
		quiet++
		if first || states != stateBefore || quiet >= 60 { // at least once a minute
			quiet = 0
			now := clock.Now()
			fmt.Printf("\n%s, day %d\n", now.Format(time.DateTime), int(now.Sub(clock.born)/(24*time.Hour))+1)
			for _, resource := range resources {
				if err := printTable(ctx, tables, resource); err != nil {
					return err
				}
			}
		}
		first, stateBefore = false, states
	}
}

// folded is the state of a number, which for as long as its limit is reached again and again is one.
func folded(status *v1alpha1.PhoneNumberStatus) v1alpha1.State {
	if !status.LimitReached.SinceTime.IsZero() && status.State == v1alpha1.StateConnected {
		return v1alpha1.StateRestricted
	}
	return status.State
}

func tableClient(config *rest.Config) (rest.Interface, error) {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, v1alpha1.GroupVersion)
	if err := metav1.AddMetaToScheme(scheme); err != nil {
		return nil, err
	}
	c := rest.CopyConfig(config)
	c.GroupVersion = &v1alpha1.GroupVersion
	c.APIPath = "/apis"
	c.AcceptContentTypes = "application/json;as=Table;v=v1;g=meta.k8s.io"
	c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	return rest.RESTClientFor(c)
}

// printTable prints the columns that the API server makes for kubectl.
func printTable(ctx context.Context, tables rest.Interface, resource string) error {
	var table metav1.Table
	if err := tables.Get().Resource(resource).Do(ctx).Into(&table); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	var head []string
	for _, column := range table.ColumnDefinitions {
		if column.Priority == 0 {
			head = append(head, strings.ToUpper(column.Name))
		}
	}
	fmt.Fprintln(w, strings.Join(head, "\t"))
	for _, row := range table.Rows {
		var cells []string
		for i, column := range table.ColumnDefinitions {
			if column.Priority == 0 {
				cell := ""
				if row.Cells[i] != nil {
					cell = fmt.Sprint(row.Cells[i])
				}
				cells = append(cells, cell)
			}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Println()
	return nil
}
