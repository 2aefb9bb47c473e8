package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"numberfleet.dev/numberfleet/hack/rig"
)

// senders send the fleet's messages as programs with an SDK of Meta's do, whose base URL is the guard's.
type senders struct {
	replicas *replicas
	meta     *graphAPI
	clock    *fleetClock
	tally    *tally
	client   *http.Client
}

// together is how many messages of a number are sent at one time.
const together = 8

func newSenders(replicas *replicas, meta *graphAPI, clock *fleetClock, tally *tally) *senders {
	return &senders{
		replicas: replicas, meta: meta, clock: clock, tally: tally,
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: together}},
	}
}

// send sends the messages of (from, until] of a number.
func (s *senders) send(ctx context.Context, of *pattern, from, until time.Time) error {
	var sending errgroup.Group
	sending.SetLimit(together)
	for _, m := range of.sends(s.clock.born, from, until) {
		sending.Go(func() error {
			o, err := s.try(ctx, of, m.phone, map[string]any{
				"type": "template", "template": map[string]any{"name": cmp.Or(m.template, "notice"), "language": map[string]any{"code": "en_US"}},
			})
			if err == nil {
				s.tally.add(of, o)
			}
			return err
		})
	}
	return sending.Wait()
}

// reply sends a text to a user who has just written.
func (s *senders) reply(ctx context.Context, of *pattern, phone string) error {
	o, err := s.try(ctx, of, phone, map[string]any{"type": "text", "text": map[string]any{"body": "Thank you!"}})
	if err == nil && o.refusal != "" {
		s.tally.add(of, o)
	}
	return err
}

// try sends a message. Where it comes too fast, it waits as long as it is asked to, and tries again once.
func (s *senders) try(ctx context.Context, of *pattern, phone string, content map[string]any) (o outcome, err error) {
	content["messaging_product"], content["to"] = "whatsapp", phone
	body, err := json.Marshal(content)
	if err != nil {
		return o, err
	}
	refusal, wait := s.post(ctx, of, body)
	if strings.HasPrefix(refusal, tooFast) {
		o.waited = true
		if err := rig.Sleep(ctx, max(wait, time.Second)); err != nil {
			return o, err
		}
		refusal, _ = s.post(ctx, of, body)
	}
	o.refusal = refusal
	return o, ctx.Err()
}

// tooFast begins what the guard says of a number whose messages Meta does not take for now. Meta itself says it by the code 130429.
const tooFast = "Throttled"

var ours = regexp.MustCompile(`^[A-Z][A-Za-z]+: `)

// post posts a message at the replicas until one decides. A refusal begins with its reason and a colon, and may say how long to wait.
func (s *senders) post(ctx context.Context, of *pattern, body []byte) (refusal string, wait time.Duration) {
	err := s.replicas.until(ctx, messagesWait, func(at *rig.Operator) (decided bool, err error) {
		if refusal, wait, err = s.postAt(ctx, at, of, body); err == nil {
			return !slices.ContainsFunc(undecided, func(reason string) bool { return strings.HasPrefix(refusal, reason) }), nil
		}
		if failed, is := errors.AsType[*net.OpError](err); is && failed.Op == "dial" {
			return false, nil
		}
		return false, err // it may have been sent
	})
	if err != nil {
		return "NoAnswer: " + err.Error(), 0
	}
	return refusal, wait
}

// undecided begin what a replica says that has not sent a message, and cannot decide now.
var undecided = []string{"NotReady", "Unavailable"}

// postAt posts a message at one replica.
func (s *senders) postAt(ctx context.Context, at *rig.Operator, of *pattern, body []byte) (refusal string, wait time.Duration, err error) {
	token, err := s.meta.token(of.id)
	if err != nil {
		return "", 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at.GuardURL()+"/v27.0/"+of.id+"/messages", bytes.NewReader(body))
	if err != nil {
		return "", 0, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Error *struct {
			Message string `json:"message"`
			Code    int64  `json:"code"`
			Data    struct {
				Details string `json:"details"`
			} `json:"error_data"`
		} `json:"error"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "", 0, err
	}
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After")) // none is no wait
	switch e := answer.Error; {
	case e == nil:
	case ours.MatchString(e.Data.Details):
		refusal = e.Data.Details
	case e.Code == 130429:
		refusal = tooFast + ": " + e.Message
	default:
		refusal = "Meta: " + e.Message
	}
	return refusal, time.Duration(seconds) * time.Second, nil
}
