package ledger_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/journal/pebble"
	"numberfleet.dev/numberfleet/internal/report"
)

// saved is what a program of version 1 answered of a folder that it had written.
type saved struct {
	Begin, Now time.Time
	Key        uint64
	Answers    []struct {
		Subject                                              string
		Names                                                []string
		Users, Conversations, Messages, Reached, Complaining []int64
		Below, Expiry, Last, Nth                             time.Time
		Deliveries                                           int64
		Heard                                                time.Time
		Days                                                 int
		Feedback                                             []string
		Reports                                              []struct {
			Number              string
			Sequence            int64
			Kind, Value, Reason string
			At, Until           int64
		}
		LastReport int64
		Known      bool
	}
}

// A folder that a program of version 1 wrote has the same answers: from its snapshot and its journal, after the first snapshot that takes
// their place, and after a start from that one.
func TestAFolderOfVersion1IsRead(t *testing.T) {
	var want saved
	file, err := os.ReadFile("testdata/9d83546.json")
	if err == nil {
		err = json.Unmarshal(file, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir() + "/ledger"
	if err := os.CopyFS(dir, os.DirFS("testdata/9d83546")); err != nil {
		t.Fatal(err)
	}
	open := func() *ledger.Ledger {
		t.Helper()
		store, err := pebble.Open(dir, pebble.Options{})
		if err != nil {
			t.Fatal(err)
		}
		l, err := ledger.Open(store, ledger.Options{Secret: store.Secret()})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := open()
	want.compare(t, l, "as it was written")
	for _, step := range []string{"started again", "saved", "saved and started"} {
		if step == "saved" {
			if err := l.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
		} else {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = open()
		}
		want.compare(t, l, step)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func (want *saved) compare(t *testing.T, l *ledger.Ledger, step string) {
	t.Helper()
	if got := l.Hasher().User("someone"); uint64(got) != want.Key {
		t.Errorf("%s: users have other keys", step)
	}
	for _, a := range want.Answers {
		got := map[v1alpha1.Measure][]int64{}
		for _, window := range []time.Duration{time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour} {
			for to := want.Now.Add(time.Hour); to.After(want.Begin); to = to.Add(-31 * time.Hour) {
				for _, m := range []v1alpha1.Measure{v1alpha1.MeasureUniqueUsers, v1alpha1.MeasureConversations, v1alpha1.MeasureMessages, v1alpha1.MeasureReached, v1alpha1.MeasureComplaining} {
					got[m] = append(got[m], l.Count(a.Subject, m, to.Add(-window), to))
				}
			}
		}
		same := func(what string, got, want any) {
			t.Helper()
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: of %s the %s are %v, not %v", step, a.Subject, what, got, want)
			}
		}
		same("users", got[v1alpha1.MeasureUniqueUsers], a.Users)
		same("conversations", got[v1alpha1.MeasureConversations], a.Conversations)
		same("messages", got[v1alpha1.MeasureMessages], a.Messages)
		same("reached", got[v1alpha1.MeasureReached], a.Reached)
		same("complaining", got[v1alpha1.MeasureComplaining], a.Complaining)
		slices.Sort(a.Names[1:])
		same("names", l.Names(a.Subject), a.Names)
		same("deliveries", l.Deliveries(a.Subject, want.Begin, want.Now), a.Deliveries)
		last, days := l.Activity(a.Subject)
		same("days", days, a.Days)
		for what, times := range map[string][2]time.Time{
			"last time":     {last, a.Heard},
			"instant below": {l.FallsBelow(a.Subject, v1alpha1.MeasureUniqueUsers, 7*24*time.Hour, 2, want.Now), a.Below},
			"next expiry":   {l.NextExpiry(a.Subject, want.Now, 24*time.Hour, 7*24*time.Hour), a.Expiry},
			"last message":  {l.Last(a.Subject, v1alpha1.MeasureMessages, want.Begin, want.Now), a.Last},
			"third message": {l.Nth(a.Subject, v1alpha1.MeasureMessages, 3, want.Begin, want.Now), a.Nth},
		} {
			if !times[0].Equal(times[1]) {
				t.Errorf("%s: of %s the %s is %s, not %s", step, a.Subject, what, times[0], times[1])
			}
		}
		var feedback []string
		for _, f := range l.Feedback(a.Subject, want.Begin, want.Now) {
			feedback = append(feedback, fmt.Sprint(f.Kind, f.Reason, f.Users))
		}
		same("feedback", feedback, a.Feedback)
		var reports []report.Report
		for _, r := range a.Reports {
			reports = append(reports, report.Report{Subject: report.ParseSubject(r.Number), Sequence: r.Sequence, Kind: report.Kind(r.Kind), At: r.At, Value: r.Value, Reason: r.Reason, Until: r.Until})
		}
		same("reports", l.Reports(report.ParseSubject(a.Subject), 0), reports)
		same("last report", l.LastReport(report.ParseSubject(a.Subject)), a.LastReport)
		same("knowledge", l.Known(a.Subject), a.Known)
	}
}
