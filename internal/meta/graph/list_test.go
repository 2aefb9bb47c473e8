package graph_test

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/meta/graph"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
)

func addNumbers(w *world, from, to int) {
	for i := from; i < to; i++ {
		w.AddPhoneNumber(strconv.Itoa(1001+i), "2001", fmt.Sprintf("+1 555-000-%04d", i), "Number "+strconv.Itoa(i))
	}
}

// inOrder checks that numbers are 1001 and on, each once.
func inOrder(t *testing.T, numbers []graph.PhoneNumber, err error, want int) {
	t.Helper()
	if err != nil || len(numbers) != want {
		t.Fatalf("got %d numbers, want %d: %v", len(numbers), want, err)
	}
	for i, n := range numbers {
		if n.ID != strconv.Itoa(1001+i) {
			t.Fatalf("number %d is %s", i, n.ID)
		}
	}
}

func TestAllPagesAreRead(t *testing.T) {
	for _, size := range []int{1, 99, 100, 101, 200, 250} {
		w := newWorld(t)
		addNumbers(w, 1, size)
		numbers, err := w.client.PhoneNumbers(t.Context(), "2001")
		inOrder(t, numbers, err, size)
		if calls := len(w.Calls()); calls != (size+99)/100 {
			t.Errorf("%d numbers took %d calls", size, calls)
		}
	}
}

func TestAListIsBegunAnewOnceWhenItsCursorIsInvalid(t *testing.T) {
	var once sync.Once
	var w *world
	w = newWorld(t, func(o *graph.Options) {
		o.Transport = intercept(func(r *http.Request) {
			if r.URL.Query().Get("after") != "" {
				once.Do(w.InvalidateCursors)
			}
		})
	})
	addNumbers(w, 1, 250)
	numbers, err := w.client.PhoneNumbers(t.Context(), "2001")
	inOrder(t, numbers, err, 250)
	var after []bool
	for _, c := range w.Calls() {
		after = append(after, c.After != "")
	}
	if !slices.Equal(after, []bool{false, true, false, true, true}) {
		t.Errorf("the cursors of the calls: %v", after)
	}

	// Whoever never gets a good cursor gives up after the second.
	w = newWorld(t, func(o *graph.Options) {
		o.Transport = intercept(func(r *http.Request) {
			if r.URL.Query().Get("after") != "" {
				w.InvalidateCursors()
			}
		})
	})
	addNumbers(w, 1, 250)
	_, err = w.client.PhoneNumbers(t.Context(), "2001")
	if e := failure(t, err, graph.Permanent); e.Code != 131059 || len(w.Calls()) != 4 {
		t.Errorf("got %+v after %d calls", e, len(w.Calls()))
	}
	// Without a cursor there is nothing to begin anew.
	w = newWorld(t)
	w.Fail(graphtest.Fault{Refusal: &graphtest.Refusal{Status: 400, Code: 131059, Type: "OAuthException", Message: "Invalid cursor"}})
	_, err = w.client.PhoneNumbers(t.Context(), "2001")
	if fails(t, err, graph.Permanent); len(w.Calls()) != 1 {
		t.Errorf("%d calls", len(w.Calls()))
	}
}

// intercept is a transport that calls something first.
type intercept func(*http.Request)

func (f intercept) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	return http.DefaultTransport.RoundTrip(r)
}

