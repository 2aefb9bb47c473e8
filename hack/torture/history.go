package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"numberfleet.dev/numberfleet/hack/torture/check"
)

// unseen stands for a transition that was followed by so many at once that it had left the history before that was read.
var unseen check.Transition

// readHistory takes the new transitions of a history. Earlier ones must be unchanged.
func (j *verifier) readHistory(name string, s *status) error {
	seen := j.seen[name]
	first := int(s.Transitions) - len(s.History) // the number of the oldest one that is kept
	if int(s.Transitions) < len(seen) {
		return failure(fmt.Sprintf("%s had %d transitions and has %d", name, len(seen), s.Transitions))
	}
	for len(seen) < first {
		seen = append(seen, unseen)
	}
	for i, h := range s.History {
		t := check.Transition{At: h.Time.Unix(), Reason: h.Reason, From: h.From, To: h.To}
		switch at := first + i; {
		case at == len(seen):
			seen = append(seen, t)
		case seen[at] != t:
			return failure(fmt.Sprintf("%s: transition %d was %s and is %s", name, at, seen[at], t))
		}
	}
	j.seen[name] = seen
	return nil
}

// compareTransitions compares transitions. The last ones may be missing, except those up to an instant.
func compareTransitions(name string, want, got []check.Transition, until time.Time) (missing string, err error) {
	for i, t := range got {
		if i >= len(want) {
			return "", failure(fmt.Sprintf("%s: transition %d must not be: %s\n%s", name, i, t, beside(want, got)))
		}
		if t != want[i] && t != unseen {
			return "", failure(fmt.Sprintf("%s: transition %d is %s, and must be %s\n%s", name, i, t, want[i], beside(want, got)))
		}
	}
	if len(got) < len(want) && want[len(got)].At <= until.Unix() {
		return fmt.Sprintf("%s: transition %d is missing: %s", name, len(got), want[len(got)]), nil
	}
	return "", nil
}

// checkOrder checks that each transition of a number can follow the one before: nothing begins twice, or ends without a beginning. What can
// follow one that was not seen is not known.
func checkOrder(name string, subject check.Subject, all []check.Transition) error {
	if slices.Contains(all, unseen) {
		return nil
	}
	ladder := subject.Policy.Spec.Tiers
	tier, rating := subject.Policy.Spec.Start.Unverified, "Unknown"
	stands := map[string]bool{}
	for i, t := range all {
		wrong := false
		set := func(what string, to bool) {
			wrong = stands[what] == to
			stands[what] = to
		}
		place := func(of string) int {
			for i := range ladder {
				if ladder[i].Name == of {
					return i
				}
			}
			return -10
		}
		switch t.Reason {
		case "Restricted":
			set("restriction", true)
		case "RestrictionLifted":
			set("restriction", false)
		case "Flagged":
			set("flag", true)
		case "FlagCleared":
			set("flag", false)
		case "Blocked":
			set("block", true)
		case "Unblocked":
			set("block", false)
		case "UpgradePending":
			set("upgrade", true)
			wrong = wrong || t.From != tier
		case "UpgradeCancelled":
			set("upgrade", false)
		case "QualityChanged":
			wrong, rating = t.From != rating || t.From == t.To, t.To
		case "TierUpgraded":
			wrong, tier = t.From != tier || place(t.To) != place(t.From)+1, t.To
			stands["upgrade"] = false
		case "TierDowngraded":
			wrong, tier = t.From != tier || place(t.To) != place(t.From)-1, t.To
		case "LimitReported": // late numbers have only limits of tiers
			wrong, tier = t.From != tier || t.From == t.To || place(t.To) < 0, t.To
			stands["upgrade"] = false
		case "VerificationChanged":
		default:
			wrong = true
		}
		if wrong {
			return failure(fmt.Sprintf("%s: transition %d cannot follow those before it: %s\n%s", name, i, t, beside(nil, all)))
		}
	}
	return nil
}

// events checks that no transition has more Events than it has happened. Each has one Event at most; a crash
// between a write and its event loses the event.
func (j *verifier) events(ctx context.Context) error {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: "events.k8s.io", Version: "v1", Kind: "EventList"})
	if err := j.api.List(ctx, list); err != nil {
		return err
	}
	// Event time has gone on: whatever has an Event is in a status by now.
	statuses, err := j.statuses(ctx)
	if err != nil {
		return err
	}
	for name, s := range statuses {
		if j.fleet.has(name) {
			if err := j.readHistory(name, s); err != nil {
				return err
			}
		}
	}
	told := map[[2]string]int64{}
	for i := range list.Items {
		e := list.Items[i].Object
		if action, _, _ := unstructured.NestedString(e, "action"); action != "Evaluate" {
			continue
		}
		reason, _, _ := unstructured.NestedString(e, "reason")
		space, _, _ := unstructured.NestedString(e, "regarding", "namespace")
		name, _, _ := unstructured.NestedString(e, "regarding", "name")
		times, found, _ := unstructured.NestedInt64(e, "series", "count")
		if !found {
			times = 1
		}
		told[[2]string{strings.TrimPrefix(space+"/"+name, "/"), reason}] += times
	}
	for of, times := range told {
		happened := int64(0)
		for _, t := range j.seen[of[0]] {
			if t.Reason == of[1] || t == unseen {
				happened++
			}
		}
		if j.fleet.has(of[0]) && times > happened && slices.Contains(reasons, of[1]) {
			return failure(fmt.Sprintf("%s: %d events tell of %s, which happened %d times", of[0], times, of[1], happened))
		}
	}
	return nil
}

// reasons are the reasons of transitions. Other Events are about resources that the operator cannot serve.
var reasons = []string{"TierUpgraded", "TierDowngraded", "UpgradePending", "UpgradeCancelled", "QualityChanged", "Flagged", "FlagCleared",
	"Restricted", "RestrictionLifted", "Blocked", "Unblocked", "LimitReported", "VerificationChanged",
	"TemplateFlagged", "TemplateFlagCleared", "TemplatePaused", "TemplateResumed", "TemplateBlocked", "TemplateStateChanged"}

func beside(want, got []check.Transition) string {
	var text strings.Builder
	for i := range max(len(want), len(got)) {
		must, is := "-", "-"
		if i < len(want) {
			must = want[i].String()
		}
		if i < len(got) {
			is = got[i].String()
		}
		mark := " "
		if must != is {
			mark = "*"
		}
		fmt.Fprintf(&text, "  %s %-60s %s\n", mark, must, is)
	}
	return "    must be" + strings.Repeat(" ", 53) + "is\n" + text.String()
}
