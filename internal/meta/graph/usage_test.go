package graph

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestTheUsageIsReadFromItsHeaders(t *testing.T) {
	one := Usage{CallCount: 12, TotalCPUTime: 3, TotalTime: 4}
	for name, test := range map[string]struct {
		header string
		want   []Usage
	}{
		"as documented": {`{"2001":[{"type":"whatsapp_business_management","call_count":12,"total_cputime":3,"total_time":4,"estimated_time_to_regain_access":0}]}`, []Usage{one}},
		"strings":       {`{"2001":[{"type":"whatsapp_business_management","call_count":"12","total_cputime":" 3 ","total_time":"4","estimated_time_to_regain_access":"0"}]}`, []Usage{one}},
		"floats": {
			`{"2001":[{"call_count":12.5,"total_cputime":1e1,"total_time":"0.25","estimated_time_to_regain_access":1.2}]}`,
			[]Usage{{CallCount: 12.5, TotalCPUTime: 10, TotalTime: 0.25, RegainAccess: 2 * time.Minute}},
		},
		"several": {
			`{"2001":[{"type":"a","call_count":2},{"type":"b","total_time":3}]}`,
			[]Usage{{CallCount: 2}, {TotalTime: 3}},
		},
		"throttled": {
			`{"2001":[{"call_count":100,"total_cputime":25,"total_time":25,"estimated_time_to_regain_access":19}]}`,
			[]Usage{{CallCount: 100, TotalCPUTime: 25, TotalTime: 25, RegainAccess: 19 * time.Minute}},
		},
		"beyond the whole":            {`{"2001":[{"call_count":104}]}`, []Usage{{CallCount: 104}}},
		"a wait that cannot be":       {`{"2001":[{"call_count":100,"estimated_time_to_regain_access":1e300}]}`, []Usage{{CallCount: 100, RegainAccess: 24 * time.Hour}}},
		"one object for a list":       {`{"2001":{"call_count":7}}`, []Usage{{CallCount: 7}}},
		"more fields than known":      {`{"2001":[{"call_count":7,"tier":{"x":[1]},"type":5}]}`, []Usage{{CallCount: 7}}},
		"the part that makes sense":   {`{"2001":[null,3,{"call_count":"many"},{"call_count":-1,"total_time":9},[]],"2002":"x","2003":null}`, []Usage{{TotalTime: 9}}},
		"no percentage":               {`{"2001":[{"type":"a"}]}`, nil},
		"not a number":                {`{"2001":[{"call_count":"NaN","total_time":"Inf"}]}`, nil},
		"empty":                       {``, nil},
		"no JSON":                     {`{"2001":[{"call_count":12`, nil},
		"a list":                      {`[{"call_count":12}]`, nil},
		"longer than a header may be": {`{"2001":[{"call_count":12}],"x":"` + strings.Repeat("x", maxUsageHeader) + `"}`, nil},
	} {
		if got := parseUsage(http.Header{"X-Business-Use-Case-Usage": {test.header}}); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s\n got %+v\nwant %+v", name, got, test.want)
		}
	}
	if got := parseUsage(nil); got != nil {
		t.Errorf("no headers: got %+v", got)
	}
	many := http.Header{"X-Business-Use-Case-Usage": {`{"2001":[` + strings.TrimSuffix(strings.Repeat(`{"call_count":1},`, 40), ",") + `]}`}, "X-App-Usage": {`{"call_count":28,"total_time":25,"total_cputime":26}`}}
	got := parseUsage(many)
	if len(got) != maxUsages+1 || got[maxUsages] != (Usage{CallCount: 28, TotalTime: 25, TotalCPUTime: 26}) {
		t.Errorf("forty objects and the app's: got %d, the last %+v", len(got), got[len(got)-1])
	}
	twice := parseUsage(http.Header{"X-Business-Use-Case-Usage": {`{"1":[{"call_count":1}]}`, `{"2":[{"call_count":2}]}`}})
	if len(twice) != 2 {
		t.Errorf("two headers: got %+v", twice)
	}
}

func TestThrottledIsAnyPercentageAtAHundred(t *testing.T) {
	for _, u := range []Usage{{CallCount: 100}, {TotalCPUTime: 100}, {TotalTime: 101.5}, {CallCount: 3, RegainAccess: time.Minute}} {
		if !u.Throttled() {
			t.Errorf("%+v is throttled", u)
		}
	}
	if u := (Usage{CallCount: 99.9, TotalTime: 1, TotalCPUTime: 2}); u.Throttled() || u.Percent() != 99.9 {
		t.Errorf("%+v: got %v, %v", u, u.Throttled(), u.Percent())
	}
}

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "90": 90 * time.Second, " 7 ": 7 * time.Second, "-1": 0, "1.5": 0, "soon": 0, "99999999999999999999": 0, "4000000000": 24 * time.Hour,
		"Sun, 22 Nov 2026 10:00:30 GMT": 30 * time.Second, "Sun, 22 Nov 2026 09:59:59 GMT": 0, "Sat, 22 Nov 2036 10:00:00 GMT": 24 * time.Hour,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("%q: got %s, want %s", value, got, want)
		}
	}
}

func FuzzUsage(f *testing.F) {
	f.Add(`{"2001":[{"type":"a","call_count":12,"total_cputime":"3","total_time":4.5,"estimated_time_to_regain_access":1e9}]}`, `{"call_count":1}`, "30")
	f.Add(`{"2001":{"call_count":"0x1p-2"},"2002":[null,[]]}`, `[]`, "Sun, 22 Nov 2026 10:00:30 GMT")
	f.Fuzz(func(t *testing.T, business, app, after string) {
		h := http.Header{"X-Business-Use-Case-Usage": {business}, "X-App-Usage": {app}, "Retry-After": {after}}
		all := parseUsage(h)
		if len(all) > maxUsages+1 {
			t.Fatalf("%d usages", len(all))
		}
		for _, u := range all {
			if !(u.CallCount >= 0 && u.TotalCPUTime >= 0 && u.TotalTime >= 0) || u.RegainAccess < 0 || u.RegainAccess > maxWait {
				t.Fatalf("%+v", u)
			}
		}
		if wait := RetryAfter(h, time.Unix(1790000000, 0)); wait < 0 || wait > maxWait {
			t.Fatalf("a wait of %s", wait)
		}
	})
}
