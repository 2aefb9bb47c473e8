package jetstream

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Append implements journal.Shared. A round is acknowledged when most copies have it on disk. Where the stream refuses it, which changes
// nothing, Append returns why at once; ErrTooLarge is such an error.
func (j *Journal) Append(ctx context.Context, r *counts.Round) error {
	row := r.AppendRow(nil)
	if len(row) > MaxRound {
		return ErrTooLarge
	}
	return j.publish(ctx, j.options.rounds(), row)
}

// publish publishes a message until it is acknowledged: the log may have it twice.
func (j *Journal) publish(ctx context.Context, subject string, data []byte) error {
	ctx, cancel := either(ctx, j.life)
	defer cancel()
	first := true
	return repeatedly(ctx, func(ctx context.Context) error {
		if !first {
			j.repeats.Add(1)
		}
		first = false
		ctx, cancel := j.connection.answered(ctx)
		defer cancel()
		read := j.position()
		ack, err := j.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: data}, jetstream.WithExpectStream(j.options.stream()), jetstream.WithRetryAttempts(0))
		if err != nil {
			return err
		}
		if ack.Sequence <= read {
			err := fmt.Errorf("%w: it gave %d to a message that came after %d", ErrShortened, ack.Sequence, read)
			j.end(err)
			return err
		}
		return nil
	})
}
