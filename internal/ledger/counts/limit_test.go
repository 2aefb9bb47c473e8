package counts

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestAMaximumBoundsABudgetOfNoLimit(t *testing.T) {
	d := newDesk(t, limitOf(0, BudgetSetting{Name: "ads", Categories: []Category{Marketing}, Maximum: Amount{Set: true, N: 1}}))
	ad := func(o *Operation) { o.Category = Marketing }
	d.expect(d.reserve(1, ad), "Held Reserved")
	d.expect(d.reserve(2, ad), "Refused BudgetReached until 2 12:10:00")
	d.expect(d.reserve(2), "Free Unlimited")
	d.entry(Delivered, 1, 1)
	d.expect(d.reserve(1, ad), "Free AlreadyCounted")
	d.expect(d.reserve(2, ad), "Refused BudgetReached until 2 12:10:00")
}

// When a place of a budget may be free is known, however many others may be free at the same moment.
func TestManyPlacesOfABudgetMayBeFreeAtOnce(t *testing.T) {
	const many = mostSearched + 1
	d := newDesk(t, limitOf(0, BudgetSetting{Name: "ads", Categories: []Category{Marketing}, Maximum: Amount{Set: true, N: many}}))
	r := &Record{Clock: d.now.UnixMilli()}
	for user := range UserKey(many) {
		d.ids++
		r.Operations = append(r.Operations, Operation{Kind: Reserve, ID: reservationID(d.ids), Number: desked, User: user + 1, Category: Marketing, TTL: 600})
	}
	d.apply(r)
	d.expect(d.reserve(many+1, func(o *Operation) { o.Category = Marketing }), "Refused BudgetReached until 2 12:10:00")
}

// When a place of a budget may be free is known if few places may be free before, and not known else, to a restored machine as well.
func TestAPlaceOfABudgetIsLookedForInOrder(t *testing.T) {
	ads := BudgetSetting{Name: "ads", Categories: []Category{Marketing}, Maximum: Amount{Set: true, N: 1}}
	others := BudgetSetting{Name: "others", Maximum: Amount{Set: true, N: 10 * mostSearched}}
	ad := func(ttl uint32) func(*Operation) { return func(o *Operation) { o.Category, o.TTL = Marketing, ttl } }
	for ttl, want := range map[uint32]string{mostSearched / 2: "Refused BudgetReached until 2 12:08:20", 2 * mostSearched: "Refused BudgetReached"} {
		d := newDesk(t, limitOf(0, ads, others))
		d.reserve(1, ad(ttl))
		r := &Record{Clock: d.now.UnixMilli()}
		for i := range uint32(2 * mostSearched) {
			r.Operations = append(r.Operations, Operation{
				Kind: Reserve, ID: reservationID(i + 1000), Number: desked, User: UserKey(i) + 1000, Category: Utility, TTL: 1 + 7919*i%(2*mostSearched),
			})
		}
		d.apply(r)
		again := d.restored(t)
		ask := Operation{Kind: Reserve, ID: reservationID(2), Number: desked, User: 2, Category: Marketing, TTL: 600}
		d.expect(d.operate(ask), want)
		d.expect(applyOne(again, &Record{Clock: d.now.UnixMilli(), Operations: []Operation{ask}}).Decisions[0], want)
	}
}

// Which of two reservations ends that were confirmed with one message does not depend on what a restored machine has forgotten.
func TestARestoredMachineEndsTheSameReservation(t *testing.T) {
	ids := []ReservationID{reservationID(1), reservationID(2)}
	for range 2 {
		slices.Reverse(ids)
		d := newDesk(t, limitOf(5))
		for _, id := range ids {
			d.operate(Operation{Kind: Reserve, ID: id, Number: desked, User: 1, TTL: 600})
		}
		for _, id := range ids {
			d.operate(Operation{Kind: Confirm, ID: id, Message: 7})
		}
		again := d.restored(t)
		delivered := &Record{Clock: d.now.UnixMilli(), Batch: Batch{Entries: []Entry{{Number: desked, Kind: Delivered, User: 1, Message: 7, At: d.now.Unix()}}}}
		d.apply(delivered)
		applyOne(again, delivered)
		for _, id := range ids {
			if got, _ := again.Reservation(id); got != must(d.Reservation(id)) {
				t.Errorf("restored it is %+v, not %+v", got, must(d.Reservation(id)))
			}
		}
	}
}

