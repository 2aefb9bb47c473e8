package counts

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
)

// ReservationID identifies a reservation. Who proposes it draws it at random. The zero value is none.
type ReservationID [16]byte

// String is the id in hexadecimal digits.
func (id ReservationID) String() string { return hex.EncodeToString(id[:]) }

// ParseReservationID reads what String wrote; false for anything else.
func ParseReservationID(text string) (id ReservationID, ok bool) {
	if len(text) != 2*len(id) {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(text))
	return id, err == nil && id != ReservationID{}
}

// OperationKind says what an operation is about. It is stored.
type OperationKind uint8

// The kinds of operations.
const (
	// Reserve asks for a place of the limit for a user. It is granted or refused: see decide.
	Reserve OperationKind = iota + 1
	// Confirm says which message was sent under a reservation.
	Confirm
	// Release says that nothing was sent under a reservation, nor will be.
	Release
)

// Operation is something that a sender asks of the gate. Its Decision is made when its record is applied.
type Operation struct {
	Kind OperationKind
	ID   ReservationID

	// Of a Reserve only:
	Number   string // that is to send, by any of its names; empty where there is a Pool
	Pool     string // the name of the PoolSetting of which a number is to send; empty for none
	User     UserKey
	Template Template // the zero value for a message without a template, and where it is not known
	Free     bool     // a message that is no template, so that it can only be sent inside a service window
	Category Category // NoCategory stands for that of the template
	TTL      uint32   // seconds from log time in which the sender may begin to send, up to MostTTL
	Key      uint64   // a hash of who asks and of the idempotency key; zero for none
	// Without are numbers of the Pool, by their own names, that the sender cannot send from, and why; up to MostWithout. One that it can send
	// from again at an instant keeps the users who are bound to it: they wait.
	Without []MemberRefusal

	Message MessageKey // of a Confirm only
}

// Template is a template as senders name it. Each account has its own of that name.
type Template struct {
	Name, Language string
	// Account is Meta's id of the account for a number whose setting does not say its own; empty where it is not known.
	Account string
}

// In what time a sender may begin to send.
const (
	DefaultTTL = 10 * time.Minute // where a sender does not say
	MostTTL    = 24 * time.Hour   // the longest
)

// MostWithout is how many numbers of a pool a sender may pass over.
const MostWithout = 16

// UnknownFor is how long a reservation counts on of which it is not known whether its message was delivered.
const UnknownFor = 24 * time.Hour

// KeyKept is how long an idempotency key stands for its reservation.
const KeyKept = time.Hour

// Why an operation was decided as it was, besides the reasons of v1alpha1.RoomReason.
const (
	// InsideWindow: the user's customer service window is open, so nothing is counted.
	InsideWindow = "InsideWindow"
	// Unlimited: the number has no limit.
	Unlimited = "Unlimited"
	// AlreadyCounted: the user is counted already. The place is held all the same, for when the user would leave the window.
	AlreadyCounted = "AlreadyCounted"
	// AlreadyHeld: the place of the user is held already; the reservation holds it too.
	AlreadyHeld = "AlreadyHeld"
	// Reserved: a place that was free is held.
	Reserved = "Reserved"
	// Allowed: while nothing can be decided, the message is let through by its budget, or by the limit.
	Allowed = "Allowed"
	// Unavailable: nothing can be decided, since no record can be kept.
	Unavailable = "Unavailable"
	// Throttled: more messages of the number are under way than are kept account of.
	Throttled = "Throttled"
	// Unknown: there is no such reservation, or none any more.
	Unknown = "Unknown"
	// OtherMessage: the reservation was confirmed with another message.
	OtherMessage = "OtherMessage"
)

// ReservationState is where a reservation stands.
type ReservationState string

// The states.
const (
	Held      ReservationState = "Held"      // it holds the place of its user
	Free      ReservationState = "Free"      // it needs no place; AlreadyCounted holds one all the same
	Refused   ReservationState = "Refused"   // there is no reservation
	Confirmed ReservationState = "Confirmed" // its message was sent, and is neither delivered nor failed
	Ended     ReservationState = "Ended"     // by a delivery, a failure, a release, or time
	// Unreserved: there is no reservation, and the message may be sent all the same, since nothing can be decided. See View.Unreserved.
	Unreserved ReservationState = "Unreserved"
)

// Decision is what became of an operation.
type Decision struct {
	ID    ReservationID // of the reservation: of an earlier one where its Key stands for it
	State ReservationState
	// Why is one of the constants of this package, or a v1alpha1.RoomReason of what is refused.
	Why string
	// Shadow says that it was granted although it would have been refused: the limit is not enforced.
	Shadow bool
	// Number is the own name of the number; empty where there is no reservation of a Confirm or Release.
	Number string
	// Members says of a refusal of a pool why each of its numbers was not chosen, in the order in which they were tried.
	Members []MemberRefusal
	// Expires is until when the sender may begin to send, Unix seconds.
	Expires int64
	// Until is when what is refused may be granted at the earliest, Unix seconds; zero where that is not known.
	Until int64

	Room   LimitUse  // after the decision; zero for a Confirm or Release
	Budget BudgetUse // that the request falls under; without a name for none
}

