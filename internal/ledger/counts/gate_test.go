package counts

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// desk asks a machine for places.
type desk struct {
	*testing.T
	*applier
	now time.Time
	ids uint32
}

const desked = "+15550100000"

func newDesk(t *testing.T, limits ...LimitSetting) *desk {
	t.Helper()
	d := &desk{T: t, applier: newApplier(), now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
	d.apply(&Record{Settings: Settings{Limits: limits, Senders: []SenderSetting{{Number: desked, Namespace: "shop"}}}})
	return d
}

func limitOf(n int64, budgets ...BudgetSetting) LimitSetting {
	return LimitSetting{Subject: desked, Limit: n, Measure: v1alpha1.MeasureUniqueUsers, Window: 24 * time.Hour, Budgets: budgets}
}

// operate has an operation decided. A preview of it says the same before, and changes nothing.
func (d *desk) operate(o Operation) Decision {
	d.Helper()
	was, preview := d.snapshot(true), d.Preview(&o, d.now)
	if !reflect.DeepEqual(d.snapshot(true), was) {
		d.Error("a preview changes what is known")
	}
	got := d.decide(o)
	if o.Kind == Reserve && o.Key == 0 && got.State != Ended {
		if preview.State != got.State || preview.Why != got.Why || preview.Until != got.Until || preview.Shadow != got.Shadow || preview.Number != got.Number ||
			!reflect.DeepEqual(preview.Members, got.Members) {
			d.Errorf("the preview is %+v, and then it is %+v", preview, got)
		}
	}
	return got
}

func (d *desk) decide(o Operation) Decision {
	return d.apply(&Record{Clock: d.now.UnixMilli(), Operations: []Operation{o}}).Decisions[0]
}

func (d *desk) reserve(user UserKey, of ...func(*Operation)) Decision {
	d.ids++
	o := Operation{Kind: Reserve, ID: reservationID(d.ids), Number: desked, User: user, TTL: 600}
	for _, change := range of {
		change(&o)
	}
	return d.operate(o)
}

func (d *desk) entry(kind Kind, user UserKey, message MessageKey) {
	e := Entry{Number: desked, Kind: kind, User: user, Message: message, At: d.now.Unix()}
	d.apply(&Record{Clock: d.now.UnixMilli(), Batch: Batch{Entries: []Entry{e}}})
}

func (d *desk) wait(of time.Duration) {
	d.now = d.now.Add(of)
	d.apply(&Record{Clock: d.now.UnixMilli()})
}

// expect compares a decision and what is used and held with a text.
func (d *desk) expect(got Decision, want string) {
	d.Helper()
	text := fmt.Sprintf("%s %s", got.State, got.Why)
	if got.Until != 0 {
		text += " until " + time.Unix(got.Until, 0).UTC().Format("2 15:04:05")
	}
	if text != want {
		d.Errorf("it is %q, want %q", text, want)
	}
}

func (d *desk) holds(want int64) {
	d.Helper()
	if got := d.Reserved(desked, d.now); got != want {
		d.Errorf("%d are held, want %d", got, want)
	}
}

func TestPlacesAreGrantedUpToTheLimit(t *testing.T) {
	d := newDesk(t, limitOf(2))
	d.entry(Delivered, 1, 1)
	d.wait(time.Hour)
	d.expect(d.reserve(2), "Held Reserved")
	d.expect(d.reserve(2), "Held AlreadyHeld")
	d.expect(d.reserve(1), "Free AlreadyCounted")
	d.expect(d.reserve(3), "Refused LimitReached until 2 12:00:00")
	d.holds(1)
	d.wait(23 * time.Hour) // user 1 leaves the window, and is held
	d.holds(2)
	d.expect(d.reserve(3), "Refused LimitReached until 2 13:10:00")
}

// Holds that were granted in one second end one after the other, none before its sender may begin no more. The second that a refusal names is
// one in which the place is free.
func TestHoldsEndAsTheyWereGranted(t *testing.T) {
	limit := limitOf(2)
	limit.ReleaseUnconfirmed = true
	d := newDesk(t, limit)
	short := func(o *Operation) { o.TTL = 1 }
	for user := range UserKey(2) {
		d.wait(300 * time.Millisecond)
		if got := d.reserve(user+1, short); got.State != Held || got.Expires != d.now.Unix()+1 {
			t.Errorf("it is decided %+v", got)
		}
	}
	d.expect(d.reserve(3, short), "Refused LimitReached until 1 12:00:02")
	d.wait(400 * time.Millisecond) // until 12:00:01, to when both were told that they may begin
	d.holds(2)
	d.wait(300 * time.Millisecond)
	d.holds(1)
	d.wait(300 * time.Millisecond)
	d.holds(0)
}

func TestThePlaceThatMayBeFreeFirstIsNamed(t *testing.T) {
	d := newDesk(t, limitOf(3))
	for i, seconds := range []uint32{90, 600, 60} {
		d.expect(d.reserve(UserKey(i+1), func(o *Operation) { o.TTL = seconds }), "Held Reserved")
	}
	d.expect(d.reserve(4), "Refused LimitReached until 2 12:01:00")
}

func TestAHoldEndsByItsDeliveryFailureReleaseAndTime(t *testing.T) {
	d := newDesk(t, limitOf(10))
	for user := range UserKey(6) {
		d.expect(d.reserve(user+1), "Held Reserved")
	}
	d.holds(6)
	d.expect(d.operate(Operation{Kind: Confirm, ID: ReservationID{1}, Message: 11}), "Confirmed ")
	d.expect(d.operate(Operation{Kind: Confirm, ID: ReservationID{1}, Message: 11}), "Confirmed ")
	d.expect(d.operate(Operation{Kind: Confirm, ID: ReservationID{1}, Message: 12}), "Confirmed OtherMessage")
	d.entry(Delivered, 1, 11)
	d.holds(5)
	d.operate(Operation{Kind: Confirm, ID: ReservationID{2}, Message: 21})
	d.entry(Failed, 2, 21)
	d.holds(4)
	d.entry(Failed, 3, 31) // before it is confirmed
	d.holds(4)
	d.expect(d.operate(Operation{Kind: Confirm, ID: ReservationID{3}, Message: 31}), "Ended ")
	d.holds(3)
	d.expect(d.operate(Operation{Kind: Release, ID: ReservationID{4}}), "Ended ")
	d.expect(d.operate(Operation{Kind: Release, ID: ReservationID{4}}), "Ended ")
	d.holds(2)
	d.entry(Delivered, 5, 51) // nobody confirmed it
	d.holds(1)
	d.expect(d.operate(Operation{Kind: Confirm, ID: ReservationID{5}, Message: 51}), "Ended ")
	d.wait(24*time.Hour + 9*time.Minute)
	d.holds(1)
	d.wait(time.Minute)
	d.holds(0)
	d.expect(d.operate(Operation{Kind: Release, ID: ReservationID{6}}), "Ended Unknown")
}

func TestWhatIsUnconfirmedIsReleasedWhereTheSettingSaysSo(t *testing.T) {
	l := limitOf(10)
	d := newDesk(t, l)
	d.reserve(1)
	l.ReleaseUnconfirmed = true
	d.apply(&Record{Settings: Settings{Limits: []LimitSetting{l}}})
	d.reserve(2)
	d.operate(Operation{Kind: Confirm, ID: ReservationID{2}, Message: 1})
	d.wait(10 * time.Minute)
	d.holds(1)
	d.wait(24*time.Hour - 10*time.Minute)
	d.holds(0)
}

func TestMessagesInsideWindowsAreFree(t *testing.T) {
	d := newDesk(t, limitOf(1))
	free := func(o *Operation) { o.Free = true }
	d.entry(Delivered, 9, 1)
	d.expect(d.reserve(1, free), "Refused OutsideWindow")
	d.entry(Received, 1, 0)
	d.expect(d.reserve(1, free), "Free InsideWindow")
	d.expect(d.reserve(1), "Free InsideWindow")
	d.wait(23*time.Hour + 55*time.Minute)
	d.expect(d.reserve(1, free), "Free InsideWindow")
	d.expect(d.reserve(1), "Refused LimitReached until 2 12:00:00") // it may be delivered after
}

func TestBudgetsKeepWhatIsGuaranteedAndTakeNoMoreThanTheirMaximum(t *testing.T) {
	logins := BudgetSetting{Name: "logins", Categories: []Category{Authentication}, Guaranteed: Amount{Set: true, N: 40, Percent: true}}
	campaigns := BudgetSetting{Name: "campaigns", Categories: []Category{Marketing}, Maximum: Amount{Set: true, N: 3}}
	d := newDesk(t, limitOf(10, logins, campaigns))
	of := func(c Category) func(*Operation) { return func(o *Operation) { o.Category = c } }
	for user := range UserKey(3) {
		d.expect(d.reserve(100+user, of(Marketing)), "Held Reserved")
	}
	d.expect(d.reserve(200, of(Marketing)), "Refused BudgetReached until 2 12:10:00")
	for user := range UserKey(3) {
		d.expect(d.reserve(300+user, of(Utility)), "Held Reserved")
	}
	d.expect(d.reserve(400, of(Utility)), "Refused LimitReached until 2 12:10:00")
	for user := range UserKey(4) {
		d.expect(d.reserve(500+user, of(Authentication)), "Held Reserved")
	}
	d.expect(d.reserve(600, of(Authentication)), "Refused LimitReached until 2 12:10:00")
	for user := range UserKey(3) {
		d.entry(Delivered, 100+user, MessageKey(user+1))
	}
	if got, want := d.Budgets(desked, d.now)[1], (BudgetUse{Name: "campaigns", Used: 3, Maximum: 3}); got != want {
		t.Errorf("the budget is %+v, want %+v", got, want)
	}
}

func TestTwoKeysOfAUserAreOne(t *testing.T) {
	d := newDesk(t, limitOf(3))
	d.reserve(1)
	d.reserve(2)
	d.holds(2)
	d.apply(&Record{Clock: d.now.UnixMilli(), Batch: Batch{Entries: []Entry{{Number: desked, Kind: AliasLinked, User: 1, Alias: 2, At: d.now.Unix()}}}})
	d.holds(1)
	d.expect(d.reserve(2), "Held AlreadyHeld")
}

func TestAKeyStandsForItsReservation(t *testing.T) {
	d := newDesk(t, limitOf(1))
	with := func(o *Operation) { o.Key = 7 }
	first := d.reserve(1, with)
	if again := d.reserve(1, with); again.ID != first.ID || again.State != Held {
		t.Errorf("again it is %+v, not %+v", again, first)
	}
	d.expect(d.reserve(2, with), "Refused LimitReached until 2 12:10:00") // is another's
	d.operate(Operation{Kind: Release, ID: first.ID})
	d.expect(d.reserve(1, with), "Ended Reserved")
	d.wait(time.Hour)
	d.expect(d.reserve(1, with), "Held Reserved")
}

func TestReservationsGoWithTheirNumberIntoAPortfolio(t *testing.T) {
	shared := limitOf(5)
	shared.Subject = PortfolioKey("p")
	d := newDesk(t, limitOf(2), shared)
	d.reserve(1)
	d.apply(&Record{Portfolios: []Portfolio{{Name: "p", Numbers: []string{desked, "+2"}}}})
	d.holds(0)
	if got := d.Reserved(PortfolioKey("p"), d.now); got != 1 {
		t.Errorf("the portfolio holds %d, not 1", got)
	}
	d.reserve(2)
	d.reserve(3)
	d.apply(&Record{Portfolios: []Portfolio{{Name: "p"}}})
	d.holds(3)
	d.expect(d.reserve(4), "Refused LimitReached until 2 12:10:00")
}

func TestShadowGrantsEverythingAndTells(t *testing.T) {
	l := limitOf(1)
	l.Shadow = true
	d := newDesk(t, l)
	d.reserve(1)
	if got := d.reserve(2); got.State != Held || !got.Shadow || got.Why != "LimitReached" {
		t.Errorf("it is %+v", got)
	}
}

func reservationID(n uint32) (id ReservationID) {
	id[0], id[1], id[2] = byte(n), byte(n>>8), byte(n>>16)
	return id
}
