package jetstream

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// The stream of a store has no leader for a moment, when it was just made or when a node has ended. The first part of an object waits for one. If a later
// part finds none the object is not there, rather than with its parts in another order.
func TestAnObjectHasItsPartsInOrder(t *testing.T) {
	j := openTest(t, onServer())
	bucket := j.options.Instance + "-parts"
	create := func() {
		if _, err := j.js.CreateObjectStore(t.Context(), jetstream.ObjectStoreConfig{Bucket: bucket}); err != nil {
			t.Error(err)
		}
	}
	write := func(u *upload, part string) {
		_, err := u.Write(bytes.Repeat([]byte(part), chunk))
		must(t, err)
	}
	time.AfterFunc(100*time.Millisecond, create)
	u := j.upload(t.Context(), bucket, jetstream.ObjectMeta{Name: "object"})
	write(u, "a")
	write(u, "b")
	must(t, u.finish())
	var content bytes.Buffer
	must(t, j.download(t.Context(), &content, &u.object))
	if whole := append(bytes.Repeat([]byte("a"), chunk), bytes.Repeat([]byte("b"), chunk)...); !bytes.Equal(content.Bytes(), whole) {
		t.Error("the object is read as another one")
	}

	u = j.upload(t.Context(), bucket, jetstream.ObjectMeta{Name: "object"})
	write(u, "a")
	must(t, j.js.DeleteObjectStore(t.Context(), bucket))
	write(u, "b")
	time.Sleep(100 * time.Millisecond) // until it is answered that nobody takes it, and no longer than the client waits until it tries again
	create()
	write(u, "c")
	if err := u.finish(); !errors.Is(err, jetstream.ErrNoStreamResponse) {
		t.Errorf("an object is there that lacks a part: %v", err)
	}
}

// A node may say that it has no more of an object, since it is behind. That is not believed before the others must have it.
func TestAnObjectIsWaitedFor(t *testing.T) {
	t.Parallel()
	j := openTest(t, onServer())
	bucket := j.options.Instance + "-late"
	_, err := j.js.CreateObjectStore(t.Context(), jetstream.ObjectStoreConfig{Bucket: bucket})
	must(t, err)
	u := j.upload(t.Context(), bucket, jetstream.ObjectMeta{Name: "object"})
	content := bytes.Repeat([]byte("a"), chunk)
	_, err = u.Write(content)
	must(t, err)
	must(t, u.finish())
	stream, err := j.js.Stream(t.Context(), streamOf(bucket))
	must(t, err)
	must(t, stream.Purge(t.Context(), jetstream.WithPurgeSubject(chunks(&u.object))))
	time.AfterFunc(patience/5, func() { _, _ = j.js.Publish(t.Context(), chunks(&u.object), content) })
	var is bytes.Buffer
	if err := j.download(t.Context(), &is, &u.object); err != nil || !bytes.Equal(is.Bytes(), content) {
		t.Errorf("%d bytes are read, %v", is.Len(), err)
	}
}
