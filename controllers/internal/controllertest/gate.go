package controllertest

import (
	"encoding/binary"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Reserve asks for places of n users who had none before, each for ten minutes, and returns what was decided.
func (b *Bench) Reserve(number *v1alpha1.PhoneNumber, n int, change ...func(*counts.Operation)) []counts.Decision {
	b.T.Helper()
	var operations []counts.Operation
	for range n {
		b.Message++
		o := counts.Operation{Kind: counts.Reserve, Number: number.Spec.PhoneNumber, User: counts.UserKey(b.Message), Category: counts.Marketing, TTL: uint32(10 * time.Minute / time.Second)}
		binary.BigEndian.PutUint64(o.ID[:], uint64(b.Message))
		for _, c := range change {
			c(&o)
		}
		operations = append(operations, o)
	}
	decisions, err := b.Ledger.Operate(b.Ctx, operations, b.FakeClock.Now())
	b.Must(err)
	return decisions
}

// Why asks for one place, gives it back, and returns why it was granted or refused.
func (b *Bench) Why(number *v1alpha1.PhoneNumber, change ...func(*counts.Operation)) string {
	b.T.Helper()
	d := b.Reserve(number, 1, change...)
	b.Release(d)
	return d[0].Why
}

// Release gives back what was granted.
func (b *Bench) Release(decisions []counts.Decision) {
	b.T.Helper()
	var operations []counts.Operation
	for _, d := range decisions {
		if d.Granted() {
			operations = append(operations, counts.Operation{Kind: counts.Release, ID: d.ID})
		}
	}
	_, err := b.Ledger.Operate(b.Ctx, operations, b.FakeClock.Now())
	b.Must(err)
}

// Granted is how many of some decisions grant something.
func Granted(decisions []counts.Decision) (n int) {
	for _, d := range decisions {
		if d.Granted() {
			n++
		}
	}
	return n
}

// DeliverTo records that the message of a reservation of Reserve was delivered.
func (b *Bench) DeliverTo(number string, id counts.ReservationID) {
	b.T.Helper()
	now, user := b.FakeClock.Now(), binary.BigEndian.Uint64(id[:])
	_, err := b.Ledger.Append(b.Ctx, counts.Batch{Entries: []counts.Entry{{Number: number, Kind: counts.Delivered,
		User: counts.UserKey(user), Message: counts.MessageKey(user), At: now.Unix()}}}, now)
	b.Must(err)
}

// ExpectFit fails unless the condition BudgetsFit has a reason and a sentence; without a reason it must not be there.
func (b *Bench) ExpectFit(conditions []metav1.Condition, reason, sentence string) {
	b.T.Helper()
	c := meta.FindStatusCondition(conditions, v1alpha1.ConditionBudgetsFit)
	if (c == nil) != (reason == "") || c != nil && (c.Reason != reason || !strings.Contains(c.Message, sentence)) {
		b.T.Errorf("the condition is %+v, not %s: %s", c, reason, sentence)
	}
}