func must(r Reservation, _ bool) Reservation { return r }

// What a number can have under way is bounded, also where nothing is refused otherwise.
func TestReservationsOfANumberAreBounded(t *testing.T) {
	shadow := limitOf(5)
	shadow.Shadow = true
	d := newDesk(t, shadow)
	for user := range UserKey(3) {
		d.reserve(user + 1)
	}
	s := d.numbers[desked]
	if s.reserved != 3 || d.restored(t).numbers[desked].reserved != 3 {
		t.Errorf("%d are known, want 3", s.reserved)
	}
	s.reserved += mostReservations - 3
	d.expect(d.reserve(4), "Refused Throttled")
	d.wait(49 * time.Hour)
	d.expect(d.reserve(4), "Held Reserved")
	if s.reserved != mostReservations-2 {
		t.Errorf("%d are known that are forgotten", s.reserved-mostReservations+3)
	}
}

// A user whom two numbers held has a place of each when they part, each under a budget of the number's own.
func TestAPlaceOfTwoNumbersIsOfEachWhenTheyPart(t *testing.T) {
	d := newDesk(t)
	const other = "+15550100009"
	limit := func(subject string) LimitSetting {
		l := limitOf(10, BudgetSetting{Name: "shop", Namespaces: []string{"shop"}}, BudgetSetting{Name: "bank", Namespaces: []string{"bank"}})
		l.Subject = subject
		return l
	}
	d.apply(&Record{
		Portfolios: []Portfolio{{"p", []string{desked, other}}},
		Settings:   Settings{Limits: []LimitSetting{limit(PortfolioKey("p"))}, Senders: []SenderSetting{{Number: other, Namespace: "bank"}}},
	})
	d.reserve(1)
	d.expect(d.reserve(1, func(o *Operation) { o.Number = other }), "Held AlreadyHeld")
	d.apply(&Record{Portfolios: []Portfolio{{"p", []string{desked}}}, Settings: Settings{Limits: []LimitSetting{limit(other)}}})
	for subject, want := range map[string][]int64{PortfolioKey("p"): {1, 0}, other: {0, 1}} {
		budgets := d.Budgets(subject, d.now)
		if got := []int64{budgets[0].Held, budgets[1].Held}; !slices.Equal(got, want) {
			t.Errorf("the budgets of %s hold %d, want %d", subject, got, want)
		}
	}
	if d.NumberReserved(desked, d.now) != 1 || d.NumberReserved(other, d.now) != 1 {
		t.Error("a number has not what it holds")
	}
}

// What is held can be asked while numbers come to portfolios and leave them.
func TestWhatIsHeldCanBeAskedMeanwhile(t *testing.T) {
	shared := limitOf(100, BudgetSetting{Name: "all"})
	shared.Subject = PortfolioKey("p")
	d := newDesk(t, limitOf(100), shared)
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for range 100 {
				d.NumberReserved(desked, d.now)
				d.Reserved(d.LimitOwner(desked), d.now)
				d.Budgets(shared.Subject, d.now)
				d.Holds(shared.Subject, d.now)
				d.Changes(d.Settings(), "")
				d.Reservation(reservationID(1))
				d.EndsBy(d.now)
			}
		})
	}
	for i := range 100 {
		d.apply(&Record{Portfolios: []Portfolio{{"p", [][]string{{desked}, nil}[i%2]}}, Claims: []Claim{{ID: fmt.Sprint(i), Number: desked}}})
		d.reserve(UserKey(i + 1))
	}
	readers.Wait()
	d.holds(100)
}
