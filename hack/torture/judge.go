package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/hack/torture/check"
)

// status is what the judge reads of a status, of a number, a portfolio or a template.
type status struct {
	State  string    `json:"state"`
	Until  time.Time `json:"untilTime"`
	Pauses int64     `json:"pauses"`
	Tier   struct {
		Name   string `json:"name"`
		Limit  int64  `json:"limit"`
		Source string `json:"source"`
	} `json:"tier"`
	Verification struct {
		State string `json:"state"`
	} `json:"verification"`
	Increase struct {
		Decision string `json:"decision"`
	} `json:"increase"`
	Quality struct {
		Rating   string `json:"rating"`
		Feedback struct {
			Complaining int64 `json:"complainingUsers"`
			Reached     int64 `json:"reachedUsers"`
		} `json:"feedback"`
	} `json:"quality"`
	Flag struct {
		Since string `json:"sinceTime"`
	} `json:"flag"`
	Restriction struct {
		Since string    `json:"sinceTime"`
		Until time.Time `json:"untilTime"`
	} `json:"restriction"`
	Usage struct {
		Observed time.Time `json:"observedTime"`
		Used     int64     `json:"used"`
		Own      int64     `json:"ownUsed"`
		Users    int64     `json:"uniqueUsers7d"`
		Messages int64     `json:"messages7d"`
	} `json:"usage"`
	Transitions int64 `json:"transitions"`
	History     []struct {
		Time   time.Time `json:"time"`
		Reason string    `json:"reason"`
		From   string    `json:"from"`
		To     string    `json:"to"`
	} `json:"history"`
}

// judge compares what the operator shows with what the checker says.
//
// Of numbers whose events all came before the rules ran over their time, and of portfolios of such numbers, everything must
// be equal to the second: transitions, in order, each once; counts; where they stand. Of late numbers the counts must be
// equal as soon as the events are in. What was concluded before stands, so of their transitions it must hold that each
// follows from the one before, and that they are restricted if and only if the limit is reached.
type judge struct {
	api    client.Client
	op     *operator
	sender *sender
	fleet  *fleet
	token  string

	seen map[string][]check.Transition // by subject, all transitions so far
}

func newJudge(api client.Client, op *operator, s *sender, f *fleet, token string) *judge {
	return &judge{api: api, op: op, sender: s, fleet: f, token: token, seen: map[string][]check.Transition{}}
}

// look compares once. What can still be late is unsettled; a failure cannot be mended by waiting. Everything up to an instant
// must have happened.
func (j *judge) look(ctx context.Context, until time.Time) (unsettled []string, err error) {
	j.sender.mu.Lock()
	defer j.sender.mu.Unlock() // nothing is acknowledged meanwhile
	began := j.op.now()
	statuses, err := j.statuses(ctx)
	if err != nil {
		return []string{err.Error()}, nil
	}
	live, err := j.scrape(ctx)
	if err != nil {
		return []string{err.Error()}, nil
	}
	span := [2]int64{began.Unix() - 1, j.op.now().Unix() + 1}

	subjects := j.fleet.subjects()
	for _, name := range slices.Sorted(maps.Keys(subjects)) {
		s, known := statuses[name]
		if !known || s.Tier.Name == "" {
			unsettled = append(unsettled, name+" has no status")
			continue
		}
		subject := subjects[name]
		late := j.late(name)
		if err := j.listen(name, s); err != nil {
			return nil, err
		}
		found, err := j.counts(name, subject, live, span)
		unsettled = append(unsettled, found...)
		if err != nil {
			return nil, err
		}
		if late {
			unsettled = append(unsettled, j.lateNumber(name, subject, s, span)...)
			if err := follows(name, subject, j.seen[name]); err != nil {
				return nil, err
			}
			continue
		}
		found, err = j.transitions(name, subject, s, until, span[1])
		unsettled = append(unsettled, found...)
		if err != nil {
			return nil, err
		}
	}
	found, err := j.templates(statuses, until, span[1])
	return append(unsettled, found...), err
}

// templates compares all of them. What Meta says of them all comes before the rules run over its time.
func (j *judge) templates(statuses map[string]*status, until time.Time, now int64) (unsettled []string, err error) {
	wordings := j.fleet.wordings()
	for _, name := range slices.Sorted(maps.Keys(wordings)) {
		s, known := statuses[name]
		if !known || s.State == "" {
			unsettled = append(unsettled, name+" has no status")
			continue
		}
		if err := j.listen(name, s); err != nil {
			return nil, err
		}
		got := j.seen[name]
		want, _ := j.sender.tape.LiveTemplate(wordings[name], now)
		if missing, err := compare(name, want, got, until); err != nil {
			return nil, err
		} else if missing != "" {
			unsettled = append(unsettled, missing)
			continue
		}
		then := now
		if len(got) < len(want) {
			then = want[len(got)].At - 1
		}
		is := check.TemplateStanding{State: s.State, Rating: s.Quality.Rating, Pauses: s.Pauses}
		if !s.Until.IsZero() {
			is.Until = s.Until.Unix()
		}
		if _, must := j.sender.tape.LiveTemplate(wordings[name], then); is != must { // an edit is no transition, and may not show yet
			unsettled = append(unsettled, fmt.Sprintf("%s is %+v, and must be %+v", name, is, must))
		}
	}
	return unsettled, nil
}

