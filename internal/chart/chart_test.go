package chart_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/chart"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Of a history that begins before the chart, and that has lost its beginning, the chart has what it says: a state of which only the end is
// told held before, what was over by then is left out, and what was used before it was known is not drawn.
func TestChartOfPartOfAHistory(t *testing.T) {
	happened := func(at int64, reason v1alpha1.TransitionReason, from, to string) rules.Transition {
		return rules.Transition{Time: time.Unix(at, 0), Reason: reason, From: from, To: to}
	}
	s := chart.Subject{Start: 1000, End: 2000}
	s.Spans([]rules.Transition{
		happened(100, v1alpha1.ReasonRestricted, "", ""), happened(900, v1alpha1.ReasonRestrictionLifted, "", ""),
		happened(950, v1alpha1.ReasonTierUpgraded, "250", "1K"),
		happened(1200, v1alpha1.ReasonFlagCleared, "", ""),
		happened(1500, v1alpha1.ReasonTierUpgraded, "1K", "10K"),
		happened(1600, v1alpha1.ReasonConnectionChanged, "Connected", "Offline"),
	}, "10K", v1alpha1.QualityHigh)
	s.Series(1400, []chart.Point{{At: 1400, Used: 7}, {At: 1700, Used: 9}}, map[string]int64{"1K": 1000, "10K": 10_000})
	if want := []chart.Span{{From: 1000, To: 1500, What: "1K"}, {From: 1500, To: 2000, What: "10K"}}; !reflect.DeepEqual(s.Tiers, want) {
		t.Errorf("tiers are %+v", s.Tiers)
	}
	if want := []chart.Span{{From: 1000, To: 1200, What: "Flagged"}, {From: 1600, To: 2000, What: "Offline"}}; !reflect.DeepEqual(s.States, want) {
		t.Errorf("states are %+v", s.States)
	}
	if want := []chart.Span{{From: 1000, To: 2000, What: "High"}}; !reflect.DeepEqual(s.Quality, want) {
		t.Errorf("the quality is %+v", s.Quality)
	}
	values := func(numbers []*int64) (all []int64) {
		for _, n := range numbers {
			if n == nil {
				n = new(int64(-1))
			}
			all = append(all, *n)
		}
		return all
	}
	if times := []int64{1000, 1400, 1500, 1700, 2000}; !reflect.DeepEqual(s.Times, times) || !reflect.DeepEqual(values(s.Used), []int64{-1, 7, 7, 9, 9}) ||
		!reflect.DeepEqual(values(s.Limits), []int64{1000, 1000, 10_000, 10_000, 10_000}) {
		t.Errorf("at %d used %d of %d", s.Times, values(s.Used), values(s.Limits))
	}
}

// The library is the one that npm has, to the byte: see uplot/README.md.
func TestLibraryIsAsPublished(t *testing.T) {
	readme, err := os.ReadFile("uplot/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"uPlot.iife.min.js", "uPlot.min.css", "LICENSE"} {
		content, err := os.ReadFile("uplot/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(content); !strings.Contains(string(readme), hex.EncodeToString(sum[:])+"  "+name) {
			t.Errorf("%s has the sum %x", name, sum)
		}
	}
}
