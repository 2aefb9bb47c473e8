package main

import (
	"context"
	"fmt"
	"os"
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

// show prints what happens as it happens, and after it the table that `kubectl get phonenumbers` prints.
func show(ctx context.Context, config *rest.Config, life *life) error {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	numbers, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	tables, err := tableClient(config)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	first, stateBefore := true, ""
	for tick := time.NewTicker(time.Second); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return ctx.Err()
		case <-tick.C:
		}
		if err := life.save(); err != nil {
			return err
		}
		var fleet v1alpha1.PhoneNumberList
		if err := numbers.List(ctx, &fleet); err != nil {
			return err
		}
		var now strings.Builder
		for _, number := range fleet.Items {
			for _, t := range number.Status.History {
				key := fmt.Sprint(number.UID, t.Time.Unix(), t.Reason, t.From, t.To)
				if !seen[key] && !first {
					fmt.Printf("%s  %-12s %-17s %s\n", t.Time.UTC().Format(time.DateTime), number.Name, t.Reason, t.Message)
				}
				seen[key] = true
			}
			fmt.Fprintln(&now, number.Status.State, number.Status.Tier.Name, number.Status.Quality.Rating)
		}
		states := now.String()
		if first || states != stateBefore {
			if err := printTable(ctx, tables, life); err != nil {
				return err
			}
		}
		first, stateBefore = false, states
	}
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
func printTable(ctx context.Context, tables rest.Interface, life *life) error {
	var table metav1.Table
	if err := tables.Get().Resource("phonenumbers").Do(ctx).Into(&table); err != nil {
		return err
	}
	now := life.Now()
	fmt.Printf("\n%s, day %d\n", now.Format(time.DateTime), int(now.Sub(life.born)/(24*time.Hour))+1)
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
