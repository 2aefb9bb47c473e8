package counts

import (
	"fmt"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// poolDesk asks for places of a pool of numbers that have their limits themselves.
type poolDesk struct{ *desk }

func member(i int) string { return fmt.Sprintf("+1555020%04d", i) }

func newPoolDesk(t *testing.T, limit int64, p PoolSetting) *poolDesk {
	t.Helper()
	d := &poolDesk{newDesk(t)}
	var s Settings
	for _, n := range p.Members {
		s.Senders = append(s.Senders, SenderSetting{Number: n.Number, Namespace: "shop"})
		s.Limits = append(s.Limits, LimitSetting{Subject: n.Number, Limit: limit, Measure: v1alpha1.MeasureUniqueUsers, Window: 24 * time.Hour})
	}
	p.Name = "shop/all"
	s.Pools = []PoolSetting{p}
	d.apply(&Record{Settings: s})
	return d
}

func members(n int) (all []PoolMember) {
	for i := range n {
		all = append(all, PoolMember{Number: member(i), Weight: 1})
	}
	return all
}

func (d *poolDesk) from(user UserKey, of ...func(*Operation)) Decision {
	return d.reserve(user, append([]func(*Operation){func(o *Operation) { o.Number, o.Pool = "", "shop/all" }}, of...)...)
}

func (d *poolDesk) set(s Settings) { d.apply(&Record{Settings: s}) }

// happen records something between a member and a user.
func (d *poolDesk) happen(number string, kind Kind, user UserKey, message MessageKey) {
	e := Entry{Number: number, Kind: kind, User: user, Message: message, At: d.now.Unix()}
	d.apply(&Record{Clock: d.now.UnixMilli(), Batch: Batch{Entries: []Entry{e}}})
}

// With one number added to four, at most a quarter of the users move, all of them to the new one, and none who was in conversation with a number
// within 30 days.
func TestAStickyPoolThatGrowsMovesFewAndNobodyInConversation(t *testing.T) {
	const users = 1000
	d := newPoolDesk(t, 10_000, PoolSetting{Strategy: Sticky, Members: members(4)})
	partner := map[UserKey]string{} // of those who are in conversation
	for user := UserKey(10); user <= users; user += 10 {
		partner[user] = member(int(user/10) % 4)
		d.happen(partner[user], []Kind{Received, Delivered}[user/10%2], user, MessageKey(user))
	}
	d.wait(25 * time.Hour) // the windows have closed
	sent := func() map[UserKey]string {
		by := map[UserKey]string{}
		for user := UserKey(1); user <= users; user++ {
			decision := d.from(user)
			by[user] = decision.Number
			d.operate(Operation{Kind: Release, ID: decision.ID})
			d.ids-- // of one that is free again
			d.wait(10 * time.Minute)
			if number, in := partner[user]; in && by[user] != number {
				t.Fatalf("user %d is in conversation with %s and is sent to by %s", user, number, by[user])
			}
		}
		return by
	}
	before := sent()
	d.set(Settings{
		Pools:   []PoolSetting{{Name: "shop/all", Members: members(5)}},
		Senders: []SenderSetting{{Number: member(4), Namespace: "shop"}},
		Limits:  []LimitSetting{{Subject: member(4), Limit: 10_000, Measure: v1alpha1.MeasureUniqueUsers, Window: 24 * time.Hour}},
	})
	moved := 0
	for user, number := range sent() {
		if number != before[user] {
			if moved++; number != member(4) {
				t.Fatalf("user %d went from %s to %s, which was there before", user, before[user], number)
			}
		}
	}
	if moved == 0 || moved > users/4 {
		t.Errorf("%d of %d users moved", moved, users)
	}
}

// Whatever the strategy, a number that becomes Restricted, Low, Blocked or Offline gets no further new user from the next reservation on.
func TestANumberThatCannotSendGetsNoFurtherUserFromTheNextReservationOn(t *testing.T) {
	stopped := func(reason v1alpha1.RoomReason) Settings {
		return Settings{Senders: []SenderSetting{{Number: member(0), Namespace: "shop", Quality: v1alpha1.QualityHigh, Obstacle: Obstacle{Reason: reason}}}}
	}
	for name, becomes := range map[string]Settings{
		"Restricted, as counted":       {Limits: []LimitSetting{{Subject: member(0), Limit: 1, Measure: v1alpha1.MeasureUniqueUsers, Window: 24 * time.Hour}}},
		"Restricted, as Meta reports":  stopped(v1alpha1.RoomLimitReached),
		"Restricted, with its account": stopped(v1alpha1.RoomAccountRestricted),
		"Low":                          {Senders: []SenderSetting{{Number: member(0), Namespace: "shop", Quality: v1alpha1.QualityLow}}},
		"Blocked":                      stopped(v1alpha1.RoomBlocked),
		"Offline":                      stopped(v1alpha1.RoomOffline),
	} {
		for strategy := range Strategy(strategies) {
			d := newPoolDesk(t, 1000, PoolSetting{Strategy: strategy, MinimumQuality: v1alpha1.QualityMedium, Members: members(3)})
			for _, n := range members(3) {
				d.set(Settings{Senders: []SenderSetting{{Number: n.Number, Namespace: "shop", Quality: v1alpha1.QualityHigh}}})
			}
			sent := map[string]int{}
			for user := UserKey(1); user <= 60; user++ {
				if user == 31 {
					if sent[member(0)] == 0 {
						t.Errorf("%s: before, strategy %d never chooses the number", name, strategy)
					}
					clear(sent)
					d.set(becomes)
				}
				got := d.from(user)
				if d.expect(got, "Held Reserved"); got.Granted() {
					sent[got.Number]++
				}
			}
			if sent[member(0)] != 0 || sent[member(1)] == 0 || sent[member(2)] == 0 {
				t.Errorf("%s: strategy %d sends to new users by %v", name, strategy, sent)
			}
		}
	}
}

func TestAPoolGoesOnWithTheNextNumberAndSaysWhyNoneMaySend(t *testing.T) {
	d := newPoolDesk(t, 1, PoolSetting{Strategy: Sticky, Members: members(3)})
	seen := map[string]bool{}
	for user := UserKey(1); user <= 3; user++ {
		decision := d.from(user)
		d.expect(decision, "Held Reserved")
		seen[decision.Number] = true
	}
	if len(seen) != 3 {
		t.Errorf("of three numbers that have room for one, %d send", len(seen))
	}
	d.set(Settings{Senders: []SenderSetting{{Number: member(0), Namespace: "shop", Obstacle: Obstacle{Reason: v1alpha1.RoomBlocked, Replies: true}}}})
	refused := d.from(4)
	d.expect(refused, "Refused LimitReached until 2 12:10:00")
	why := map[string]string{}
	for _, m := range refused.Members {
		why[m.Number] = m.Why
	}
	if len(why) != 3 || why[member(0)] != "Blocked" || why[member(1)] != "LimitReached" || why[member(2)] != "LimitReached" {
		t.Errorf("it is refused for %v", why)
	}
	d.expect(d.reserve(5, func(o *Operation) { o.Number, o.Pool = "", "shop/none" }), "Refused NotReady")
}

func TestAUserIsSentToByTheNumberThatAlreadyHasAReservation(t *testing.T) {
	d := newPoolDesk(t, 100, PoolSetting{Strategy: Sticky, Members: members(4)})
	for user := UserKey(1); user <= 50; user++ {
		first := d.from(user)
		d.set(Settings{Pools: []PoolSetting{{Name: "shop/all", Members: members(4 + int(user%2))}}})
		if again := d.from(user); again.Number != first.Number {
			t.Fatalf("user %d is sent to by %s and by %s", user, first.Number, again.Number)
		}
	}
}

func TestANumberThatIsRatedTooLowTakesUsersInsideWindowsOnly(t *testing.T) {
	d := newPoolDesk(t, 100, PoolSetting{Strategy: Sticky, MinimumQuality: v1alpha1.QualityMedium, Members: members(2)})
	d.set(Settings{Senders: []SenderSetting{
		{Number: member(0), Namespace: "shop", Quality: v1alpha1.QualityLow}, {Number: member(1), Namespace: "shop", Quality: v1alpha1.QualityUnknown},
	}})
	d.happen(member(0), Received, 1, 0)
	if in := d.from(1); in.Number != member(0) || in.Why != InsideWindow {
		t.Errorf("inside the window it is %+v", in)
	}
	for user := UserKey(2); user < 30; user++ {
		if other := d.from(user); other.Number != member(1) {
			t.Fatalf("a new user is sent to by %s", other.Number)
		}
	}
}

func TestLeastUsedKeepsTheMembersAlike(t *testing.T) {
	d := newPoolDesk(t, 40, PoolSetting{Strategy: LeastUsed, Members: members(3)})
	d.set(Settings{Limits: []LimitSetting{{Subject: member(1), Limit: 120, Measure: v1alpha1.MeasureUniqueUsers, Window: 24 * time.Hour}}})
	for user := UserKey(1); user <= 100; user++ {
		d.happen(d.from(user).Number, Delivered, user, MessageKey(user))
	}
	least, most := 100.0, 0.0
	for i, limit := range []float64{40, 120, 40} {
		used := float64(d.Count(member(i), v1alpha1.MeasureUniqueUsers, d.now.Add(-24*time.Hour), d.now)) / limit
		least, most = min(least, used), max(most, used)
	}
	if most-least > 0.05 {
		t.Errorf("of the limits %.2f to %.2f are used", least, most)
	}
}

func TestWeightsShareOutUsers(t *testing.T) {
	all := members(3)
	all[0].Weight, all[1].Weight, all[2].Weight = 0, 1, 3
	d := newPoolDesk(t, 10_000, PoolSetting{Strategy: Weighted, Members: all})
	sent := map[string]int{}
	for user := UserKey(1); user <= 200; user++ {
		sent[d.from(user).Number]++
	}
	if n := sent[member(2)]; sent[member(0)] != 0 || n < 130 || n > 170 {
		t.Errorf("by weights of 0, 1 and 3 the numbers send %v", sent)
	}
}

func TestANumberOfWhichTooLittleIsKnownIsNamedInARefusal(t *testing.T) {
	d := newPoolDesk(t, 1, PoolSetting{Members: members(1)})
	d.set(Settings{Pools: []PoolSetting{{Name: "shop/all", Members: members(2)}}})
	d.expect(d.from(1), "Held Reserved")
	refused := d.from(2)
	if len(refused.Members) != 2 || refused.Members[0].Why != "LimitReached" || refused.Members[1] != (MemberRefusal{Number: member(1), Why: "NotReady"}) {
		t.Errorf("it is refused for %+v", refused.Members)
	}
}

// A sender passes over numbers that it cannot send from. Who is in conversation with one that it can send from again soon waits for it; all
// others are sent to by another number, and so is who is in conversation with one that it cannot send from at all.
func TestASenderPassesOverNumbersOfAPool(t *testing.T) {
	d := newPoolDesk(t, 100, PoolSetting{Strategy: Sticky, Members: members(2)})
	soon := d.now.Add(10 * time.Second).Unix()
	without := func(why string, until int64, numbers ...int) func(*Operation) {
		return func(o *Operation) {
			for _, n := range numbers {
				o.Without = append(o.Without, MemberRefusal{Number: member(n), Why: why, Until: until})
			}
		}
	}
	for user := UserKey(1); user <= 10; user++ {
		if got := d.from(user, without(Throttled, soon, 0)); got.Number != member(1) || !got.Granted() {
			t.Fatalf("user %d is sent to by %s: %s", user, got.Number, got.Why)
		}
		// Who has a reservation of a number is bound to it.
		if got := d.from(user, without(Throttled, soon, 1)); got.Why != Throttled || got.Until != soon || len(got.Members) != 0 {
			t.Fatalf("user %d does not wait for its number: %+v", user, got)
		}
	}
	d.happen(member(0), Received, 11, 0)
	d.expect(d.from(11, without(Throttled, soon, 0)), "Refused Throttled until "+d.now.Add(10*time.Second).Format("2 15:04:05"))
	if got := d.from(11, without("NotConfigured", 0, 0)); got.Number != member(1) || !got.Granted() {
		t.Errorf("it is %+v", got)
	}
	refused := d.from(12, without("NotConfigured", 0, 0), without(Throttled, soon, 1))
	if refused.Why != Throttled || refused.Until != soon || len(refused.Members) != 2 {
		t.Errorf("where all are passed over it is %+v", refused)
	}
	d.set(Settings{Senders: []SenderSetting{{Number: member(0), Namespace: "shop", Obstacle: Obstacle{Reason: v1alpha1.RoomBlocked, Replies: true}}}})
	if got := d.from(11, without(Throttled, soon, 0)); got.Number != member(1) || !got.Granted() {
		t.Errorf("who is in conversation with a number that cannot send waits for it: %+v", got)
	}
}

// A limit that is not enforced does not keep the pool from sending by a number that may send.
func TestANumberWhoseLimitIsNotEnforcedSendsWhereNoOtherMay(t *testing.T) {
	d := newPoolDesk(t, 1, PoolSetting{Members: members(2)})
	d.set(Settings{Limits: []LimitSetting{{Subject: member(0), Limit: 1, Measure: v1alpha1.MeasureUniqueUsers, Window: 24 * time.Hour, Shadow: true}}})
	for user := UserKey(1); user <= 2; user++ {
		if got := d.from(user); got.Shadow {
			t.Errorf("user %d is sent to although %s", user, got.Why)
		}
	}
	if got := d.from(3); !got.Shadow || got.Number != member(0) || got.Why != string(v1alpha1.RoomLimitReached) {
		t.Errorf("it is %+v", got)
	}
}

// Two accounts have a template of one name, of which one is paused: the number of the other account sends.
func TestEachNumberSendsTheTemplateOfItsAccount(t *testing.T) {
	d := newPoolDesk(t, 10, PoolSetting{Members: members(2)})
	name := func(account string) string {
		return TemplateName("shop", report.TemplateSubject(account, "sale", "en_US").String())
	}
	d.set(Settings{
		Senders: []SenderSetting{{Number: member(0), Namespace: "shop", Account: "1"}, {Number: member(1), Namespace: "shop", Account: "2"}},
		Templates: []TemplateSetting{
			{Name: name("1"), Category: Marketing, Obstacle: Obstacle{Reason: v1alpha1.RoomTemplatePaused}}, {Name: name("2"), Category: Marketing},
		},
	})
	sale := func(o *Operation) { o.Template = Template{Name: "sale", Language: "en-US", Account: "1"} }
	for user := UserKey(1); user <= 10; user++ {
		if got := d.from(user, sale); got.Number != member(1) {
			t.Fatalf("user %d is sent to by %s: %s", user, got.Number, got.Why)
		}
	}
	d.set(Settings{Senders: []SenderSetting{{Number: member(1), Namespace: "shop"}}}) // which does not say its account
	d.expect(d.from(11, sale), "Refused TemplatePaused")
}

// A number that another namespace serves does not send for the pool, though the pool names it.
func TestOnlyNumbersOfItsNamespaceSendForAPool(t *testing.T) {
	d := newPoolDesk(t, 100, PoolSetting{Members: members(2)})
	d.set(Settings{Senders: []SenderSetting{{Number: member(0), Namespace: "sho"}}})
	for user := UserKey(1); user < 30; user++ {
		if got := d.from(user); got.Number != member(1) {
			t.Fatalf("user %d is sent to by %s", user, got.Number)
		}
	}
}

func TestAPoolServesItsCategories(t *testing.T) {
	d := newPoolDesk(t, 10, PoolSetting{Categories: []Category{Utility}, Members: members(1)})
	d.expect(d.from(1, func(o *Operation) { o.Category = Marketing }), "Refused CategoryNotServed")
	d.expect(d.from(1, func(o *Operation) { o.Category = Utility }), "Held Reserved")
}
