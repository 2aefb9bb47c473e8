package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	apiclient "numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/overview"
	"numberfleet.dev/numberfleet/internal/standing/remote"
)

func statusCommand() *cobra.Command {
	var f clusterFlags
	var output outputFormat
	cmd := &cobra.Command{
		Use:   "status [NAME | businessportfolio/NAME | messagetemplate/NAME | numberpool/NAME]",
		Short: "Show where the fleet stands, what needs a person first; or of one number what is left, and what happens next",
		Example: `  # What needs me, in all namespaces?
  kubectl phonenumbers status -A

  # What may the number hotels still send, and when does that change?
  kubectl phonenumbers status hotels -n fleet`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, namespace, operator, err := f.open()
			if err != nil {
				return err
			}
			to := &statusWriter{Writer: cmd.OutOrStdout(), paint: paletteOf(cmd.OutOrStdout()), format: output}
			if len(args) == 0 {
				fleet, err := readFleet(cmd.Context(), api, namespace)
				if err != nil {
					return err
				}
				return to.fleet(fleet, remote.Read(cmd.Context(), operator, apiclient.Selection{Namespace: namespace}), namespace)
			}
			object, err := getObject(cmd.Context(), api, namespace, args[0])
			if err != nil {
				return err
			}
			return to.one(object, remote.Read(cmd.Context(), operator, selectionOf(object)))
		},
	}
	addClusterFlags(cmd, &f)
	f.addAllNamespaces(cmd)
	addOutput(cmd, &output, "How to write it: for people, with more columns, or for programs.", outputTable, outputWide, outputName, outputJSON, outputYAML)
	cmd.ValidArgsFunction = completeObject(f.ConfigFlags, "BusinessPortfolio", "MessageTemplate", "NumberPool")
	return cmd
}

// selectionOf asks about one object.
func selectionOf(o v1alpha1.Object) apiclient.Selection {
	switch o := o.(type) {
	case *v1alpha1.PhoneNumber:
		return apiclient.Selection{Namespace: o.Namespace, Number: o.Spec.PhoneNumber}
	case *v1alpha1.BusinessPortfolio:
		return apiclient.Selection{Portfolio: o.Name}
	case *v1alpha1.NumberPool:
		return apiclient.Selection{Namespace: o.Namespace, Pool: o.Name}
	default:
		return apiclient.Selection{Namespace: o.GetNamespace()}
	}
}

// statusWriter writes where things stand.
type statusWriter struct {
	io.Writer
	paint  palette
	format outputFormat
}

// stated is where an object stands, for programs.
type stated struct {
	apiclient.Item
	// Live says that the operator told it now, and not the object's status at some time before.
	Live     bool               `json:"live"`
	State    string             `json:"state,omitempty"`
	Tier     string             `json:"tier,omitempty"`
	Quality  string             `json:"quality,omitempty"`
	Problems []overview.Problem `json:"problems,omitempty"`
	Next     []overview.Event   `json:"next,omitempty"`
}

func statedOf(r *resource) stated {
	summary := r.Summary()
	return stated{r.item, r.live, summary.State, summary.Tier, string(summary.Quality), r.problems, overview.Upcoming(r.Object, &r.item)}
}

// encodeFleet writes where objects stand, for programs.
func encodeFleet(to io.Writer, format outputFormat, all []resource) error {
	items := make([]stated, len(all))
	for i := range all {
		items[i] = statedOf(&all[i])
	}
	return encode(to, format, map[string]any{"items": items})
}

