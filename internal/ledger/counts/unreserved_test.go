package counts

import (
	"reflect"
	"sync"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// While nothing can be decided, a message inside a service window may be sent, and another one where its budget, or else the limit, lets it
// through and nothing that is known is against it. Whatever is answered, nothing is changed.
func TestWhatMayBeSentUnreserved(t *testing.T) {
	allowed := func(n int64, budgets ...BudgetSetting) LimitSetting {
		l := limitOf(n, budgets...)
		l.AllowUnreserved = true
		return l
	}
	logins := BudgetSetting{Name: "logins", Categories: []Category{Authentication}, Maximum: Amount{Set: true, N: 1}, AllowUnreserved: true}
	campaigns := BudgetSetting{Name: "campaigns", Categories: []Category{Marketing}}
	of := func(c Category) func(*Operation) { return func(o *Operation) { o.Category = c } }
	shadow := limitOf(0)
	shadow.Limit, shadow.Shadow, shadow.AllowUnreserved = 1, true, true
	restricted := allowed(5)
	restricted.Obstacle = Obstacle{Reason: v1alpha1.RoomAccountRestricted, Replies: true}
	full := func(d *desk) { d.reserve(9, of(Authentication)) }
	left := func(d *desk) {
		full(d)
		d.entry(Delivered, 9, 1)
		d.now = d.now.Add(24 * time.Hour)
	}
	leftHeld := func(d *desk) {
		full(d)
		d.entry(Delivered, 9, 1)
		full(d)
		d.now = d.now.Add(24 * time.Hour)
	}
	wrote := func(before time.Duration) func(d *desk) {
		return func(d *desk) {
			d.entry(Received, 1, 0)
			d.now = d.now.Add(before) // and no record tells of it
		}
	}
	for name, test := range map[string]struct {
		limit   LimitSetting
		before  func(*desk)
		request func(*Operation)
		want    string
	}{
		"a limit that says nothing":                {limitOf(5), nil, of(Utility), "Refused Unavailable"},
		"no limit that says nothing":               {limitOf(0), nil, of(Utility), "Refused Unavailable"},
		"a limit that lets through":                {allowed(5), nil, of(Utility), "Unreserved Allowed"},
		"one that is reached":                      {allowed(1), full, of(Utility), "Refused Unavailable"},
		"one that is reached and not enforced":     {shadow, full, of(Utility), "Unreserved Allowed"},
		"no limit":                                 {allowed(0), nil, of(Utility), "Unreserved Allowed"},
		"a budget that lets through":               {limitOf(5, logins), nil, of(Authentication), "Unreserved Allowed"},
		"one that is used up":                      {limitOf(5, logins), full, of(Authentication), "Refused Unavailable"},
		"one of which users have left the window":  {limitOf(5, logins), left, of(Authentication), "Unreserved Allowed"},
		"one whose users have left and are held":   {limitOf(5, logins), leftHeld, of(Authentication), "Refused Unavailable"},
		"outside of that budget":                   {limitOf(5, logins), nil, of(Utility), "Refused Unavailable"},
		"a budget that does not, of such a limit":  {allowed(5, campaigns), nil, of(Marketing), "Refused Unavailable"},
		"outside of that budget, of such a limit":  {allowed(5, campaigns), nil, of(Utility), "Unreserved Allowed"},
		"a reply inside a window":                  {limitOf(5), wrote(24*time.Hour - time.Second), of(Service), "Unreserved InsideWindow"},
		"a reply at the end of a window":           {allowed(5), wrote(24 * time.Hour), of(Service), "Refused Unavailable"},
		"a reply to who never wrote":               {allowed(5), nil, of(Service), "Refused Unavailable"},
		"a template in a window":                   {limitOf(5), wrote(24*time.Hour - 11*time.Minute), of(Marketing), "Unreserved InsideWindow"},
		"a template that may come after a window":  {limitOf(5), wrote(24*time.Hour - 9*time.Minute), of(Marketing), "Refused Unavailable"},
		"a reply of an account that is restricted": {restricted, wrote(time.Hour), of(Service), "Refused Unavailable"},
		"a number that nothing is known of":        {allowed(5), nil, func(o *Operation) { o.Number = "+1" }, "Refused Unavailable"},
		"a pool that nothing is known of":          {allowed(5), nil, func(o *Operation) { o.Number, o.Pool = "", "shop/none" }, "Refused Unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, test.limit)
			if test.before != nil {
				test.before(d)
			}
			was := d.snapshot(true)
			o := Operation{Kind: Reserve, ID: reservationID(99), Number: desked, User: 1, TTL: 600}
			test.request(&o)
			got := d.Unreserved(&o, d.now)
			d.expect(got, test.want)
			if got.State == Unreserved && (got.ID != o.ID || got.Number != desked || got.Expires != d.now.Unix()+600) {
				t.Errorf("it is %+v", got)
			}
			if !reflect.DeepEqual(d.snapshot(true), was) {
				t.Error("it changes what is known")
			}
		})
	}
}

