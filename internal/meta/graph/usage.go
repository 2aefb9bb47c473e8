package graph

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	headerBusinessUsage = "X-Business-Use-Case-Usage"
	headerAppUsage      = "X-App-Usage"

	maxUsages      = 32             // objects in one header, by Meta's page
	maxUsageHeader = 16 << 10       // bytes
	maxWait        = 24 * time.Hour // Meta counts calls by the hour, so a longer wait is a mistake
)

// Usage is how much of an allowance of calls is used, as a header of Meta's says. The percentages are of what is allowed
// within an hour; at 100 Meta refuses calls.
type Usage struct {
	CallCount    float64       // percent, 0 or more
	TotalCPUTime float64       // percent, 0 or more
	TotalTime    float64       // percent, 0 or more
	RegainAccess time.Duration // how long calls will be refused, in whole minutes up to a day; zero if they are not
}

// Percent is the highest of the percentages.
func (u Usage) Percent() float64 { return max(u.CallCount, u.TotalCPUTime, u.TotalTime) }

// Throttled reports whether Meta refuses calls.
func (u Usage) Throttled() bool { return u.Percent() >= 100 || u.RegainAccess > 0 }

// parseUsage reads the usage that an answer's headers tell: that of businesses, then the app's. What is malformed is left out: no
// read fails for it.
func parseUsage(h http.Header) []Usage {
	var all []Usage
	for _, value := range h.Values(headerBusinessUsage) {
		all = append(all, businessUsage(value)...)
	}
	all = all[:min(len(all), maxUsages)]
	if u, ok := readUsage(usageFields(json.RawMessage(h.Get(headerAppUsage)))); ok {
		all = append(all, u)
	}
	return all
}

func businessUsage(header string) []Usage {
	var all []Usage
	for _, business := range usageFields(json.RawMessage(header)) {
		var list []json.RawMessage
		if json.Unmarshal(business, &list) != nil {
			list = []json.RawMessage{business} // one object where a list is documented
		}
		for _, raw := range list {
			if u, ok := readUsage(usageFields(raw)); ok {
				all = append(all, u)
			}
		}
	}
	return all
}

func usageFields(raw json.RawMessage) map[string]json.RawMessage {
	if len(raw) == 0 || len(raw) > maxUsageHeader {
		return nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return nil
	}
	return fields
}

// readUsage is false if the fields say nothing about usage.
func readUsage(fields map[string]json.RawMessage) (Usage, bool) {
	var u Usage
	var told bool
	for name, percent := range map[string]*float64{
		"call_count": &u.CallCount, "total_cputime": &u.TotalCPUTime, "total_time": &u.TotalTime,
	} {
		if n, ok := number(fields[name]); ok {
			*percent, told = n, true
		}
	}
	if minutes, ok := number(fields["estimated_time_to_regain_access"]); ok {
		u.RegainAccess, told = wait(minutes, time.Minute), true
	}
	return u, told
}

// number is a number of zero or more, written as one or in a string.
func number(raw json.RawMessage) (float64, bool) {
	s, ok := scalar(raw)
	if !ok || len(s) > maxWord {
		return 0, false
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) || n < 0 {
		return 0, false
	}
	return n, true
}

// wait is n units, rounded up to a whole one, and at most maxWait.
func wait(n float64, unit time.Duration) time.Duration {
	if n = math.Ceil(n); n >= float64(maxWait/unit) {
		return maxWait
	}
	return time.Duration(n) * unit
}

// RegainAccess is how long calls will be refused, as the headers of an answer say of accounts and of the app: the longest, up to a day.
// Zero means that they do not say so.
func RegainAccess(h http.Header) (longest time.Duration) {
	for _, u := range parseUsage(h) {
		longest = max(longest, u.RegainAccess)
	}
	return longest
}

// RetryAfter is how long the header Retry-After asks to wait, up to a day: seconds, or a date. Zero means that it asks for
// nothing.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return wait(float64(seconds), time.Second)
	}
	at, err := http.ParseTime(value)
	if err != nil || !at.After(now) {
		return 0
	}
	return min(at.Sub(now), maxWait)
}
