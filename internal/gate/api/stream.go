package api

import (
	"encoding/json"
	"errors"
	"hash/maphash"
	"net/http"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/server"
)

const (
	maxStreams     = 64
	maxOfCaller    = 48               // so that no caller alone keeps others out
	streamPeriod   = time.Second      // between two looks at what has changed
	heartbeat      = 15 * time.Second // between two signs of life
	reviewPeriod   = time.Minute      // between two looks at what the caller may know
	streamDeadline = 10 * time.Second // for a part to leave
)

// streams are those that are open. They share what is looked up: once a second, however many they are.
type streams struct {
	ended chan struct{} // closed when all are to end

	opening sync.Mutex
	callers []string // the identity of each stream's

	mu     sync.Mutex
	seed   maphash.Seed
	latest []event
	at     time.Time // of latest, in real time
}

// event is an item as it is sent.
type event struct {
	item item
	json []byte
	hash uint64
}

func newStreams() *streams {
	return &streams{ended: make(chan struct{}), seed: maphash.MakeSeed()}
}

// open says whether a caller may have one more stream, which it closes.
func (s *streams) open(caller string) bool {
	s.opening.Lock()
	defer s.opening.Unlock()
	own := 0
	for _, other := range s.callers {
		if other == caller {
			own++
		}
	}
	if len(s.callers) == maxStreams || own == maxOfCaller {
		return false
	}
	s.callers = append(s.callers, caller)
	return true
}

func (s *streams) close(caller string) {
	s.opening.Lock()
	defer s.opening.Unlock()
	i := slices.Index(s.callers, caller)
	s.callers = slices.Delete(s.callers, i, i+1)
}

// EndStreams ends all streams, so that a server can shut down. It is called once.
func (a *API) EndStreams() { close(a.streams.ended) }

// events are where all stand, as of less than a period ago.
func (s *streams) events(from *Backend, real clock.PassiveClock) ([]event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := real.Now()
	if age := now.Sub(s.at); age >= 0 && age < streamPeriod {
		return s.latest, nil
	}
	view, _, err := from.now(real)
	if err != nil {
		return nil, err
	}
	all := itemsOf(view, &selection{})
	s.latest, s.at = make([]event, len(all)), now
	for i := range all {
		content, err := json.Marshal(&all[i])
		if err != nil {
			return nil, err
		}
		s.latest[i] = event{all[i], content, maphash.Bytes(s.seed, content)}
	}
	return s.latest, nil
}

// serveStream answers a request for a stream.
func (a *API) serveStream(w http.ResponseWriter, req *http.Request) (int, error) {
	return a.answer(w, req, http.MethodGet, func(w http.ResponseWriter, req *http.Request, from *from) (int, error) {
		selected, err := a.selected(req, from.caller)
		if err != nil {
			return 0, err
		}
		caller := from.caller.Identity()
		if !a.streams.open(caller) {
			return 0, server.ErrUnavailable
		}
		a.metrics.streams.Inc()
		defer func() { a.streams.close(caller); a.metrics.streams.Dec() }()
		stream := stream{api: a, selection: selected, backend: from.Backend, w: w, control: http.NewResponseController(w), sent: map[key]uint64{}}
		return stream.run(req)
	})
}

// key tells items apart.
type key struct{ kind, namespace, name string }

// stream is one that is open.
type stream struct {
	api       *API
	selection selection
	backend   *Backend
	w         http.ResponseWriter
	control   *http.ResponseController
	sent      map[key]uint64 // hashes
	lastSent  time.Time
}

var errGone = errors.New("the reader of a stream is gone")

// run sends items until the reader is gone or may not know them any more.
func (s *stream) run(req *http.Request) (int, error) {
	first, err := s.api.streams.events(s.backend, s.api.Real)
	if err != nil {
		return 0, s.api.failed(req.Context(), err, "Where numbers stand could not be told")
	}
	if err := s.control.SetReadDeadline(time.Time{}); err != nil { // the server's is for requests that end
		return 0, s.api.failed(req.Context(), err, "A stream cannot be longer than a request")
	}
	s.w.Header().Set("Cache-Control", "no-store")
	server.WriteHeader(s.w, http.StatusOK, "text/event-stream")
	ticker := s.api.Real.NewTicker(streamPeriod)
	defer ticker.Stop()
	reviewed := s.api.Real.Now()
	for err = s.send(first); err == nil; {
		select {
		case <-req.Context().Done():
			err = errGone
		case <-s.api.streams.ended:
			err = errGone
		case now := <-ticker.C():
			if now.Sub(reviewed) >= reviewPeriod {
				if reviewed = now; !s.review(req) {
					return http.StatusOK, nil
				}
			}
			var events []event
			if events, err = s.api.streams.events(s.backend, s.api.Real); err == nil {
				err = s.send(events)
			}
		}
	}
	if !errors.Is(err, errGone) {
		_ = s.api.failed(req.Context(), err, "A stream ended")
	}
	return http.StatusOK, nil
}

// review says whether the caller is still known and may still know.
func (s *stream) review(req *http.Request) bool {
	caller, err := s.api.Access.Authenticate(req)
	return err == nil && caller != nil && s.api.mayKnow(req.Context(), caller, s.selection.namespace) == nil
}

// send sends what has changed since it was sent last, and what is gone; a sign of life if nothing was sent for long.
func (s *stream) send(events []event) error {
	var out []byte
	gone := make(map[key]struct{}, len(s.sent))
	for k := range s.sent {
		gone[k] = struct{}{}
	}
	for i := range events {
		e := &events[i]
		if !s.selection.includes(&e.item) {
			continue
		}
		k := key{e.item.Kind, e.item.Namespace, e.item.Name}
		delete(gone, k)
		if hash, sent := s.sent[k]; !sent || hash != e.hash {
			s.sent[k] = e.hash
			out = append(append(append(out, "event: standing\ndata: "...), e.json...), "\n\n"...)
		}
	}
	for k := range gone {
		delete(s.sent, k)
		content, err := json.Marshal(&item{Kind: k.kind, Namespace: k.namespace, Name: k.name})
		if err != nil {
			return err
		}
		out = append(append(append(out, "event: removed\ndata: "...), content...), "\n\n"...)
	}
	now := s.api.Real.Now()
	if len(out) == 0 {
		if now.Sub(s.lastSent) < heartbeat {
			return nil
		}
		out = append(out, ":\n\n"...)
	}
	s.lastSent = now
	if s.control.SetWriteDeadline(now.Add(streamDeadline)) != nil {
		return errGone
	}
	if _, err := s.w.Write(out); err != nil || s.control.Flush() != nil {
		return errGone
	}
	return nil
}
