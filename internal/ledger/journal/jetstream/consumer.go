package jetstream

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// pulled is how many messages a consumer may have under way: few, so that those of the largest rounds fit into memory.
	pulled = 128
	// pullFor is after what time a consumer forgets that it was asked.
	pullFor = 30 * time.Second
)

// pull asks a consumer for messages.
type pull struct {
	Batch     int           `json:"batch"`
	Expires   time.Duration `json:"expires"`
	Heartbeat time.Duration `json:"idle_heartbeat"`
}

// What a consumer says besides messages, in the header Status.
const (
	statusHeader = "Status"
	isIdle       = "100"
	isOver       = "408" // a request, after pullFor
)

// consume reads from a consumer, until a sequence or until the consumer is silent, is behind or has lost something; it returns nil then. An error is
// that of call or ctx, or ErrGap.
func (r *reader) consume(ctx context.Context, name string, until uint64, call func(*message) error) error {
	inbox := r.connection.NewInbox()
	sub, err := r.connection.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	defer context.AfterFunc(ctx, func() { _ = sub.Unsubscribe() })()
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return err
	}
	ask := func(n int) error {
		request, err := json.Marshal(pull{n, pullFor, beat})
		if err != nil {
			return err
		}
		return r.connection.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+r.stream+"."+name, inbox, request)
	}
	if err := ask(pulled); err != nil {
		return err
	}
	asked := pulled
	delivered := uint64(0) // by the consumer
	for r.last.Load() < until {
		m, err := sub.NextMsg(silent)
		if err != nil {
			return ctx.Err()
		}
		switch m.Header.Get(statusHeader) {
		case "":
		case isIdle:
			if m.Header.Get("Nats-Last-Consumer") != strconv.FormatUint(delivered, 10) {
				return nil // what it delivered does not come any more
			}
			if until < endless { // there was all of it when the consumer was made
				return r.lacks(m.Header, until)
			}
			continue
		case isOver:
			if err := ask(pulled); err != nil {
				return err
			}
			asked = pulled
			continue
		default: // it is gone, or the server refuses
			return nil
		}
		about, err := m.Metadata()
		if err != nil || about.Sequence.Consumer != delivered+1 {
			return nil
		}
		delivered++
		if err := r.take(&message{about.Sequence.Stream, about.Timestamp.UnixNano(), m.Subject, m.Data}, call); err != nil {
			return err
		}
		if asked--; asked == pulled/2 {
			if err := ask(pulled / 2); err != nil {
				return err
			}
			asked += pulled / 2
		}
	}
	return nil
}

// lacks returns ErrGap if a consumer that has nothing more has looked for it up to a sequence. Else its node is behind, or cannot read what it has.
func (r *reader) lacks(idle nats.Header, until uint64) error {
	looked, err := strconv.ParseUint(idle.Get("Nats-Last-Stream"), 10, 64)
	if err != nil || looked < until {
		return err
	}
	return &gap{r.last.Load(), looked + 1}
}
