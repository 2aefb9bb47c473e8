package page

import (
	"cmp"
	_ "embed"
	"html/template"
	"io"
	"maps"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/chart"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/simulate"
)

// What one page shows at most: a browser has to draw it.
const (
	mostSubjects = 24
	mostHappened = 500 // of a subject
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.js
	script string
	//go:embed page.css
	style string

	page = template.Must(template.New("page").Funcs(template.FuncMap{
		"time": func(at int64) string { return time.Unix(at, 0).UTC().Format(time.DateTime) },
	}).Parse(pageText))
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
		"Minutes":  steps[recorder.step] / 60,
		"Library":  template.JS(chart.Library),                             //nolint:gosec // embedded, not input
		"Chart":    template.JS(chart.Script),                              //nolint:gosec // embedded, not input
		"Script":   template.JS(script),                                    //nolint:gosec // embedded, not input
		"Style":    template.CSS(chart.LibraryStyle + chart.Style + style), //nolint:gosec // embedded, not input
		"License":  template.JS("/*!\n" + chart.LibraryLicense + "*/"),     //nolint:gosec // embedded, not input
	})
}

func measureText(measure v1alpha1.Measure) string {
	if measure == v1alpha1.MeasureConversations {
		return "conversations"
	}
	return "unique users"
}

// subjects are those to draw, by name, and how many there are in all. Where there are too many, those are drawn of which most
// is to be told.
func (r *Recorder) subjects(result *simulate.Result) (drawn []chart.Subject, all int) {
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
func (r *Recorder) subject(name string, final simulate.Final, told, drawn []simulate.Transition) chart.Subject {
	track := r.tracks[name]
	s := chart.Subject{Name: name, Start: track.start, End: max(track.seen-1, track.start+1)}
	transitions := make([]rules.Transition, len(drawn))
	for i := range drawn {
		transitions[i] = drawn[i].Transition
	}
	s.Spans(transitions, final.Tier.Name, final.Quality)
	limits := map[string]int64{final.Tier.Name: final.Tier.Limit}
	for _, tier := range r.policy.Tiers() {
		limits[tier.Name] = tier.Limit
	}
	s.Series(s.Start, track.points, limits)
	for _, t := range told[:min(len(told), mostHappened)] {
		s.Happened = append(s.Happened, chart.Happened{At: t.Time.Unix(), Reason: string(t.Reason), From: t.From, To: t.To, Message: t.Message})
	}
	s.More = len(told) - len(s.Happened)
	return s
}
