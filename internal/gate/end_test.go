package gate_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/gate/gatetest"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

func TestAReservationIsConfirmedAndReleasedByThoseWhoMaySend(t *testing.T) {
	d := newDesk(t, 5)
	ctx := t.Context()
	id := d.reserve(shop, to(1))[0].Decision.ID
	check := func(what string, a gate.Answer, err error, want string) {
		t.Helper()
		if got := said(&a); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, %v; want %q", what, got, err, want)
		}
	}
	a, err := d.Confirm(ctx, nobody, id, "wamid.1")
	check("confirmed by a stranger", a, err, "403 Forbidden")
	a, err = d.Release(ctx, nobody, id)
	check("released by a stranger", a, err, "403 Forbidden")
	a, err = d.Confirm(ctx, shop, id, "")
	check("confirmed with nothing", a, err, "400 BadRequest: messageID")
	for range 2 {
		a, err = d.Confirm(ctx, shop, id, "wamid.1")
		check("confirmed", a, err, "Confirmed ")
	}
	a, err = d.Confirm(ctx, shop, id, "wamid.2")
	check("confirmed with another", a, err, "409 OtherMessage")
	d.clock.Step(time.Second)
	d.Deliver(t, "15550200001", "wamid.1")
	if held := d.Ledger.Reserved(gatetest.Number, d.clock.Now()); held != 0 {
		t.Errorf("after the delivery %d are held", held)
	}

	id = d.reserve(shop, to(2))[0].Decision.ID
	for range 2 {
		a, err = d.Release(ctx, shop, id)
		check("released", a, err, "Ended ")
	}
	a, err = d.Confirm(ctx, shop, counts.ReservationID{1}, "wamid.3")
	check("confirmed, though there is none", a, err, "404 NotFound: there is no such reservation")
	if a, err = d.Release(ctx, shop, counts.ReservationID{1}); a.Problem != nil || err != nil {
		t.Errorf("released, though there is none: %+v, %v", a.Problem, err)
	}
}

func TestWhatCannotBeToldIsAnErrorAndHoldsNothing(t *testing.T) {
	d := newDesk(t, 5)
	outage := errors.New("the cache is not there")
	d.Fleet.Err = outage
	if _, err := d.Reserve(t.Context(), shop, []gate.Request{to(1)}); !errors.Is(err, outage) {
		t.Errorf("it says %v", err)
	}
	if held := d.Ledger.Reserved(gatetest.Number, begin); held != 0 {
		t.Errorf("%d are held", held)
	}
}

func TestReservationsEndWithTimeThoughNothingElseHappens(t *testing.T) {
	d := newDesk(t, 5)
	d.Configure(t, counts.LimitSetting{Subject: gatetest.Number, Limit: 5, ReleaseUnconfirmed: true})
	d.reserve(shop, to(1))
	changed := make(chan string, 1)
	d.Ledger.Subscribe(func(subject string) {
		select {
		case changed <- subject:
		default:
		}
	})
	go func() { _ = d.Start(t.Context()) }()
	for !d.clock.HasWaiters() {
		time.Sleep(time.Millisecond)
	}
	d.clock.Step(counts.DefaultTTL)
	if subject := <-changed; subject != gatetest.Number {
		t.Errorf("it tells of %q", subject)
	}
	if held := d.Ledger.Reserved(gatetest.Number, d.clock.Now()); held != 0 {
		t.Errorf("%d are held after their time", held)
	}
}
