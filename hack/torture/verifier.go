package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/hack/torture/check"
)

// verifier compares what the operator shows with what the checker says.
//
// For numbers whose events all came before the rules ran over their time, and for portfolios of such numbers, everything must be equal to
// the second: transitions, in order, each once; counts; the status. For late numbers the counts must be equal as soon as the events are
// in. What was concluded before stays, so each of their transitions must follow from the one before, and they must be restricted exactly
// while the limit is reached.
type verifier struct {
	api    client.Client
	op     *operator
	sender *sender
	fleet  *fleet
	token  string

	seen map[string][]check.Transition // by subject, all transitions so far
}

func newVerifier(api client.Client, op *operator, s *sender, f *fleet, token string) *verifier {
	return &verifier{api: api, op: op, sender: s, fleet: f, token: token, seen: map[string][]check.Transition{}}
}

// compare compares once. Differences that may end by waiting are unsettled; all others are a failure. Everything up to an instant must
// have happened.
func (j *verifier) compare(ctx context.Context, until time.Time) (unsettled []string, err error) {
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
	span, reached := [2]int64{began.Unix() - 1, j.op.now().Unix() + 1}, j.op.reached().Unix()+1

	subjects := j.fleet.subjects()
	for _, name := range slices.Sorted(maps.Keys(subjects)) {
		s, known := statuses[name]
		if !known || s.Tier.Name == "" {
			unsettled = append(unsettled, name+" has no status")
			continue
		}
		subject := subjects[name]
		late := j.late(name)
		if err := j.readHistory(name, s); err != nil {
			return nil, err
		}
		found, err := j.counts(name, subject, live, span)
		unsettled = append(unsettled, found...)
		if err != nil {
			return nil, err
		}
		if late {
			unsettled = append(unsettled, j.checkLateNumber(name, subject, s, span)...)
			if err := checkOrder(name, subject, j.seen[name]); err != nil {
				return nil, err
			}
			continue
		}
		found, err = j.transitions(name, subject, s, until, reached)
		unsettled = append(unsettled, found...)
		if err != nil {
			return nil, err
		}
	}
	found, err := j.templates(statuses, until, reached)
	return append(unsettled, found...), err
}

