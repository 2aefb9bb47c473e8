// Package chart is the chart of a messaging limit over time: what is used against the limit, with tiers, quality and states. Subject is what
// is drawn, Script draws it in a browser. The simulator's page and the dashboard have it.
package chart

import (
	_ "embed"
	"fmt"
)

// The library that draws, as its npm package has it: uPlot 1.6.32, under the MIT licence beside it. It is the global uPlot of Script.
var (
	//go:embed uplot/uPlot.iife.min.js
	Library string
	//go:embed uplot/uPlot.min.css
	LibraryStyle string
	//go:embed uplot/LICENSE
	LibraryLicense string
)

var (
	// Script is an ECMAScript module that exports draw.
	//go:embed chart.js
	Script string
	// Style has the colours that the chart is drawn in, in light and dark.
	//go:embed chart.css
	Style string
)

// Subject is what is drawn: of a number or a portfolio. Times are Unix seconds.
type Subject struct {
	Name     string     `json:"name"`
	Start    int64      `json:"start"`
	End      int64      `json:"end"`
	Times    []int64    `json:"times"`
	Used     []*int64   `json:"used"`   // null where nobody knows
	Limits   []*int64   `json:"limits"` // null for unlimited, and where nobody knows
	Tiers    []Span     `json:"tiers"`
	Quality  []Span     `json:"quality"`
	States   []Span     `json:"states"`
	Happened []Happened `json:"happened"`
	More     int        `json:"more"` // that happened, and is left out
	Peak     int64      `json:"-"`
}

// Span is what held from one instant to another.
type Span struct {
	From int64  `json:"from"`
	To   int64  `json:"to"`
	What string `json:"what"`
}

// Happened is a transition that is told.
type Happened struct {
	At      int64  `json:"at"`
	Reason  string `json:"reason"`
	From    string `json:"from"`
	To      string `json:"to"`
	Message string `json:"message"`
}

// Point is how much of the limit was used from an instant on.
type Point struct{ At, Used int64 }

// Summary is the chart in a sentence, for those who do not see it.
func (s *Subject) Summary() string {
	return fmt.Sprintf("%s: what is used against the limit over time; at most %d, in %d tiers", s.Name, s.Peak, len(s.Tiers))
}
