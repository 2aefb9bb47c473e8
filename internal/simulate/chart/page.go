package chart

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/simulate"
)

// What one page shows at most: a browser has to draw it.
const (
	mostSubjects = 24
	mostHappened = 500 // of a subject
)

// The library that draws, as its npm package has it: uPlot 1.6.32, under the MIT licence beside it.
var (
	//go:embed uplot/uPlot.iife.min.js
	library string
	//go:embed uplot/uPlot.min.css
	libraryStyle string
	//go:embed uplot/LICENSE
	libraryLicense string

	//go:embed page.html
	pageText string
	//go:embed page.js
	script string
	//go:embed page.css
	style string

	page = template.Must(template.New("page").Parse(pageText))
)

// Write writes the page.
func Write(to io.Writer, policy string, recorder *Recorder, result *simulate.Result) error {
	subjects, all := recorder.subjects(result)
	return page.Execute(to, map[string]any{
		"Policy":   policy,
		"Measure":  measureText(recorder.policy.Measure),
		"Window":   recorder.policy.Window.Hours(),
		"Subjects": subjects,
		"LeftOut":  all - len(subjects),
		"Seconds":  steps[recorder.step],
		"Minutes":  steps[recorder.step] / 60,
		"Library":  template.JS(library),                         //nolint:gosec // embedded, not input
		"Script":   template.JS(script),                          //nolint:gosec // embedded, not input
		"Style":    template.CSS(libraryStyle + style),           //nolint:gosec // embedded, not input
		"License":  template.JS("/*!\n" + libraryLicense + "*/"), //nolint:gosec // embedded, not input
	})
}

func measureText(measure v1alpha1.Measure) string {
	if measure == v1alpha1.MeasureConversations {
		return "conversations"
	}
	return "unique users"
}

// subject is what the page draws of one subject. Times are Unix seconds.
type subject struct {
	Name     string     `json:"name"`
	Start    int64      `json:"start"`
	End      int64      `json:"end"`
	Times    []int64    `json:"times"`
	Used     []int64    `json:"used"`
	Limits   []*int64   `json:"limits"` // null for unlimited
	Tiers    []span     `json:"tiers"`
	Quality  []span     `json:"quality"`
	States   []span     `json:"states"`
	Happened []happened `json:"happened"`
	More     int        `json:"more"` // that happened, and is left out
	Peak     int64      `json:"-"`
}

// span is what held from one instant to another.
type span struct {
	From  int64  `json:"from"`
	To    int64  `json:"to"`
	What  string `json:"what"`
	limit int64
}

type happened struct {
	At      int64  `json:"at"`
	Reason  string `json:"reason"`
	From    string `json:"from"`
	To      string `json:"to"`
	Message string `json:"message"`
}

// Time is when it happened, for the table.
func (h happened) Time() string { return time.Unix(h.At, 0).UTC().Format(time.DateTime) }

// subjects are those to draw, by name, and how many there are in all. Where there are too many, those are drawn of which most
// is to be told.
func (r *Recorder) subjects(result *simulate.Result) (drawn []subject, all int) {
	told, of := bySubject(result.Folded()), bySubject(result.Transitions)
	finals := map[string]simulate.Final{}
	for _, f := range result.Final {
		finals[f.Subject] = f
	}
	for _, p := range result.Portfolios {
		finals[p.Subject] = simulate.Final{Tier: p.Tier, Quality: p.Quality}
	}
	names := slices.Collect(maps.Keys(r.tracks))
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(told[b]), len(told[a])), cmp.Compare(r.tracks[b].peak, r.tracks[a].peak), cmp.Compare(a, b))
	})
	all = len(names)
	names = names[:min(all, mostSubjects)]
	slices.Sort(names)
	qualities := bySubject(result.Qualities)
	for _, name := range names {
		drawn = append(drawn, r.subject(name, finals[name], told[name], slices.Concat(of[name], qualities[name])))
	}
	return drawn, all
}

func bySubject(transitions []simulate.Transition) map[string][]simulate.Transition {
	of := map[string][]simulate.Transition{}
	for _, t := range transitions {
		of[t.Subject] = append(of[t.Subject], t)
	}
	return of
}

// subject is one of them: what is told of it, and what there is to draw.
func (r *Recorder) subject(name string, final simulate.Final, told, drawn []simulate.Transition) subject {
	track := r.tracks[name]
	s := subject{Name: name, Start: track.start, End: track.seen - 1, Peak: track.peak}
	s.End = max(s.End, s.Start+1)
	s.spans(r.policy, final, drawn)
	s.series(track)
	for _, t := range told[:min(len(told), mostHappened)] {
		s.Happened = append(s.Happened, happened{At: t.Time.Unix(), Reason: string(t.Reason), From: t.From, To: t.To, Message: t.Message})
	}
	s.More = len(told) - len(s.Happened)
	return s
}

