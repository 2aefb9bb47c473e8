package graph_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/meta/graph"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
)

// Deliveries are those of one number in the half hours that are asked for.
func TestDeliveriesOfANumber(t *testing.T) {
	w := newWorld(t)
	w.AddPhoneNumber("1002", "2001", "+1 555-000-2222", "More")
	for at, n := range map[time.Duration]int{-24*time.Hour - time.Second: 1000, -24 * time.Hour: 3, -12 * time.Hour: 5, -time.Second: 7, 0: 2000} {
		w.Deliver("1001", start.Add(at), n)
	}
	w.Deliver("1002", start.Add(-time.Hour), 500)
	if n, err := w.client.Deliveries(t.Context(), "2001", "15550001111", start.Add(-24*time.Hour), start); n != 15 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	w.Fail(graphtest.Fault{Path: "2001", Refusal: graphtest.Throttled()})
	if _, err := w.client.Deliveries(t.Context(), "2001", "15550001111", start.Add(-24*time.Hour), start); graph.KindOf(err) != graph.RateLimited {
		t.Errorf("refused: %v", err)
	}
}

// An answer that is not about the number alone is none: its sum would be too high.
func TestAnswersThatAreNoDeliveries(t *testing.T) {
	for name, body := range map[string]string{
		"of all numbers":    `{"analytics":{"phone_numbers":["15550001111","15550002222"],"data_points":[{"start":1,"end":2,"delivered":5}]},"id":"2001"}`,
		"of another number": `{"analytics":{"phone_numbers":["15550002222"],"data_points":[]},"id":"2001"}`,
		"of another node":   `{"analytics":{"phone_numbers":["15550001111"],"data_points":[]},"id":"2002"}`,
		"nothing":           `{"id":"2001"}`,
		"a negative count":  `{"analytics":{"data_points":[{"start":1795255200,"end":1795257000,"delivered":-1}]},"id":"2001"}`,
		"a fraction":        `{"analytics":{"data_points":[{"start":1795255200,"end":1795257000,"delivered":1.5}]},"id":"2001"}`,
		"no count":          `{"analytics":{"data_points":[{"start":1795255200,"end":1795257000}]},"id":"2001"}`,
	} {
		w := newWorld(t)
		w.Fail(graphtest.Fault{Path: "2001", Body: body})
		n, err := w.client.Deliveries(t.Context(), "2001", "15550001111", start.Add(-24*time.Hour), start)
		if failed, is := errors.AsType[*graph.Error](err); !is || failed.Kind != graph.Permanent || strings.Contains(err.Error(), "1555000") {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
}

// The apps that get an account's webhooks are known by their ids.
func TestSubscribedApps(t *testing.T) {
	w := newWorld(t)
	for _, want := range [][]string{{"4001"}, {}, {"4001", "4002"}} {
		w.Change(start, "2001", graphtest.Fields{"subscribed_apps": want})
		if got, err := w.client.SubscribedApps(t.Context(), "2001"); err != nil || !slices.Equal(got, want) {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
	}
	w.Fail(graphtest.Fault{Path: "2001/subscribed_apps", Body: `{"data":[{"name":"x"}]}`, Times: 1})
	if got, err := w.client.SubscribedApps(t.Context(), "2001"); err != nil || !slices.Equal(got, []string{""}) {
		t.Errorf("one without an id: %v, %v", got, err)
	}
	w.Fail(graphtest.Fault{Path: "2001/subscribed_apps", Body: `{}`, Times: 1})
	if got, err := w.client.SubscribedApps(t.Context(), "2001"); graph.KindOf(err) != graph.Permanent {
		t.Errorf("no list: %v, %v", got, err)
	}
	for _, id := range []string{"", "me", "2001/x"} {
		_, appsErr := w.client.SubscribedApps(t.Context(), id)
		_, err := w.client.Deliveries(t.Context(), id, "15550001111", start, start)
		if appsErr == nil || err == nil {
			t.Errorf("of the account %q: %v, %v", id, appsErr, err)
		}
	}
}
