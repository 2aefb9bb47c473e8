package counts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
	"numberfleet.dev/numberfleet/internal/report"
)

// Record is what one caller asks the log to keep. Whatever changes a Machine is a record.
type Record struct {
	// Clock is what the clock of who proposed the record showed, Unix milliseconds; zero in what tells of no time.
	Clock int64
	Batch
	Windows    []NumberWindows
	Portfolios []Portfolio
	Claims     []Claim
	Settings
	Operations []Operation

	links []link // names that rows of version 1 gave to numbers
}

// NumberWindows sets the windows of a number. What was counted under others is counted anew.
type NumberWindows struct {
	Number string
	Windows
}

// Portfolio sets the numbers of a portfolio. It replaces those that it had; without numbers it removes the portfolio. A number is
// in one portfolio at most: this one takes it from another.
//
// A portfolio is a subject (see PortfolioKey) in which a user of several numbers is one user, and conversations are had with all
// numbers together. Its windows are those of its first number, in order.
type Portfolio struct {
	Name    string
	Numbers []string
}

// Claim says that an id of Meta's belongs to a number in E.164, as a resource has it. The number takes over what was recorded
// under the id alone, or under a form of the number that Meta displayed with the id, and gets all that comes under either from
// then on. A number that cannot be the same one (see identity.SameLine) keeps its own.
type Claim struct {
	ID, Number string
}

// Validate returns ErrInvalid if the windows are not whole seconds from zero to Kept, or belong to no number.
func (w NumberWindows) Validate() error {
	if w.Number == "" || len(w.Number) > maxNumber {
		return fmt.Errorf("%w: a number of %d bytes", ErrInvalid, len(w.Number))
	}
	for _, d := range [...]time.Duration{w.Service, w.Conversation} {
		if d < 0 || d > longest || d%time.Second != 0 {
			return fmt.Errorf("%w: a window of %s is not whole seconds from 0 to %s", ErrInvalid, d, longest)
		}
	}
	return nil
}

// Validate returns ErrInvalid if a number is empty or too long.
func (p Portfolio) Validate() error {
	for _, number := range p.Numbers {
		if number == "" || len(number) > maxNumber {
			return fmt.Errorf("%w: a number of %d bytes", ErrInvalid, len(number))
		}
	}
	return nil
}

// PortfolioKey is the subject under which a View answers for a portfolio.
func PortfolioKey(name string) string { return portfolioPrefix + name }

const portfolioPrefix = "group/"

// Display says how Meta displays the number of an id.
type Display struct {
	ID     string // that Meta gave to the number
	Number string // E.164, with the leading plus
}

// leastEntry is the size of the smallest entry: flags, a number, a user and a time.
const leastEntry = 1 + 1 + 8 + 1

const (
	flagAlias    = 1 << 7
	flagMessage  = 1 << 6
	flagReply    = 1 << 5
	flagChat     = 1 << 4
	flagCategory = 1 << 3
	kindMask     = flagCategory - 1
)

// numberTable has the numbers of a row, which are written once.
type numberTable struct {
	numbers []string
	index   map[string]int
}

func (t *numberTable) intern(number string) int {
	if n := len(t.numbers); n > 0 && t.numbers[n-1] == number {
		return n - 1
	}
	i, found := t.index[number]
	if !found {
		i = len(t.numbers)
		t.index[number] = i
		t.numbers = append(t.numbers, number)
	}
	return i
}

// add adds the numbers of a record.
func (t *numberTable) add(rec *Record) {
	for i := range rec.Entries {
		t.intern(rec.Entries[i].Number)
	}
	for i := range rec.Reports {
		t.intern(rec.Reports[i].Subject.String())
	}
}

const (
	flagControl    = 1 << 0 // windows, portfolios, claims and displays follow the reports
	flagSettings   = 1 << 1 // then settings
	flagOperations = 1 << 2 // then operations
)

// appendRow appends what a record is of to the row of its round. Times are written as differences: an entry of a large batch takes about 20 bytes.
func (rec *Record) appendRow(row []byte, t *numberTable) []byte {
	row = append(row, flag(rec.hasFew(), flagControl)|flag(!rec.Settings.Empty(), flagSettings)|flag(len(rec.Operations) > 0, flagOperations))
	row = binary.AppendVarint(row, rec.Clock)
	row = binary.AppendUvarint(row, uint64(len(rec.Entries)))
	var at int64
	for i := range rec.Entries {
		row = rec.Entries[i].appendRow(row, t, at)
		at = rec.Entries[i].At
	}
	row = binary.AppendUvarint(row, uint64(len(rec.Reports)))
	for _, r := range rec.Reports {
		row = binary.AppendUvarint(row, uint64(t.intern(r.Subject.String())))
		row = appendReport(row, r)
	}
	if rec.hasFew() {
		row = rec.appendControl(row)
	}
	if !rec.Settings.Empty() {
		row = rec.Settings.appendRow(row)
	}
	if len(rec.Operations) > 0 {
		row = binary.AppendUvarint(row, uint64(len(rec.Operations)))
		for i := range rec.Operations {
			row = rec.Operations[i].appendRow(row)
		}
	}
	return row
}

