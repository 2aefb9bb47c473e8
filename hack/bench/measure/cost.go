package measure

import (
	"runtime"
	"time"
)

// Cost is what one call takes.
type Cost struct {
	Nanoseconds, Allocations, Bytes Samples
}

// Add measures calls for some time, on this goroutine, as one more sample.
func (c *Cost) Add(during time.Duration, call func()) {
	call() // what is made at first is not made again
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	calls, start := 0, time.Now()
	var took time.Duration
	for n := 1; took < during; n *= 2 {
		for range n {
			call()
		}
		calls += n
		took = time.Since(start)
	}
	runtime.ReadMemStats(&after)
	c.Nanoseconds = append(c.Nanoseconds, float64(took.Nanoseconds())/float64(calls))
	c.Allocations = append(c.Allocations, float64(after.Mallocs-before.Mallocs)/float64(calls))
	c.Bytes = append(c.Bytes, float64(after.TotalAlloc-before.TotalAlloc)/float64(calls))
}
