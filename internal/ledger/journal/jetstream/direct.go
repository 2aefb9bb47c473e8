package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// directGet asks any node that has a copy of a stream for messages from a sequence on.
type directGet struct {
	Sequence uint64 `json:"seq"`
	Subject  string `json:"next_by_subj,omitempty"` // of those alone
	Batch    int    `json:"batch"`
	MaxBytes int    `json:"max_bytes"`
}

const (
	directBatch = 512
	directBytes = 8 << 20
)

// errNoAnswer is that no node answers, or stops in the middle.
var errNoAnswer = errors.New("no server answers")

// direct is what a node has of a stream, up to directBatch messages or a few more than directBytes. A copy may be behind others. Without an answer
// the connection is made anew, unless its server answers otherwise.
func direct(ctx context.Context, connection *nats.Conn, stream string, get directGet) iter.Seq2[*message, error] {
	return func(yield func(*message, error) bool) {
		get.Batch, get.MaxBytes = directBatch, directBytes
		request, err := json.Marshal(get)
		if err != nil {
			yield(nil, err)
			return
		}
		inbox := connection.NewInbox()
		sub, err := connection.SubscribeSync(inbox)
		if err != nil {
			yield(nil, err)
			return
		}
		defer func() { _ = sub.Unsubscribe() }()
		err = connection.PublishRequest("$JS.API.DIRECT.GET."+stream, inbox, request)
		for err == nil {
			var m *nats.Msg
			if m, err = sub.NextMsg(answer); err != nil {
				break
			}
			if m.Header.Get(statusHeader) != "" {
				return // that is all
			}
			var is message
			if is, err = directMessage(m); err != nil {
				break
			}
			if !yield(&is, nil) {
				return
			}
		}
		if ctx.Err() == nil && errors.Is(err, nats.ErrTimeout) && connection.IsConnected() && connection.FlushTimeout(answer) != nil {
			_ = connection.ForceReconnect() // fails if the connection is closed
		}
		yield(nil, fmt.Errorf("%w: %w", errNoAnswer, err))
	}
}

// directMessage reads what a node says of a message in headers.
func directMessage(m *nats.Msg) (message, error) {
	sequence, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	if err != nil {
		return message{}, err
	}
	stamp, err := time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
	if err != nil {
		return message{}, err
	}
	return message{sequence, stamp.UnixNano(), m.Header.Get("Nats-Subject"), m.Data}, nil
}