// compare compares transitions. The operator may not have come to the last of those that must be; those up to an instant must be
// there, or one is missing.
func compare(name string, want, got []check.Transition, until time.Time) (missing string, err error) {
	for i, t := range got {
		if i >= len(want) {
			return "", failure(fmt.Sprintf("%s: transition %d must not be: %s\n%s", name, i, t, beside(want, got)))
		}
		if t != want[i] {
			return "", failure(fmt.Sprintf("%s: transition %d is %s, and must be %s\n%s", name, i, t, want[i], beside(want, got)))
		}
	}
	if len(got) < len(want) && want[len(got)].At <= until.Unix() {
		return fmt.Sprintf("%s: transition %d is missing: %s", name, len(got), want[len(got)]), nil
	}
	return "", nil
}

// settled looks at the transitions alone, of those subjects of which they are known to the second.
func (j *judge) settled(statuses map[string]*status, until time.Time) (unsettled []string, err error) {
	j.sender.mu.Lock()
	defer j.sender.mu.Unlock()
	for name, subject := range j.fleet.subjects() {
		s, known := statuses[name]
		if !known || j.late(name) {
			continue
		}
		if err := j.listen(name, s); err != nil {
			return nil, err
		}
		found, err := j.transitions(name, subject, s, until, j.op.now().Unix()+1)
		if err != nil {
			return nil, err
		}
		unsettled = append(unsettled, found...)
	}
	found, err := j.templates(statuses, until, j.op.now().Unix()+1)
	return append(unsettled, found...), err
}

func (j *judge) late(name string) bool {
	return slices.ContainsFunc(j.fleet.numbers, func(n *number) bool { return n.late && n.namespace+"/"+n.name == name })
}

