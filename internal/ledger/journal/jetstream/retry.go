package jetstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	tryWithin = 2 * time.Second // how long an answer is waited for, before it is asked for again
	tryAgain  = 50 * time.Millisecond
)

// repeatedly tries until it succeeds, fails for good, or ctx ends.
func repeatedly(ctx context.Context, try func(context.Context) error) error {
	for {
		within, cancel := context.WithTimeout(ctx, tryWithin)
		err := try(within)
		late := within.Err() != nil
		cancel()
		if err == nil || final(err) {
			return err
		}
		if !late {
			sleep(ctx, tryAgain)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// full are errors of servers or streams without room. Their status is one of errors that pass by themselves.
var full = []jetstream.ErrorCode{10023, 10047, 10077}

// noPeers is the error of a cluster with too few nodes to hold the copies of a stream. It passes by itself where some are only offline.
const noPeers = jetstream.ErrorCode(10005)

// final reports whether the same request would fail again. Whatever the absence of a server or of a leader can cause is not final, nor what tells
// of too many requests. A certificate that one side does not take is.
func final(err error) bool {
	if _, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return true
	}
	if failed, is := errors.AsType[*net.OpError](err); is && failed.Op == "remote error" { // an alert of TLS
		return true
	}
	if refused, is := errors.AsType[*jetstream.APIError](err); is {
		if refused.ErrorCode == noPeers && strings.Contains(refused.Description, "offline") {
			return false
		}
		return slices.Contains(full, refused.ErrorCode) || refused.Code < http.StatusInternalServerError && refused.Code != http.StatusRequestTimeout && refused.Code != http.StatusTooManyRequests
	}
	for _, known := range []error{ErrGap, ErrShortened, ErrReplaced, ErrTooLarge, ErrRefused, ErrKept, nats.ErrMaxPayload, nats.ErrAuthorization, nats.ErrPermissionViolation} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