// templates compares all templates. All reports about them come before the rules run over their time.
func (j *verifier) templates(statuses map[string]*status, until time.Time, now int64) (unsettled []string, err error) {
	templates := j.fleet.templateSubjects()
	for _, name := range slices.Sorted(maps.Keys(templates)) {
		s, known := statuses[name]
		if !known || s.State == "" {
			unsettled = append(unsettled, name+" has no status")
			continue
		}
		if err := j.readHistory(name, s); err != nil {
			return nil, err
		}
		got := j.seen[name]
		want, _ := j.sender.input.ReplayTemplate(templates[name], now)
		if missing, err := compareTransitions(name, want, got, until); err != nil {
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
		if _, must := j.sender.input.ReplayTemplate(templates[name], then); is != must { // an edit is not a transition, and may not show yet
			unsettled = append(unsettled, fmt.Sprintf("%s is %+v, and must be %+v", name, is, must))
		}
	}
	return unsettled, nil
}

// compareHistories compares only the transitions, of the subjects whose transitions are known to the second.
func (j *verifier) compareHistories(statuses map[string]*status, until time.Time) (unsettled []string, err error) {
	j.sender.mu.Lock()
	defer j.sender.mu.Unlock()
	for name, subject := range j.fleet.subjects() {
		s, known := statuses[name]
		if !known || j.late(name) {
			continue
		}
		if err := j.readHistory(name, s); err != nil {
			return nil, err
		}
		found, err := j.transitions(name, subject, s, until, j.op.reached().Unix()+1)
		if err != nil {
			return nil, err
		}
		unsettled = append(unsettled, found...)
	}
	found, err := j.templates(statuses, until, j.op.reached().Unix()+1)
	return append(unsettled, found...), err
}

func (j *verifier) late(name string) bool {
	return slices.ContainsFunc(j.fleet.numbers, func(n *number) bool {
		return n.late && (n.namespace+"/"+n.name == name || n.portfolio != nil && n.portfolio.name == name)
	})
}

// transitions compares those of a subject whose events came in time. The last ones may be missing, except those up to an instant.
func (j *verifier) transitions(name string, subject check.Subject, s *status, until time.Time, now int64) ([]string, error) {
	happened, _ := j.sender.input.Replay(subject, now)
	want, got := check.Fold(happened, now), j.seen[name]
	if missing, err := compareTransitions(name, want, got, until); err != nil {
		return nil, err
	} else if missing != "" {
		return []string{missing}, nil
	}
	// The status is as of the instant that it names.
	observed := s.Usage.Observed.Unix()
	then, standing := j.sender.input.Replay(subject, observed)
	if then = check.Fold(then, observed); len(then) != len(got) {
		return []string{fmt.Sprintf("%s: the status of %s has %d transitions, and must have %d", name, s.Usage.Observed, len(got), len(then))}, nil
	}
	var wrong []string
	equal := func(what string, is, must any) {
		if is != must {
			wrong = append(wrong, fmt.Sprintf("%s: %s is %v as of %s, and must be %v", name, what, is, s.Usage.Observed.Format(time.DateTime), must))
		}
	}
	used, own := s.Usage.Used, j.sender.input.Used(subject, observed)
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
			equal("end of the restriction", s.Restriction.Until.Unix(), j.sender.input.Room(subject, standing.Limit, observed))
		}
		if !subject.Portfolio {
			equal("state", s.State, standing.State)
			equal("rating", s.Quality.Rating, standing.Rating)
		}
	}
	if !subject.Portfolio {
		equal("flagged", s.Flag.Since != "", standing.Flagged)
		complaining, reached := j.sender.input.Feedback(subject, observed)
		equal("users who complained", s.Quality.Feedback.Complaining, complaining)
		equal("users reached", s.Quality.Feedback.Reached, reached)
	}
	equal("used", used, own)
	week, _ := j.sender.input.Week(subject, observed, observed)
	equal("users of 7 days", s.Usage.Users, week)
	equal("messages of 7 days", s.Usage.Messages, j.sender.input.WeekMessages(subject, observed))
	if len(wrong) > 0 {
		return nil, failure(strings.Join(wrong, "\n"))
	}
	return nil, nil
}

// counts compares the live counts. They follow an acknowledgement at once, but where another replica gave it: that one may not know it yet.
func (j *verifier) counts(name string, subject check.Subject, live []map[string]float64, span [2]int64) (unsettled []string, err error) {
	least, most := j.sender.input.Between(subject, span[0], span[1])
	figures := map[string][2]int64{numberUsed + "{" + name + "}": {least, most}}
	if subject.Portfolio {
		figures = map[string][2]int64{portfolioUsed + "{" + name + "}": {least, most}}
	} else {
		least, most := j.sender.input.Week(subject, span[0], span[1])
		figures[numberUsers+"{"+name+"}"] = [2]int64{least, most}
	}
	for i, at := range live {
		for figure, must := range figures {
			is, known := at[figure]
			problem := fmt.Sprintf("%s is %v at replica %d, and must be from %d to %d in [%s, %s]", figure, is, i+1, must[0], must[1], stamp(span[0]), stamp(span[1]))
			switch {
			case !known:
				unsettled = append(unsettled, figure+" is not there")
			case int64(is) < must[0] && len(live) > 1:
				unsettled = append(unsettled, problem)
			case int64(is) < must[0] || int64(is) > must[1]:
				return nil, failure(problem)
			}
		}
	}
	return unsettled, nil
}

// checkLateNumber checks that a number is restricted exactly while its limit is reached.
func (j *verifier) checkLateNumber(name string, subject check.Subject, s *status, span [2]int64) []string {
	least, most := j.sender.input.Between(subject, span[0], span[1])
	restricted := s.Restriction.Since != ""
	if s.Tier.Limit > 0 && (least >= s.Tier.Limit && !restricted || most < s.Tier.Limit && restricted) || s.Tier.Limit == 0 && restricted {
		return []string{fmt.Sprintf("%s: %d to %d of %d are used, and restricted is %t", name, least, most, s.Tier.Limit, restricted)}
	}
	return nil
}

func stamp(at int64) string { return time.Unix(at, 0).UTC().Format(time.DateTime) }
