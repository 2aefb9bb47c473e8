package jetstream

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// An object of a store is written and read here, in the client's form. The client itself has thousands of messages under way, and gives
// up where a server takes none for a fifth of a second; it reads by its ordered consumer, which a node's death stops for ten seconds.

const (
	// chunk is the size of the messages that an object is made of.
	chunk = 64 << 10
	// underway is how many of them are not acknowledged yet.
	underway = 64
)

// chunks is the subject of an object's messages.
func chunks(object *jetstream.ObjectInfo) string {
	return "$O." + object.Bucket + ".C." + object.NUID
}

// upload writes an object, which is there once it was finished.
type upload struct {
	ctx     context.Context
	js      jetstream.JetStream
	object  jetstream.ObjectInfo
	digest  hash.Hash
	pending []jetstream.PubAckFuture
}

// upload begins an object. After an error nothing of it is to be left: see discard.
func (j *Journal) upload(ctx context.Context, bucket string, meta jetstream.ObjectMeta) *upload {
	return &upload{ctx: ctx, js: j.js, digest: sha256.New(), object: jetstream.ObjectInfo{ObjectMeta: meta, Bucket: bucket, NUID: rand.Text()}}
}

// Write implements io.Writer.
func (u *upload) Write(p []byte) (int, error) {
	for part := range slices.Chunk(p, chunk) {
		if len(u.pending) == underway {
			if err := u.settle(u.ctx, 1); err != nil {
				return 0, err
			}
		}
		if err := u.publish(&nats.Msg{Subject: chunks(&u.object), Data: bytes.Clone(part)}); err != nil {
			return 0, err
		}
		u.object.Chunks++
		u.object.Size += uint64(len(part))
		_, _ = u.digest.Write(part) // a hash never fails
	}
	return len(p), nil
}

// publish publishes the next part. The stream may have no leader for a moment, when it was just made. So the first part is published again while nobody
// takes it. A later one is not: it would come after those that follow it.
func (u *upload) publish(part *nats.Msg) error {
	if u.object.Chunks == 0 {
		_, err := u.js.PublishMsg(u.ctx, part, jetstream.WithRetryWait(tryAgain), jetstream.WithRetryAttempts(int(patience/tryAgain)))
		return err
	}
	f, err := u.js.PublishMsgAsync(part, jetstream.WithRetryAttempts(0))
	if err == nil {
		u.pending = append(u.pending, f)
	}
	return err
}

// settle waits until the first messages are acknowledged.
func (u *upload) settle(ctx context.Context, n int) error {
	for range n {
		f := u.pending[0]
		u.pending = u.pending[1:]
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-f.Err():
			return err
		case <-f.Ok():
		}
	}
	return nil
}

// finish makes the object what its name stands for.
func (u *upload) finish() error {
	if err := u.settle(u.ctx, len(u.pending)); err != nil {
		return err
	}
	u.object.Digest = jetstream.GetObjectDigestValue(u.digest)
	info, err := json.Marshal(u.object)
	if err != nil {
		return err
	}
	return repeatedly(u.ctx, func(ctx context.Context) error {
		_, err := u.js.PublishMsg(ctx, &nats.Msg{
			Subject: "$O." + u.object.Bucket + ".M." + base64.URLEncoding.EncodeToString([]byte(u.object.Name)), Data: info,
			Header: nats.Header{jetstream.MsgRollup: {jetstream.MsgRollupSubject}},
		})
		return err
	})
}

// discard removes what was written. What comes later goes with age.
func (u *upload) discard() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), patience)
	defer cancel()
	for len(u.pending) > 0 {
		_ = u.settle(ctx, 1) // acknowledged or not, it is removed
	}
	stream, err := u.js.Stream(ctx, streamOf(u.object.Bucket))
	if err != nil {
		return err
	}
	return stream.Purge(ctx, jetstream.WithPurgeSubject(chunks(&u.object)))
}

// errDamaged is that an object is not as it was written, by what nodes answer.
var errDamaged = errors.New("the object is damaged")

// download writes the content of an object to a writer, from any nodes that have copies. Where none has more of it for patience, it returns errDamaged if
// a node says so, and another error if none answers: a node that is behind says so too, and the others have all of it by then.
func (j *Journal) download(ctx context.Context, to io.Writer, object *jetstream.ObjectInfo) error {
	digest := sha256.New()
	from := directGet{Sequence: 1, Subject: chunks(object)}
	var read uint64
	late := time.NewTimer(patience)
	defer late.Stop()
	for read < object.Size {
		before := read
		var unanswered error
		for m, err := range direct(ctx, j.connection.Conn, streamOf(object.Bucket), from) {
			if err != nil {
				unanswered = err
				break
			}
			from.Sequence = m.sequence + 1
			read += uint64(len(m.data))
			_, _ = digest.Write(m.data)
			if _, err := to.Write(m.data); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if read > before {
			late.Reset(patience)
			continue
		}
		sleep(ctx, tryAgain)
		select {
		case <-late.C:
			return fmt.Errorf("%w: it lacks %d of %d bytes", cmp.Or(unanswered, errDamaged), object.Size-read, object.Size)
		default:
		}
	}
	if jetstream.GetObjectDigestValue(digest) != object.Digest {
		return fmt.Errorf("%w: it has another digest than it should", errDamaged)
	}
	return nil
}