// listen takes what a history has that is new. What stood there before must stand there still.
func (j *judge) listen(name string, s *status) error {
	seen := j.seen[name]
	first := int(s.Transitions) - len(s.History) // the number of the oldest one that is kept
	if int(s.Transitions) < len(seen) {
		return failure(fmt.Sprintf("%s had %d transitions and has %d", name, len(seen), s.Transitions))
	}
	if first > len(seen) {
		return failure(fmt.Sprintf("%s has %d transitions in its history from number %d on, and %d were known: some were never seen", name, len(s.History), first, len(seen)))
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

// transitions compares those of a subject whose events came in time. The operator may not have come to the last of them; those
// up to an instant must be there.
func (j *judge) transitions(name string, subject check.Subject, s *status, until time.Time, now int64) ([]string, error) {
	happened, _ := j.sender.tape.Live(subject, now)
	want, got := check.Told(happened, now), j.seen[name]
	if missing, err := compare(name, want, got, until); err != nil {
		return nil, err
	} else if missing != "" {
		return []string{missing}, nil
	}
	// The status is as of the instant that it names, and shows what the transitions up to then came to.
	observed := s.Usage.Observed.Unix()
	then, standing := j.sender.tape.Live(subject, observed)
	if then = check.Told(then, observed); len(then) != len(got) {
		return []string{fmt.Sprintf("%s: the status of %s has %d transitions, and must have %d", name, s.Usage.Observed, len(got), len(then))}, nil
	}
	var wrong []string
	equal := func(what string, is, must any) {
		if is != must {
			wrong = append(wrong, fmt.Sprintf("%s: %s is %v as of %s, and must be %v", name, what, is, s.Usage.Observed.Format(time.DateTime), must))
		}
	}
	used, own := s.Usage.Used, j.sender.tape.Used(subject, observed)
	if subject.Member {
		used = s.Usage.Own
		equal("rating", s.Quality.Rating, standing.Rating)
	} else {
		equal("tier", s.Tier.Name, standing.Tier)
		equal("limit", s.Tier.Limit, standing.Limit)
		equal("source of the tier", s.Tier.Source, standing.Source)
		equal("verification", s.Verification.State, standing.Verification)
		equal("increase denied", s.Increase.Decision != "", standing.Denied)
		equal("restricted", s.Restriction.Since != "", standing.Limited)
		if standing.Limited {
			equal("end of the restriction", s.Restriction.Until.Unix(), j.sender.tape.Room(subject, standing.Limit, observed))
		}
		if !subject.Portfolio {
			equal("state", s.State, standing.State)
			equal("rating", s.Quality.Rating, standing.Rating)
		}
	}
	if !subject.Portfolio {
		equal("flagged", s.Flag.Since != "", standing.Flagged)
		complaining, reached := j.sender.tape.Feedback(subject, observed)
		equal("users who complained", s.Quality.Feedback.Complaining, complaining)
		equal("users reached", s.Quality.Feedback.Reached, reached)
	}
	equal("used", used, own)
	week, _ := j.sender.tape.Week(subject, observed, observed)
	equal("users of 7 days", s.Usage.Users, week)
	equal("messages of 7 days", s.Usage.Messages, j.sender.tape.WeekMessages(subject, observed))
	if len(wrong) > 0 {
		return nil, failure(strings.Join(wrong, "\n"))
	}
	return nil, nil
}

// counts compares the live ones. They follow an acknowledgement at once, so there is nothing to wait for.
func (j *judge) counts(name string, subject check.Subject, live map[string]float64, span [2]int64) ([]string, error) {
	least, most := j.sender.tape.Between(subject, span[0], span[1])
	figures := map[string][2]int64{numberUsed + "{" + name + "}": {least, most}}
	if subject.Portfolio {
		figures = map[string][2]int64{portfolioUsed + "{" + name + "}": {least, most}}
	} else {
		least, most := j.sender.tape.Week(subject, span[0], span[1])
		figures[numberUsers+"{"+name+"}"] = [2]int64{least, most}
	}
	for figure, must := range figures {
		is, known := live[figure]
		if !known {
			return []string{figure + " is not there"}, nil
		}
		if int64(is) < must[0] || int64(is) > must[1] {
			return nil, failure(fmt.Sprintf("%s is %v, and must be from %d to %d in [%s, %s]", figure, is, must[0], must[1], stamp(span[0]), stamp(span[1])))
		}
	}
	return nil, nil
}

// lateNumber looks whether a number is restricted if and only if its limit is reached.
func (j *judge) lateNumber(name string, subject check.Subject, s *status, span [2]int64) []string {
	least, most := j.sender.tape.Between(subject, span[0], span[1])
	restricted := s.Restriction.Since != ""
	if s.Tier.Limit > 0 && (least >= s.Tier.Limit && !restricted || most < s.Tier.Limit && restricted) || s.Tier.Limit == 0 && restricted {
		return []string{fmt.Sprintf("%s: %d to %d of %d are used, and restricted is %t", name, least, most, s.Tier.Limit, restricted)}
	}
	return nil
}

// follows looks whether each transition of a number can follow the one before: nothing begins twice or ends without a beginning.
func follows(name string, subject check.Subject, all []check.Transition) error {
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
		case "LimitReported": // late numbers have only limits that tiers have
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

func (j *judge) statuses(ctx context.Context) (map[string]*status, error) {
	all := map[string]*status{}
	for _, kind := range []string{"PhoneNumberList", "BusinessPortfolioList", "MessageTemplateList"} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(schema.GroupVersionKind{Group: "whatsapp.numberfleet.dev", Version: "v1alpha1", Kind: kind})
		if err := j.api.List(ctx, list); err != nil {
			return nil, err
		}
		for i := range list.Items {
			item := &list.Items[i]
			content, err := json.Marshal(item.Object["status"])
			if err != nil {
				return nil, err
			}
			s := &status{}
			if err := json.Unmarshal(content, s); err != nil {
				return nil, err
			}
			all[strings.TrimPrefix(item.GetNamespace()+"/"+item.GetName(), "/")] = s
		}
	}
	return all, nil
}

// gauges are the counts that are compared live.
const (
	numberUsed    = "numberfleet_phone_number_own_used"
	numberUsers   = "numberfleet_phone_number_unique_users_7d"
	portfolioUsed = "numberfleet_portfolio_used"
)

// scrape reads the gauges of numbers and portfolios, by metric{namespace/name}.
func (j *judge) scrape(ctx context.Context) (map[string]float64, error) {
	samples, err := j.op.Scrape(ctx, j.token, numberUsed, numberUsers, portfolioUsed)
	all := map[string]float64{}
	for _, s := range samples {
		name := strings.TrimPrefix(string(s.Metric["namespace"]+"/"+s.Metric["name"]), "/")
		all[string(s.Metric["__name__"])+"{"+name+"}"] = float64(s.Value)
	}
	return all, err
}

// events looks whether any transition was told of more often than it happened. Events are told at best once each; a crash
// between a write and its event loses the event.
func (j *judge) events(ctx context.Context) error {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: "events.k8s.io", Version: "v1", Kind: "EventList"})
	if err := j.api.List(ctx, list); err != nil {
		return err
	}
	// The fleet's time has gone on: what was told of stands in a status by now.
	statuses, err := j.statuses(ctx)
	if err != nil {
		return err
	}
	for name, s := range statuses {
		if j.fleet.has(name) {
			if err := j.listen(name, s); err != nil {
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
			if t.Reason == of[1] {
				happened++
			}
		}
		if j.fleet.has(of[0]) && times > happened && slices.Contains(reasons, of[1]) {
			return failure(fmt.Sprintf("%s: %d events tell of %s, which happened %d times", of[0], times, of[1], happened))
		}
	}
	return nil
}

// reasons are those of transitions. Other events are about resources that the operator cannot serve.
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

func stamp(at int64) string { return time.Unix(at, 0).UTC().Format(time.DateTime) }