// fleet writes where a fleet stands.
func (w *statusWriter) fleet(f *fleet, standing *remote.Standing, namespace string) error {
	numbers, portfolios := mostUrgent(f.numbers, standing), mostUrgent(f.portfolios, standing)
	pools, templates := mostUrgent(f.pools, standing), mostUrgent(f.templates, standing)
	all := slices.Concat(numbers, portfolios, pools, templates)
	switch w.format {
	case outputName:
		for i := range all {
			fmt.Fprintln(w, argumentOf(all[i].Object, v1alpha1.GroupVersion.Group))
		}
		return nil
	case outputJSON, outputYAML:
		return encodeFleet(w, w.format, all)
	default: // for people
	}
	fmt.Fprintf(w, "%s: %s, %s, %s, %s\n", w.paint.bold(cmp.Or(namespace, "All namespaces")), counted(f.numbers),
		plural(len(f.portfolios), "portfolio"), plural(len(f.pools), "pool"), plural(len(f.templates), "template"))
	w.freshness(standing, all)
	w.urgent(all, namespace == "")
	for _, kind := range []struct {
		title     string
		resources []resource
	}{{"NUMBER", numbers}, {"PORTFOLIO", portfolios}, {"POOL", pools}, {"TEMPLATE", templates}} {
		if len(kind.resources) == 0 {
			continue
		}
		fmt.Fprintln(w)
		t := newStatusTable(kind.title, namespace == "" && kind.title != "PORTFOLIO")
		for i := range kind.resources {
			t.add(&kind.resources[i])
		}
		if err := t.write(w, w.paint, w.format == outputWide); err != nil {
			return err
		}
	}
	return nil
}

// argumentOf is what an object is called on a command line.
func argumentOf(o v1alpha1.Object, group string) string {
	kind := strings.ToLower(remote.KindOf(o))
	if group != "" {
		kind += "." + group
	}
	return kind + "/" + o.GetName()
}

// counted says how many numbers there are, by their state.
func counted(all []v1alpha1.Object) string {
	states := map[string]int{}
	for _, n := range all {
		states[cmp.Or(n.Summary().State, "not seen yet")]++
	}
	var numbers []string
	for _, state := range slices.SortedFunc(maps.Keys(states), func(a, b string) int { return cmp.Or(states[b]-states[a], strings.Compare(a, b)) }) {
		numbers = append(numbers, fmt.Sprintf("%d %s", states[state], state))
	}
	text := plural(len(all), "number")
	if len(numbers) > 0 {
		text += " (" + strings.Join(numbers, ", ") + ")"
	}
	return text
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// freshness says how old what is shown is.
func (w *statusWriter) freshness(standing *remote.Standing, of []resource) {
	problem := standing.Problem()
	if problem == nil {
		return
	}
	var oldest, newest time.Time
	for i := range of {
		if at := limitOf(of[i].Object).Usage.ObservedTime.Time; !at.IsZero() {
			if oldest.IsZero() || at.Before(oldest) {
				oldest = at
			}
			if at.After(newest) {
				newest = at
			}
		}
	}
	text := notLive(problem)
	switch {
	case oldest.IsZero():
		text += " No status has counts yet."
	case oldest.Equal(newest):
		text += " The counts are those of the status, of " + stamp(oldest) + "."
	default:
		text += fmt.Sprintf(" The counts are those of the statuses, the oldest of %s and the newest of %s.", stamp(oldest), stamp(newest))
	}
	fmt.Fprintln(w, w.paint.urgent(overview.Watch, text))
}

// notLive is a sentence that says why nothing is live.
func notLive(problem error) string {
	return "Not live: " + printable(strings.Join(strings.Fields(problem.Error()), " ")) + "."
}

// stamp is an instant as the sentences of statuses write it.
func stamp(t time.Time) string { return t.UTC().Format(time.DateTime + " MST") }

// mostUrgentShown is of how many problems a fleet's screen has the sentence.
const mostUrgentShown = 10

// urgent writes what needs a person.
func (w *statusWriter) urgent(all []resource, namespaces bool) {
	shown, more := 0, 0
	for i := range all {
		for _, p := range all[i].problems {
			switch {
			case p.Urgency != overview.Act:
			case shown == mostUrgentShown:
				more++
			default:
				if shown++; shown == 1 {
					fmt.Fprintln(w, "\n"+w.paint.bold("Needs a person:"))
				}
				name := argumentOf(all[i].Object, "")
				if namespace := all[i].GetNamespace(); namespaces && namespace != "" {
					name += " -n " + namespace
				}
				fmt.Fprintf(w, "  %s %s: %s\n", name, w.paint.urgent(p.Urgency, p.Reason), printable(p.Message))
			}
		}
	}
	if more > 0 {
		fmt.Fprintf(w, "  and %d more: -o wide has the sentences of all\n", more)
	}
}
