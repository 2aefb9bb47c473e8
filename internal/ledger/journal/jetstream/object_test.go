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