// Granted says whether the sender may send.
func (d *Decision) Granted() bool { return d.State == Held || d.State == Free }

// LimitUse is how much of a limit is used and held at an instant.
type LimitUse struct {
	Limit int64 // zero for none
	// Used as the policy counts; Held are users whose place is held and who are not counted; Guaranteed is what is left of the
	// budgets' guarantees: neither used nor held.
	Used, Held, Guaranteed int64
}

// Left is what is left of a limit for those without a guarantee.
func (u LimitUse) Left() int64 { return max(0, u.Limit-u.Used-u.Held-u.Guaranteed) }

// BudgetUse is how much of a budget is used and held at an instant: users whose place in the limit was taken under it.
type BudgetUse struct {
	Name       string
	Used, Held int64
	Guaranteed int64
	Maximum    int64 // -1 for none
}

// Owed is what is left of the guarantee: neither used nor held.
func (u BudgetUse) Owed() int64 { return max(0, u.Guaranteed-u.Used-u.Held) }

var errOperation = errors.New("an operation is impossible")

// Validate returns ErrInvalid and says which field is not valid. It quotes no value.
func (o *Operation) Validate() error {
	invalid := func(field, problem string) error { return fmt.Errorf("%w: %s %s", ErrInvalid, field, problem) }
	switch {
	case o.ID == ReservationID{}:
		return invalid("ID", "is not known")
	case o.Kind == Confirm && o.Message == 0:
		return invalid("Message", "is not known")
	case o.Kind == Confirm || o.Kind == Release:
		return nil
	case o.Kind != Reserve:
		return invalid("Kind", "is not known")
	case (o.Number == "") == (o.Pool == "") || len(o.Number) > maxNumber || len(o.Pool) > maxName:
		return invalid("Number", "or Pool is empty or too long, or there are both")
	case o.User == 0:
		return invalid("User", "is not known")
	case len(o.Without) > MostWithout || o.Pool == "" && len(o.Without) > 0 || slices.ContainsFunc(o.Without, MemberRefusal.invalid):
		return invalid("Without", "has too many numbers, or one without a reason, or there is no Pool")
	case max(len(o.Template.Name), len(o.Template.Language), len(o.Template.Account)) > maxName:
		return invalid("Template", "is too long")
	case o.Template.Name == "" && o.Template != Template{}:
		return invalid("Template", "has no name")
	case !o.Category.valid():
		return invalid("Category", "is not known")
	case time.Duration(o.TTL)*time.Second > MostTTL:
		return invalid("TTL", "is too long")
	}
	return nil
}

// Of the byte of an operation's kind.
const (
	flagFree = 1 << 7
	flagPool = 1 << 6 // the name is a pool's
	// flagWithout: numbers of the pool follow that are passed over.
	flagWithout = 1 << 5

	operationFlags = flagFree | flagPool | flagWithout
)

func (o *Operation) appendRow(row []byte) []byte {
	kind := byte(o.Kind) | flag(o.Free, flagFree) | flag(o.Pool != "", flagPool) | flag(len(o.Without) > 0, flagWithout)
	row = append(append(row, kind), o.ID[:]...)
	switch o.Kind {
	case Reserve:
		row = codec.AppendString(row, o.Number+o.Pool)
		row = binary.LittleEndian.AppendUint64(row, uint64(o.User))
		row = append(o.Template.appendRow(row), byte(o.Category))
		row = binary.AppendUvarint(row, uint64(o.TTL))
		row = binary.AppendUvarint(row, o.Key)
		if len(o.Without) > 0 {
			row = binary.AppendUvarint(row, uint64(len(o.Without)))
			for i := range o.Without {
				row = o.Without[i].appendRow(row)
			}
		}
	case Confirm:
		row = binary.LittleEndian.AppendUint64(row, uint64(o.Message))
	case Release:
	}
	return row
}

func (r *reader) operation() (o Operation) {
	kind := r.Byte()
	o.Kind, o.Free = OperationKind(kind&^operationFlags), kind&flagFree != 0
	copy(o.ID[:], r.Bytes(uint64(len(o.ID))))
	switch o.Kind {
	case Reserve:
		name := &o.Number
		if kind&flagPool != 0 {
			name = &o.Pool
		}
		*name, o.User = r.String(), UserKey(r.Uint64())
		o.Template, o.Category = r.template(), Category(r.Byte())
		ttl := r.Uvarint()
		o.TTL, o.Key = uint32(min(ttl, 1<<32-1)), r.Uvarint()
		if kind&flagWithout != 0 {
			for range r.Count(3) {
				o.Without = append(o.Without, r.memberRefusal())
			}
		}
	case Confirm:
		o.Message = MessageKey(r.Uint64())
	case Release:
	}
	if r.Err() == nil && (o.Validate() != nil || o.Free && o.Kind != Reserve) {
		r.Fail(errOperation)
	}
	return o
}

func (t *Template) appendRow(row []byte) []byte {
	if row = codec.AppendString(row, t.Name); t.Name == "" {
		return row
	}
	return codec.AppendString(codec.AppendString(row, t.Language), t.Account)
}

func (r *reader) template() Template {
	t := Template{Name: r.String()}
	if t.Name != "" {
		t.Language, t.Account = r.String(), r.String()
	}
	return t
}