func TestAListThatMakesNoSenseIsRefused(t *testing.T) {
	number := `{"id":"1001","status":"CONNECTED"}`
	for name, body := range map[string]string{
		"no list":                   `{"paging":{}}`,
		"no object in it":           `{"data":["1001"]}`,
		"no id in it":               `{"data":[{"status":"CONNECTED"}]}`,
		"more, but not where":       `{"data":[` + number + `],"paging":{"next":"https://graph.facebook.com/v27.0/2001/phone_numbers?after=x&access_token=` + token + `"}}`,
		"the same page for ever":    `{"data":[` + number + `],"paging":{"cursors":{"after":"again"},"next":"https://x"}}`,
		"a cursor that is too long": `{"data":[` + number + `],"paging":{"cursors":{"after":"` + strings.Repeat("x", 5000) + `"},"next":"https://x"}}`,
		"cursors of another shape":  `{"data":[` + number + `],"paging":{"cursors":[]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Fail(graphtest.Fault{Status: 200, Body: body})
			_, err := w.client.PhoneNumbers(t.Context(), "2001")
			fails(t, err, graph.Permanent)
			if calls := len(w.Calls()); calls > 2 {
				t.Errorf("%d calls", calls)
			}
		})
	}
	// A number that comes twice is told as it came last, and no last page needs cursors.
	w := newWorld(t)
	w.Fail(graphtest.Fault{Times: 1, Body: `{"data":[` + number + `],"paging":{"cursors":{"after":"b"},"next":"https://x"}}`})
	w.Fail(graphtest.Fault{Times: 1, Status: 200, Body: `{"data":[{"id":"1002"},{"id":"1001","status":"BANNED"}]}`})
	numbers, err := w.client.PhoneNumbers(t.Context(), "2001")
	if err != nil || len(numbers) != 2 || numbers[0].ID != "1001" || numbers[0].Connection != v1alpha1.StateBlocked || numbers[1].ID != "1002" {
		t.Errorf("got %+v, %v", numbers, err)
	}
	// A list without end ends.
	page := 0
	w = newWorld(t, func(o *graph.Options) {
		o.Transport = roundTrip(func(r *http.Request) *http.Response {
			page++
			return answer(r, fmt.Sprintf(`{"data":[],"paging":{"cursors":{"after":"%d"},"next":"https://x"}}`, page))
		})
	})
	_, err = w.client.PhoneNumbers(t.Context(), "2001")
	if fails(t, err, graph.Permanent); page != 100 {
		t.Errorf("%d pages", page)
	}
}

// Each language of a template is one, with its own state. All pages are read, and no limit of the account is asked for there.
func TestTemplatesAreRead(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("a", 512)
	w.AddTemplate("4001", "2001", "order_update", "en_US", "UTILITY")
	w.AddTemplate("4002", "2001", "order_update", "pt_BR", "UTILITY")
	w.AddTemplate("4003", "2001", long, "en", "MARKETING")
	w.AddTemplate("5001", "2002", "of_another_account", "en", "MARKETING")
	w.Set("4002", graphtest.Fields{"status": "REJECTED", "rejected_reason": "SCAM"})
	w.Set("4003", graphtest.Fields{"status": "PAUSED", "quality_score": graphtest.Fields{"score": "RED", "date": 1790000000}})
	want := []graph.Template{
		{ID: "4001", Name: "order_update", Language: "en_US", State: "Approved", Category: "Utility", Rating: "Unknown"},
		{ID: "4002", Name: "order_update", Language: "pt_BR", State: "Rejected", Category: "Utility", Rating: "Unknown", RejectedReason: "SCAM"},
		{ID: "4003", Name: long, Language: "en", State: "Paused", Category: "Marketing", Rating: "Low"},
	}
	if got, err := w.client.Templates(t.Context(), "2001"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if fields := w.Calls()[0].Fields; fields != "id,name,language,status,category,quality_score,rejected_reason" {
		t.Errorf("asked for %s", fields)
	}
	for i := range 150 {
		w.AddTemplate(strconv.Itoa(6001+i), "2001", "offer_"+strconv.Itoa(i), "en", "MARKETING")
	}
	w.Forget()
	if got, err := w.client.Templates(t.Context(), "2001"); err != nil || len(got) != 153 || len(w.Calls()) != 2 {
		t.Errorf("got %d templates in %d calls, %v", len(got), len(w.Calls()), err)
	}
	// What has another shape costs only itself.
	w.Set("4001", graphtest.Fields{"name": 7, "quality_score": "GREEN", "category": []any{}})
	got, err := w.client.Templates(t.Context(), "2001")
	if err != nil || !slices.Equal(got[0].Unread, []string{"category", "quality_score"}) || got[0].State != v1alpha1.TemplateApproved {
		t.Errorf("got %+v, %v", got[0], err)
	}
}
