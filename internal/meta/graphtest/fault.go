package graphtest

import (
	"net/http"
	"time"
)

// Fault makes calls fail, or be slow.
type Fault struct {
	// Which calls: from and before a time, where they are set, about a node (an id, or an id and an edge, such as
	// 2001/phone_numbers), after the first few, such as the first page of a list, and this many of them, where it is set. All others
	// are answered as usual.
	From, Until time.Time
	Path        string
	Skip        int
	Times       int

	// What happens to them. Delay is waited in real time, before anything else; a fault with nothing else is then answered
	// as usual.
	Delay    time.Duration
	Refusal  *Refusal    // an answer of Meta's
	Status   int         // with Body, an answer of something else, such as a proxy
	Body     string      // instead of the answer's, with the answer's status unless Status is set
	Header   http.Header // added to the answer
	Truncate int         // the answer breaks off after this many bytes, though more were announced
	Close    bool        // the connection is closed without an answer
}

// Refusal is an error of Meta's.
type Refusal struct {
	Status    int // of HTTP
	Code      int64
	Subcode   int64 // optional
	Type      string
	Message   string
	Details   string // error_data.details; optional
	Transient bool
}

// refuse is the usual form of a refusal.
func refuse(code int64, message string) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Code: code, Type: oauth, Message: message}
}

// Throttled refuses calls as Meta does when the calls that it allows to an account are used up.
func Throttled() *Refusal {
	return refuse(80008, "(#80008) Too many calls to the WhatsApp Business account")
}

// AppThrottled refuses calls as Meta does when the calls that it allows to the app are used up.
func AppThrottled() *Refusal {
	refusal := refuse(4, "(#4) Application request limit reached")
	refusal.Transient = true
	return refusal
}

// NumberThrottled refuses a message as Meta does when a number sends more a second than it may.
func NumberThrottled() *Refusal {
	refusal := refuse(130429, "(#130429) Rate limit hit")
	refusal.Details = "Message failed to send because there were too many messages sent from this phone number in a short period of time."
	return refusal
}

// PairThrottled refuses a message as Meta does when a number sends too many to one user.
func PairThrottled() *Refusal {
	refusal := refuse(131056, "(#131056) (Business Account, Consumer Account) pair rate limit hit")
	refusal.Details = "Message failed to send because there were too many messages sent from this phone number to the same phone number in a short period of time."
	return refusal
}

// Unavailable refuses calls as Meta does when something of its own fails.
func Unavailable() *Refusal {
	refusal := refuse(2, "An unexpected error has occurred")
	refusal.Status, refusal.Transient = http.StatusInternalServerError, true
	return refusal
}

// Fail makes calls fail as f says. Of several faults that are about a call, the first counts.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// Recover ends all faults.
func (s *Server) Recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// fault is the fault for a call, nil if there is none.
func (s *Server) fault(now time.Time, id, edge string) *Fault {
	path := id
	if edge != "" {
		path += "/" + edge
	}
	for i, f := range s.faults {
		if f.Path != "" && f.Path != path || now.Before(f.From) || !f.Until.IsZero() && !now.Before(f.Until) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
			}
		}
		return f
	}
	return nil
}