// Of a pool the first number sends that may.
func TestAPoolSendsUnreservedByANumberThatMay(t *testing.T) {
	const other, third = "+15550100001", "+15550100002"
	d := newDesk(t, limitOf(5))
	allowed := limitOf(5)
	allowed.Subject, allowed.AllowUnreserved = other, true
	drained := allowed
	drained.Subject = third
	pool := PoolSetting{Name: "shop/all", Strategy: Weighted, Members: []PoolMember{{Number: "+1", Weight: 1}, {Number: third}, {Number: desked, Weight: 1}, {Number: other, Weight: 1}}}
	d.apply(&Record{Settings: Settings{Limits: []LimitSetting{allowed, drained}, Senders: []SenderSetting{
		{Number: other, Namespace: "shop"}, {Number: third, Namespace: "shop"},
	}, Pools: []PoolSetting{pool}}})
	for user := range UserKey(20) {
		o := Operation{Kind: Reserve, ID: reservationID(1), Pool: pool.Name, User: user + 1}
		if got := d.Unreserved(&o, d.now); got.State != Unreserved || got.Number != other {
			t.Fatalf("it is %+v", got)
		}
	}
	allowed.Shadow = true
	d.apply(&Record{Settings: Settings{Limits: []LimitSetting{allowed}}})
	passed := Operation{Kind: Reserve, ID: reservationID(1), Pool: pool.Name, User: 1, Without: []MemberRefusal{{Number: other, Why: "NotConfigured"}}}
	if got := d.Unreserved(&passed, d.now); got.Why != Unavailable {
		t.Errorf("where the sender passes that number over it is %+v", got)
	}
	d.entry(Received, 1, 0)
	o := Operation{Kind: Reserve, ID: reservationID(1), Pool: pool.Name, User: 1, Free: true}
	if got := d.Unreserved(&o, d.now); got.Why != InsideWindow || got.Number != desked {
		t.Errorf("to a user who wrote it is %+v", got)
	}
}

// It is asked beside records that change what it goes by, and beside those who read.
func TestWhatMayBeSentUnreservedIsAskedBesideRecords(t *testing.T) {
	l := limitOf(1000)
	l.Subject, l.AllowUnreserved = PortfolioKey("p"), true
	d := newDesk(t, l)
	d.apply(&Record{Portfolios: []Portfolio{{Name: "p", Numbers: []string{desked}}}})
	var asking sync.WaitGroup
	for n := range UserKey(2) {
		asking.Go(func() {
			for user := range UserKey(100) {
				o := Operation{Kind: Reserve, ID: reservationID(1), Number: desked, User: 2*user + n + 1, TTL: 60, Category: Utility}
				if got := d.Unreserved(&o, begin); got.State != Unreserved {
					t.Errorf("it is %+v", got)
				}
				d.Reserved(l.Subject, begin)
				d.Budgets(l.Subject, begin)
			}
		})
	}
	for user := range UserKey(100) {
		d.entry(Received, user+1, 0)
		d.entry(Delivered, user+50, MessageKey(user+1))
		d.reserve(user + 1)
	}
	asking.Wait()
}
