// Package replay posts kept webhooks to a running operator, signed as Meta signs them.
package replay

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/textfile"
	"numberfleet.dev/numberfleet/internal/webhookfile"
)

// Oldest is how old a webhook may be and still count: the longest window that is counted over, and what may come late.
const Oldest = counts.Kept + counts.Lateness

// Queue are the webhooks that are worth posting, in order of what they say happened. It holds where they are, not what they say.
type Queue struct {
	Old int // how many were left out, since all that they tell is older than Oldest

	files []string
	items []item
}

// item is where a webhook is.
type item struct {
	at     int64 // Unix seconds: the earliest time that it says; zero where it says none
	offset int64 // in the text of the file
	length int32
	file   int32
	line   int32
}

// Len is how many webhooks there are.
func (q *Queue) Len() int { return len(q.items) }

// ReadQueue looks through the files of a name, as webhookfile.Files has them. An error names the file, the line and the problem of a webhook
// that the operator would refuse: nothing is posted before all of them can be read.
func ReadQueue(name string, now time.Time) (*Queue, error) {
	files, err := webhookfile.Files(name)
	if err != nil {
		return nil, err
	}
	q := &Queue{files: files}
	for i, name := range files {
		for body, err := range webhookfile.Bodies([]string{name}, nil) {
			if err == nil {
				err = q.add(i, &body, now)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	slices.SortStableFunc(q.items, func(a, b item) int { return cmp.Compare(a.at, b.at) })
	return q, nil
}

func (q *Queue) add(file int, body *webhookfile.Body, now time.Time) error {
	updates, err := meta.Parse(body.JSON, now.Add(counts.Ahead))
	if err != nil {
		return fmt.Errorf("%s: %w", body.Where(), err)
	}
	defer updates.Release()
	if updates.Last != 0 && updates.Last < now.Add(-Oldest).Unix() {
		q.Old++
		return nil
	}
	q.items = append(q.items, item{updates.First, body.Offset, int32(len(body.JSON)), int32(file), int32(body.Line)}) // #nosec G115 -- webhookfile.MaxBody
	return nil
}

// reader reads the webhooks of a queue where they are. Mostly one is behind the other, so the file of the last stays open.
type reader struct {
	*Queue
	file int32
	text *textfile.Text
	body []byte
}

// read is valid until the next call.
func (r *reader) read(i *item) ([]byte, error) {
	if r.text == nil || r.file != i.file {
		r.close()
		text, err := textfile.Open(r.files[i.file])
		if err != nil {
			return nil, err
		}
		r.text, r.file = text, i.file
	}
	r.body = slices.Grow(r.body[:0], int(i.length))[:i.length]
	if _, err := r.text.ReadAt(r.body, i.offset); err != nil && (err != io.EOF || len(r.body) == 0) { //nolint:errorlint // ReadAt returns it bare
		return nil, fmt.Errorf("%s: %w", r.where(i), err)
	}
	return r.body, nil
}

func (r *reader) where(i *item) string {
	return webhookfile.Body{File: r.files[i.file], Line: int(i.line)}.Where()
}

func (r *reader) close() {
	if r.text != nil {
		_ = r.text.Close() // only read
	}
}
