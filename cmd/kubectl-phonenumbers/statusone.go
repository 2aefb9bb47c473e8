package main

import (
	"fmt"
	"strings"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/overview"
	"numberfleet.dev/numberfleet/internal/standing/remote"
)

// one writes where one object stands: one screen.
func (w *statusWriter) one(o v1alpha1.Object, standing *remote.Standing) error {
	r := resourceOf(o, standing)
	switch w.format {
	case outputName:
		fmt.Fprintln(w, argumentOf(o, v1alpha1.GroupVersion.Group))
		return nil
	case outputJSON, outputYAML:
		return encode(w, w.format, statedOf(&r))
	default: // for people
	}
	w.head(&r)
	if _, template := o.(*v1alpha1.MessageTemplate); !template {
		w.freshness(standing, []resource{r})
		w.room(&r)
		writeBudgets(w, r.item.Budgets)
	}
	if pool, ok := o.(*v1alpha1.NumberPool); ok {
		writeMembers(w, pool.Status.Members)
	}
	w.next(&r)
	if len(r.problems) > 0 {
		fmt.Fprintln(w, "\n"+w.paint.bold("To look at:"))
		for _, p := range r.problems {
			fmt.Fprintf(w, "  %s: %s\n", w.paint.urgent(p.Urgency, p.Reason), printable(p.Message))
		}
	}
	return nil
}

func (w *statusWriter) head(r *resource) {
	var facts []string
	add := func(format string, value string) {
		if value != "" {
			facts = append(facts, printable(fmt.Sprintf(format, value)))
		}
	}
	summary := r.Summary()
	add("%s", stateOf(r.Object))
	add("quality %s", string(summary.Quality))
	add("tier %s", summary.Tier)
	add("policy %s", summary.Policy)
	add("limit of portfolio %s", r.item.Portfolio)
	fmt.Fprintf(w, "%s: %s\n", w.paint.bold(remote.KindOf(r.Object)+" "+fullName(r.Object)), dash(strings.Join(facts, ", ")))
}

// screenBar is the width of the bar of one object, in characters.
const screenBar = 40

// room writes what may be sent now.
func (w *statusWriter) room(r *resource) {
	i := &r.item
	fmt.Fprintln(w)
	if i.Limit != nil && i.Used != nil {
		fmt.Fprintf(w, "%s  %.0f %%\n", bar(*i.Used, i.Reserved, *i.Limit, screenBar), 100*taken(i))
	}
	var facts []string
	if i.Used != nil {
		of := "an unlimited number"
		if i.Limit != nil {
			of = figure(i.Limit)
		}
		facts = append(facts, fmt.Sprintf("%d of %s used", *i.Used, of))
	}
	facts = append(facts, fmt.Sprintf("%d reserved", i.Reserved))
	if i.Sendable {
		facts = append(facts, remainder(i.Remaining)+" remain")
	} else {
		facts = append(facts, "0 remain: "+w.paint.urgent(r.urgency(), i.Reason))
	}
	fmt.Fprintln(w, strings.Join(facts, ", "))
	if frees := limitOf(r.Object).Usage.RoomFreesTime.Time; i.Sendable && !frees.IsZero() {
		fmt.Fprintf(w, "The first user leaves the window at %s.\n", stamp(frees))
	}
	if n, ok := r.Object.(*v1alpha1.PhoneNumber); ok && i.Portfolio != "" && n.Status.Usage.OwnUsed != nil {
		fmt.Fprintf(w, "The number itself used %d of it as of %s.\n", *n.Status.Usage.OwnUsed, stamp(n.Status.Usage.ObservedTime.Time))
	}
}

// next writes what happens by itself, and what is missing for the next tier.
func (w *statusWriter) next(r *resource) {
	upcoming := overview.Upcoming(r.Object, &r.item)
	if len(upcoming) > 0 {
		fmt.Fprintln(w, "\n"+w.paint.bold("Next:"))
		for _, e := range upcoming {
			fmt.Fprintf(w, "  %s  %s\n", e.Time.Format(time.DateTime), printable(e.What))
		}
	}
	if upgrade := limitOf(r.Object).Upgrade; len(upgrade.Missing) > 0 {
		fmt.Fprintf(w, "\n%s\n", w.paint.bold(printable("Missing for "+upgrade.NextTier+":")))
		for _, missing := range upgrade.Missing {
			fmt.Fprintln(w, printable("  "+missing))
		}
	}
}

// limitOf is what the status of an object says of its limit; the zero value of one that has none.
func limitOf(o v1alpha1.Object) v1alpha1.LimitStatus {
	switch o := o.(type) {
	case *v1alpha1.PhoneNumber:
		return o.Status.LimitStatus
	case *v1alpha1.BusinessPortfolio:
		return o.Status.LimitStatus
	default:
		return v1alpha1.LimitStatus{}
	}
}
