// Package measure has what the sections of the benchmark share: how to repeat, what a process used, what the machine is.
package measure

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
)

// Bench is what a section is given.
type Bench struct {
	Short    bool // once, small: to see whether anything is wrong, within 15 seconds
	Rounds   int  // how often to measure each thing
	Seed     uint64
	Folder   string // for whatever is written; removed when the section is done
	Profiles string // folder for CPU profiles of the processes that are measured; empty for none
	Progress io.Writer
}

// Say prints progress.
func (b *Bench) Say(format string, args ...any) { fmt.Fprintf(b.Progress, "==> "+format+"\n", args...) }

// Random is a random source for a purpose. The same seed gives the same source.
func (b *Bench) Random(purpose uint64) *rand.Rand { return rand.New(rand.NewPCG(b.Seed, purpose)) }

// Samples are the values that the rounds measured of one thing.
type Samples []float64

// Median is the value in the middle; of an even number the lower one.
func (s Samples) Median() float64 {
	if len(s) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(s))[(len(s)-1)/2]
}

// Lowest is the lowest value.
func (s Samples) Lowest() float64 { return slices.Min(s) }

// Highest is the highest value.
func (s Samples) Highest() float64 { return slices.Max(s) }

// Ratios are those of two things in the same round.
func Ratios(of, by Samples) Samples {
	ratios := make(Samples, min(len(of), len(by)))
	for i := range ratios {
		ratios[i] = of[i] / by[i]
	}
	return ratios
}