// appendRow appends an entry that follows one of a time.
func (e *Entry) appendRow(row []byte, t *numberTable, before int64) []byte {
	row = append(row, byte(e.Kind)|flag(e.Alias != 0, flagAlias)|flag(e.Message != 0, flagMessage)|flag(e.Reply, flagReply)|
		flag(e.Chat != 0, flagChat)|flag(e.Category != NoCategory, flagCategory))
	if e.Kind == Complained {
		row = append(row, byte(e.Complaint))
	}
	if e.Category != NoCategory {
		row = append(row, byte(e.Category))
	}
	row = binary.AppendUvarint(row, uint64(t.intern(e.Number)))
	row = binary.LittleEndian.AppendUint64(row, uint64(e.User))
	if e.Alias != 0 {
		row = binary.LittleEndian.AppendUint64(row, uint64(e.Alias))
	}
	if e.Message != 0 {
		row = binary.LittleEndian.AppendUint64(row, uint64(e.Message))
	}
	if e.Chat != 0 {
		row = binary.LittleEndian.AppendUint64(row, uint64(e.Chat))
	}
	return binary.AppendVarint(row, e.At-before)
}

// hasFew reports whether there is anything of what few records have.
func (rec *Record) hasFew() bool {
	return len(rec.Windows)+len(rec.Portfolios)+len(rec.Claims)+len(rec.Displays) > 0
}

// control reports whether the record would control the machine: only the leader writes what does.
func (rec *Record) control() bool {
	return len(rec.Windows)+len(rec.Portfolios)+len(rec.Claims) > 0 || !rec.Settings.Empty()
}

func (rec *Record) appendControl(row []byte) []byte {
	row = binary.AppendUvarint(row, uint64(len(rec.Windows)))
	for _, w := range rec.Windows {
		row = appendWindows(codec.AppendString(row, w.Number), newWindowLengths(w.Windows))
	}
	row = binary.AppendUvarint(row, uint64(len(rec.Portfolios)))
	for _, p := range rec.Portfolios {
		row = appendPortfolio(row, p)
	}
	row = binary.AppendUvarint(row, uint64(len(rec.Claims)))
	for _, c := range rec.Claims {
		row = codec.AppendString(codec.AppendString(row, c.ID), c.Number)
	}
	row = binary.AppendUvarint(row, uint64(len(rec.Displays)))
	for _, d := range rec.Displays {
		row = codec.AppendString(codec.AppendString(row, d.ID), d.Number)
	}
	return row
}

func appendPortfolio(row []byte, p Portfolio) []byte {
	row = binary.AppendUvarint(codec.AppendString(row, p.Name), uint64(len(p.Numbers)))
	for _, number := range p.Numbers {
		row = codec.AppendString(row, number)
	}
	return row
}

func (r *reader) portfolio() Portfolio {
	p := Portfolio{Name: r.String(), Numbers: make([]string, r.Count(1))}
	for i := range p.Numbers {
		p.Numbers[i] = r.String()
	}
	return p
}

// numbers reads the numbers of a row, and returns what reads a reference to one.
func (r *reader) numbers() (number func() string) {
	numbers := make([]string, r.Count(1))
	for i := range numbers {
		numbers[i] = r.String()
		if len(numbers[i]) == 0 || len(numbers[i]) > maxNumber {
			r.Fail(errors.New("a number is impossible"))
		}
	}
	return func() string {
		i := r.Uvarint()
		if i >= uint64(len(numbers)) {
			r.Fail(fmt.Errorf("it refers to number %d of %d", i, len(numbers)))
			return ""
		}
		return numbers[i]
	}
}

