package counts

import (
	"encoding/binary"
	"errors"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/codec"
)

func (s *Settings) appendRow(row []byte) []byte {
	row = binary.AppendUvarint(row, uint64(len(s.Limits)))
	for i := range s.Limits {
		row = s.Limits[i].appendRow(row)
	}
	row = binary.AppendUvarint(row, uint64(len(s.Senders)))
	for i := range s.Senders {
		row = s.Senders[i].appendRow(row)
	}
	row = binary.AppendUvarint(row, uint64(len(s.Templates)))
	for i := range s.Templates {
		row = s.Templates[i].appendRow(row)
	}
	row = binary.AppendUvarint(row, uint64(len(s.Pools)))
	for i := range s.Pools {
		row = s.Pools[i].appendRow(row)
	}
	return row
}

func (r *reader) settings() (s Settings) {
	for range r.Count(2) {
		s.Limits = append(s.Limits, r.limitSetting())
	}
	for range r.Count(2) {
		s.Senders = append(s.Senders, r.senderSetting())
	}
	for range r.Count(2) {
		s.Templates = append(s.Templates, r.templateSetting())
	}
	for range r.Count(2) {
		s.Pools = append(s.Pools, r.poolSetting())
	}
	if r.Err() == nil {
		r.check(s.Validate())
	}
	return s
}

// Flags of a setting.
const (
	flagRemoved = 1 << iota
	flagConversations
	flagRelease
	flagShadow
	flagObstacle
	flagReplies
	flagUnreserved // what is let through unreserved follows
)

func flag(set bool, flag byte) byte {
	if set {
		return flag
	}
	return 0
}

func (o *Obstacle) flags() byte {
	return flag(o.Reason != "", flagObstacle) | flag(o.Replies, flagReplies)
}

func (o *Obstacle) appendRow(row []byte) []byte {
	if o.Reason == "" {
		return row
	}
	return binary.AppendVarint(codec.AppendString(row, string(o.Reason)), o.Until)
}

func (r *reader) obstacle(flags byte) (o Obstacle) {
	if flags&flagObstacle != 0 {
		o = Obstacle{Reason: v1alpha1.RoomReason(r.String()), Until: r.Varint(), Replies: flags&flagReplies != 0}
	}
	return o
}

func (l *LimitSetting) appendRow(row []byte) []byte {
	unreserved := l.unreserved()
	flags := flag(l.Removed, flagRemoved) | flag(l.Measure == v1alpha1.MeasureConversations, flagConversations) |
		flag(l.ReleaseUnconfirmed, flagRelease) | flag(l.Shadow, flagShadow) | flag(unreserved != 0, flagUnreserved) | l.Obstacle.flags()
	row = append(codec.AppendString(row, l.Subject), flags)
	if l.Removed {
		return row
	}
	row = binary.AppendUvarint(row, uint64(l.Limit))
	row = binary.AppendUvarint(row, uint64(l.Window/time.Second))
	row = l.Obstacle.appendRow(row)
	row = binary.AppendUvarint(row, uint64(len(l.Budgets)))
	for i := range l.Budgets {
		row = l.Budgets[i].appendRow(row)
	}
	if unreserved != 0 {
		row = binary.AppendUvarint(row, unreserved)
	}
	return row
}

// unreserved are the parts of a limit whose messages are let through unreserved: bit 0 is what falls under no budget, and bit n the nth budget.
func (l *LimitSetting) unreserved() (parts uint64) {
	if l.AllowUnreserved {
		parts = 1
	}
	for i := range l.Budgets {
		if l.Budgets[i].AllowUnreserved {
			parts |= 2 << i
		}
	}
	return parts
}

func (r *reader) limitSetting() LimitSetting {
	l := LimitSetting{Subject: r.String()}
	flags := r.Byte()
	if l.Removed = flags&flagRemoved != 0; l.Removed {
		return l
	}
	l.Measure = v1alpha1.MeasureUniqueUsers
	if flags&flagConversations != 0 {
		l.Measure = v1alpha1.MeasureConversations
	}
	l.ReleaseUnconfirmed, l.Shadow = flags&flagRelease != 0, flags&flagShadow != 0
	l.Limit = int64(r.Uvarint())
	l.Window = time.Duration(min(r.Uvarint(), uint64(longest/time.Second)+1)) * time.Second
	l.Obstacle = r.obstacle(flags)
	for range r.Count(5) {
		l.Budgets = append(l.Budgets, r.budgetSetting())
	}
	if flags&flagUnreserved != 0 {
		parts := r.Uvarint()
		l.AllowUnreserved = parts&1 != 0
		for i := range l.Budgets {
			l.Budgets[i].AllowUnreserved = parts&(2<<i) != 0
		}
	}
	return l
}

func (b *BudgetSetting) appendRow(row []byte) []byte {
	row = codec.AppendString(row, b.Name)
	row = binary.AppendUvarint(row, uint64(len(b.Namespaces)))
	for _, namespace := range b.Namespaces {
		row = codec.AppendString(row, namespace)
	}
	row = appendCategories(row, b.Categories)
	return b.Maximum.appendRow(b.Guaranteed.appendRow(row))
}

func (r *reader) budgetSetting() BudgetSetting {
	b := BudgetSetting{Name: r.String()}
	for range r.Count(1) {
		b.Namespaces = append(b.Namespaces, r.String())
	}
	b.Categories = r.categories()
	b.Guaranteed, b.Maximum = r.amount(), r.amount()
	return b
}

// The kinds of amounts in rows.
const (
	noAmount = iota
	usersAmount
	percentAmount
)

func (a Amount) appendRow(row []byte) []byte {
	switch {
	case !a.Set:
		return append(row, noAmount)
	case a.Percent:
		row = append(row, percentAmount)
	default:
		row = append(row, usersAmount)
	}
	return binary.AppendUvarint(row, uint64(a.N))
}

func (r *reader) amount() Amount {
	switch r.Byte() {
	case noAmount:
		return Amount{}
	case usersAmount:
		return Amount{Set: true, N: int64(r.Uvarint())}
	case percentAmount:
		return Amount{Set: true, N: int64(r.Uvarint()), Percent: true}
	default:
		r.Fail(errors.New("an amount is of no kind"))
		return Amount{}
	}
}

func (n *SenderSetting) appendRow(row []byte) []byte {
	row = append(codec.AppendString(row, n.Number), flag(n.Removed, flagRemoved)|n.Obstacle.flags())
	if n.Removed {
		return row
	}
	for _, text := range []string{n.Namespace, n.Account, string(n.Quality)} {
		row = codec.AppendString(row, text)
	}
	return n.Obstacle.appendRow(row)
}

func (r *reader) senderSetting() SenderSetting {
	n := SenderSetting{Number: r.String()}
	flags := r.Byte()
	if n.Removed = flags&flagRemoved != 0; !n.Removed {
		n.Namespace, n.Account, n.Quality = r.String(), r.String(), v1alpha1.QualityRating(r.String())
		n.Obstacle = r.obstacle(flags)
	}
	return n
}

func (t *TemplateSetting) appendRow(row []byte) []byte {
	row = append(codec.AppendString(row, t.Name), flag(t.Removed, flagRemoved)|t.Obstacle.flags())
	if t.Removed {
		return row
	}
	return t.Obstacle.appendRow(append(row, byte(t.Category)))
}

func (r *reader) templateSetting() TemplateSetting {
	t := TemplateSetting{Name: r.String()}
	flags := r.Byte()
	if t.Removed = flags&flagRemoved != 0; !t.Removed {
		t.Category, t.Obstacle = Category(r.Byte()), r.obstacle(flags)
	}
	return t
}
