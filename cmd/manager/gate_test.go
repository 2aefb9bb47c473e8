package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	runtimeclient "sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/api/client"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// The gate of one operator, end to end: a service account of the number's namespace reserves up to the limit and not one further; what is
// delivered goes from held to used; after kill -9 nothing that was granted is forgotten, and what is released is free again.
func TestTheGateEndToEnd(t *testing.T) {
	t.Parallel()
	o, api := newOperator(t)
	address := freeAddress(t)
	o.more = []string{"--events-bind-address=" + address}
	o.start()
	o.ready()

	const limit = 5
	newNumber(t, api, "+15550100045", limit)
	tokens := []string{newToken(t, api, campaign), newToken(t, api, "stranger")}
	gate, stranger := gateAt(t, address, tokens[0]), gateAt(t, address, tokens[1])
	stands := func(used, reserved, remaining int64) {
		t.Helper()
		var items []client.Item
		var err error
		if !rig.Eventually(t.Context(), func() bool {
			items, err = gate.Standing(t.Context(), client.Selection{Namespace: "default"})
			return err == nil && len(items) == 1 && items[0].Used != nil && *items[0].Used == used && items[0].Reserved == reserved && items[0].Remaining == remaining
		}) {
			t.Fatalf("it stands at %+v, %v; want %d used, %d reserved and %d remaining", items, err, used, reserved, remaining)
		}
	}
	to := func(user int) client.Request {
		return client.Request{Number: "+15550100045", User: fmt.Sprintf("+1557777%04d", user), Category: "Marketing"}
	}
	refused := func(who *client.Client, user int, reason string) client.Problem {
		t.Helper()
		_, err := who.Reserve(t.Context(), to(user))
		problem, ok := errors.AsType[*client.Problem](err)
		if !ok || problem.Reason != reason {
			t.Fatalf("it says %v, want %s", err, reason)
		}
		return *problem
	}

	stands(0, 0, limit)
	refused(stranger, 0, "Forbidden")
	ids := make([]string, limit)
	for user := range ids {
		granted, err := gate.Reserve(t.Context(), to(user))
		if err != nil {
			t.Fatal(err)
		}
		ids[user] = granted.ID
	}
	if p := refused(gate, limit, "LimitReached"); p.Status != http.StatusTooManyRequests || p.RetryAfter < 3600 || p.Detail[:27] != "0 of 5 are used and 5 are h" {
		t.Errorf("the refusal is %+v", p)
	}
	var statuses []metatest.Status
	for user := range 2 {
		id := fmt.Sprint("wamid.", user)
		if err := gate.Confirm(t.Context(), ids[user], id); err != nil {
			t.Fatal(err)
		}
		statuses = append(statuses, metatest.Status{ID: id, Status: "delivered", Phone: fmt.Sprintf("1557777%04d", user), At: time.Now()}) // the operator under test runs on real time
	}
	o.take(metatest.MessagesPayload("+15550100045", statuses, nil))
	stands(2, 3, 0)

	o.kill(syscall.SIGKILL)
	o.start()
	o.ready()
	stands(2, 3, 0)
	refused(gate, limit, "LimitReached")
	if err := gate.Release(t.Context(), ids[4]); err != nil {
		t.Fatal(err)
	}
	if _, err := gate.Reserve(t.Context(), to(limit)); err != nil {
		t.Errorf("what was released is not free: %v", err)
	}
	refused(gate, limit+1, "LimitReached")

	o.within("an Event tells of the refusals", func() bool {
		var events eventsv1.EventList
		if err := api.List(t.Context(), &events, runtimeclient.InNamespace("default")); err != nil {
			t.Fatal(err)
		}
		for i := range events.Items {
			if e := &events.Items[i]; e.Reason == "ReservationsRefused" && e.Regarding.Name == "sales" && strings.HasPrefix(e.Note, "LimitReached: ") {
				return true
			}
		}
		return false
	})
	o.kill(syscall.SIGTERM)
	log := o.log.String()
	for what, secret := range map[string]string{"the phone number": "15550100045", "a user": "1557777", "a message id": "wamid", "a token": tokens[0], "a stranger's token": tokens[1], "a reservation": ids[0]} {
		if strings.Contains(log, secret) {
			t.Errorf("the log names %s", what)
		}
	}
}