// read reads what a record is of, after its flags and its clock. It reuses the record's slices.
func (rec *Record) read(r *reader, flags byte, clock int64, number func() string) {
	*rec = Record{Clock: clock, Batch: Batch{Entries: rec.Entries[:0], Reports: rec.Reports[:0]}, Operations: rec.Operations[:0]}
	var at int64
	n := r.Count(leastEntry)
	rec.Entries = slices.Grow(rec.Entries, n)
	for range n {
		entry := r.entry(number)
		at += entry.At
		entry.At = at
		if field, reason := entry.invalid(); field != "" {
			r.Fail(fmt.Errorf("an entry of kind %d is not valid: %s %s", entry.Kind, field, reason))
		}
		if at <= 0 || at > maxTime {
			r.Fail(fmt.Errorf("an entry has time %d", at))
		}
		rec.Entries = append(rec.Entries, entry)
	}
	for range r.Count(4) {
		to := number()
		said := r.report()
		said.Subject = report.ParseSubject(to)
		rec.Reports = append(rec.Reports, said)
	}
	if r.Version == 1 {
		rec.readVersion1(r, number)
	} else if flags&flagControl != 0 {
		rec.readControl(r)
	}
	if flags&flagSettings != 0 {
		rec.Settings = r.settings()
	}
	if flags&flagOperations != 0 {
		for range r.Count(1 + len(ReservationID{})) {
			rec.Operations = append(rec.Operations, r.operation())
		}
	}
}

// entry reads an entry. Its time is the difference from that of the entry before.
func (r *reader) entry(number func() string) Entry {
	flags := r.Byte()
	entry := Entry{Kind: Kind(flags & kindMask), Reply: flags&flagReply != 0}
	if entry.Kind == Complained {
		entry.Complaint = Complaint(r.Byte())
	}
	if flags&flagCategory != 0 {
		if entry.Category = Category(r.Byte()); entry.Category == NoCategory {
			r.Fail(errors.New("an entry is of no category"))
		}
	}
	entry.Number, entry.User = number(), UserKey(r.Uint64())
	if flags&flagAlias != 0 {
		entry.Alias = UserKey(r.Uint64())
	}
	if flags&flagMessage != 0 {
		entry.Message = MessageKey(r.Uint64())
	}
	if flags&flagChat != 0 {
		if entry.Chat = ChatKey(r.Uint64()); entry.Chat == 0 {
			r.Fail(errors.New("an entry is of no chat"))
		}
	}
	entry.At = r.Varint()
	return entry
}

func (rec *Record) readControl(r *reader) {
	for range r.Count(3) {
		w := NumberWindows{r.String(), r.windows()}
		rec.Windows = append(rec.Windows, w)
		r.check(w.Validate())
	}
	for range r.Count(2) {
		p := r.portfolio()
		rec.Portfolios = append(rec.Portfolios, p)
		r.check(p.Validate())
	}
	for range r.Count(2) {
		c := Claim{r.String(), r.String()}
		rec.Claims = append(rec.Claims, c)
		r.check(c.Validate())
	}
	for range r.Count(2) {
		d := Display{r.String(), r.String()}
		rec.Displays = append(rec.Displays, d)
		if !d.valid() {
			r.Fail(errors.New("a display names nothing"))
		}
	}
}

// endMark before a kind says that the end of what is reported follows. No kind begins with it.
const endMark = "\x00"

func appendReport(row []byte, r report.Report) []byte {
	if r.Until == 0 {
		row = codec.AppendString(row, string(r.Kind))
	} else {
		row = codec.AppendString(row, endMark+string(r.Kind))
		row = binary.AppendVarint(row, r.Until)
	}
	row = binary.AppendVarint(row, r.At)
	row = codec.AppendString(row, r.Value)
	return codec.AppendString(row, r.Reason)
}

func (r *reader) report() report.Report {
	var said report.Report
	kind, ends := strings.CutPrefix(r.String(), endMark)
	if ends {
		if said.Until = r.Varint(); r.Err() == nil && said.Until == 0 {
			r.Fail(errors.New("a report ends at no time"))
		}
	}
	said.Kind, said.At, said.Value, said.Reason = report.Kind(kind), r.Varint(), r.String(), r.String()
	return said
}

// flagCountReached is a bit of the service window, above its greatest value.
const flagCountReached = 1 << 32

func appendWindows(row []byte, w windowLengths) []byte {
	service := uint64(w.service)
	if w.countReached {
		service |= flagCountReached
	}
	row = binary.AppendUvarint(row, service)
	return binary.AppendUvarint(row, uint64(w.conversation))
}

func (r *reader) windows() Windows {
	service, conversation := r.Uvarint(), r.Uvarint()
	reach := service&flagCountReached != 0
	service &^= flagCountReached
	if most := uint64(longest / time.Second); service > most || conversation > most {
		r.Fail(errors.New("its windows are too long"))
		return Windows{}
	}
	return Windows{Service: time.Duration(service) * time.Second, Conversation: time.Duration(conversation) * time.Second, CountReached: reach}
}