// spans tells from what happened which tier, quality and state held when.
func (s *subject) spans(policy *rules.Policy, final simulate.Final, transitions []simulate.Transition) {
	open := map[string]int64{} // states
	shut := func(state string, at int64) {
		if from, ok := open[state]; ok {
			s.States = append(s.States, span{From: from, To: at, What: state})
			delete(open, state)
		}
	}
	turn := func(spans []span, at int64, from, to string) []span {
		if len(spans) == 0 {
			spans = append(spans, span{From: s.Start, What: from})
		}
		spans[len(spans)-1].To = at
		return append(spans, span{From: at, What: to})
	}
	for _, t := range transitions {
		at := t.Time.Unix()
		switch t.Reason {
		case v1alpha1.ReasonTierUpgraded, v1alpha1.ReasonTierDowngraded, v1alpha1.ReasonLimitReported:
			s.Tiers = turn(s.Tiers, at, t.From, t.To)
		case v1alpha1.ReasonQualityChanged:
			s.Quality = turn(s.Quality, at, t.From, t.To)
		case v1alpha1.ReasonFlagged:
			open["Flagged"] = at
		case v1alpha1.ReasonFlagCleared:
			shut("Flagged", at)
		case v1alpha1.ReasonRestricted:
			open["Restricted"] = at
			// What is too short to see is drawn as one.
			if i := slices.IndexFunc(s.States, func(s span) bool { return s.What == "Restricted" && at-s.To < int64(time.Hour/time.Second) }); i >= 0 {
				open["Restricted"] = s.States[i].From
				s.States = slices.Delete(s.States, i, i+1)
			}
		case v1alpha1.ReasonRestrictionLifted:
			shut("Restricted", at)
		case v1alpha1.ReasonBlocked:
			open["Blocked"] = at
		case v1alpha1.ReasonUnblocked:
			shut("Blocked", at)
		case v1alpha1.ReasonConnectionChanged:
			shut(t.From, at)
			if t.To != string(v1alpha1.StateConnected) {
				open[t.To] = at
			}
		default: // changes nothing that is drawn as a span
		}
	}
	for _, state := range slices.Sorted(maps.Keys(open)) {
		shut(state, s.End)
	}
	slices.SortStableFunc(s.States, func(a, b span) int { return cmp.Compare(a.From, b.From) })
	if len(s.Tiers) == 0 && final.Tier.Name != "" {
		s.Tiers = []span{{From: s.Start, What: final.Tier.Name}}
	}
	if len(s.Quality) == 0 {
		s.Quality = []span{{From: s.Start, What: string(cmp.Or(final.Quality, v1alpha1.QualityUnknown))}}
	}
	for _, spans := range [][]span{s.Tiers, s.Quality} {
		if last := len(spans) - 1; last >= 0 {
			spans[last].To = s.End
		}
	}
	limits := map[string]int64{final.Tier.Name: final.Tier.Limit}
	for _, tier := range policy.Tiers() {
		limits[tier.Name] = tier.Limit
	}
	for i := range s.Tiers {
		limit, ok := limits[s.Tiers[i].What]
		if !ok { // a reported limit that is none of the policy's goes by its number
			limit, _ = strconv.ParseInt(s.Tiers[i].What, 10, 64)
		}
		s.Tiers[i].limit = limit
	}
}

// series puts what is used and the limit on one axis of time.
func (s *subject) series(track *track) {
	tier, used := 0, int64(0)
	add := func(at int64) {
		for tier < len(s.Tiers)-1 && s.Tiers[tier+1].From <= at {
			tier++
		}
		var limit *int64
		if tier < len(s.Tiers) && s.Tiers[tier].limit != rules.Unlimited {
			limit = &s.Tiers[tier].limit
		}
		if last := len(s.Times) - 1; last >= 0 && s.Times[last] >= at {
			s.Used[last], s.Limits[last] = max(s.Used[last], used), limit
			return
		}
		s.Times, s.Used, s.Limits = append(s.Times, at), append(s.Used, used), append(s.Limits, limit)
	}
	steps := s.Tiers
	step := func(to span) {
		if to.limit == rules.Unlimited {
			add(to.From - 1) // the line of the limit goes on until here, and ends
		}
		add(to.From)
	}
	add(s.Start)
	for _, p := range track.points {
		at := max(p.at, s.Start)
		for ; len(steps) > 0 && steps[0].From < at; steps = steps[1:] {
			step(steps[0])
		}
		used = p.used
		add(at)
	}
	for _, last := range steps {
		step(last)
	}
	add(s.End)
}

// Summary is the chart in a sentence, for those who do not see it.
func (s subject) Summary() string {
	return fmt.Sprintf("%s: what is used against the limit over time; at most %d, in %d tiers", s.Name, s.Peak, len(s.Tiers))
}
