package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"
)

const standingPath = "/v1/standing"

// Selection says what is asked about. Empty fields are for all; without a namespace that takes the right in the whole cluster.
type Selection struct{ Namespace, Number, NumberID, Portfolio, Pool string }

func (s *Selection) query() url.Values {
	query := url.Values{}
	for name, value := range map[string]string{"namespace": s.Namespace, "number": s.Number, "numberID": s.NumberID, "portfolio": s.Portfolio, "pool": s.Pool} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}

// Item is where a number, a portfolio or a pool stands.
type Item struct {
	Kind      string `json:"kind"` // PhoneNumber, BusinessPortfolio or NumberPool
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Number    string `json:"number,omitempty"`
	NumberID  string `json:"numberID,omitempty"`
	// Portfolio is the name of the BusinessPortfolio that has the number's limit.
	Portfolio string `json:"portfolio,omitempty"`
	// Limit is nil where there is none, and Used where nobody knows.
	Limit    *int64 `json:"limit,omitempty"`
	Used     *int64 `json:"used,omitempty"`
	Reserved int64  `json:"reserved"`
	// Remaining is how many further users may be messaged: 0 whenever nothing may be sent, 2147483647 where nothing limits it.
	Remaining int64 `json:"remaining"`
	Sendable  bool  `json:"sendable"`
	// Reason is why nothing may be sent, and Until when that ends by itself; zero where it does not.
	Reason string    `json:"reason,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	// Budgets are those of who has the limit.
	Budgets []Budget `json:"budgets,omitempty"`
}

// Budget is where a budget of a limit stands.
type Budget struct {
	Name       string `json:"name"`
	Used       int64  `json:"used"`
	Reserved   int64  `json:"reserved"`
	Guaranteed int64  `json:"guaranteed"`        // lent to nobody
	Maximum    *int64 `json:"maximum,omitempty"` // nil for none
	Remaining  int64  `json:"remaining"`
}

// Standing is where numbers and portfolios stand now. A refusal is a *Problem.
func (c *Client) Standing(ctx context.Context, s Selection) ([]Item, error) {
	var answer struct {
		Items []Item `json:"items"`
	}
	err := c.exchange(ctx, http.MethodGet, standingPath, s.query(), nil, &answer)
	return answer.Items, err
}

// Preview says what would be granted to a Request.
type Preview struct {
	// Namespace, Name, Number and NumberID are those of the PhoneNumber that would send, as a Reservation has them.
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Number    string `json:"number"`
	NumberID  string `json:"numberID,omitempty"`
	// State is Held or Free, and Why why, as a Reservation has them. Shadow says that the limit is not enforced; Why is then what the
	// reservation would have been refused for.
	State  string `json:"state"`
	Why    string `json:"why"`
	Shadow bool   `json:"shadow,omitempty"`
	// Remaining is how many further users may be reserved for, before this one; 2147483647 where nothing limits it.
	Remaining int64 `json:"remaining"`
}

// Preview is whether a message may be sent now to a user. Nothing is reserved, so the answer may be another one at any time. It takes the right
// to reserve. A refusal is a *Problem: that of a reservation.
func (c *Client) Preview(ctx context.Context, request Request) (*Preview, error) {
	var answer Preview
	if err := c.exchange(ctx, http.MethodPost, standingPath+"/user", nil, &request, &answer); err != nil {
		return nil, err
	}
	return &answer, nil
}

// Change is where a number or a portfolio stands from now on.
type Change struct {
	Item
	// Removed says that it is gone; the item then has its names alone.
	Removed bool
}

// mostSilence is how long a stream may have nothing: the API gives a sign of life every 15 s. A connection may be lost without a word.
const mostSilence = 45 * time.Second

var errSilent = fmt.Errorf("nothing came for %s", mostSilence)

// Watch yields where all stand, then each change, until ctx is done or the stream ends: then it yields why. A stream of which nothing comes for
// 45 s has ended: what it said last may not be so any more. A refusal is a *Problem.
func (c *Client) Watch(ctx context.Context, s Selection) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		ctx, end := context.WithCancelCause(ctx)
		defer end(nil)
		silent := time.AfterFunc(mostSilence, func() { end(errSilent) })
		defer silent.Stop()
		response, err := c.send(ctx, http.MethodGet, standingPath+"/stream", s.query(), nil)
		if err != nil {
			yield(Change{}, err)
			return
		}
		defer func() { _ = response.Body.Close() }()
		var kind string
		for lines := bufio.NewReader(response.Body); ; {
			silent.Reset(mostSilence)
			line, err := readLine(lines)
			silent.Stop() // whoever reads takes the time that it wants
			if errors.Is(context.Cause(ctx), errSilent) {
				err = errSilent
			}
			if err != nil {
				yield(Change{}, fmt.Errorf("the stream of what may be sent ended: %w", err))
				return
			}
			name, value, _ := bytes.Cut(line, []byte(": "))
			switch string(name) {
			case "event":
				kind = string(value)
			case "data":
				change := Change{Removed: kind == "removed"}
				if err := json.Unmarshal(value, &change.Item); err != nil {
					yield(Change{}, fmt.Errorf("read the stream of what may be sent: %w", err))
					return
				}
				if !yield(change, nil) {
					return
				}
			}
		}
	}
}

const mostLine = 64 << 10 // bytes

// readLine reads a line of a stream, without its end.
func readLine(lines *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		piece, more, err := lines.ReadLine()
		if err != nil {
			return nil, err
		}
		if line = append(line, piece...); !more {
			return line, nil
		}
		if len(line) > mostLine {
			return nil, io.ErrShortBuffer
		}
	}
}
