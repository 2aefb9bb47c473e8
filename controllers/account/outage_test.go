package account

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
)

// Meta is asked again as soon as the file has another token, and not before the next period while it has the same.
func TestARenewedTokenIsUsedSoon(t *testing.T) {
	p := newPolling(t, "2001")
	number := p.number("2001", "1001")
	p.tick()
	p.meta.ExpireToken(pollToken)
	p.tick()
	p.wantReason(number, v1alpha1.ReasonTokenRefused)
	p.meta.Forget()
	p.tick()
	if calls := len(p.meta.Calls()); calls > 0 {
		t.Errorf("Meta was asked %d times with the token that it had refused", calls)
	}
	p.meta.AddToken("EAAnew")
	p.token("EAAnew")
	renewed := p.Bench.FakeClock.Now()
	p.tick()
	p.wantReason(number, v1alpha1.ReasonPolled)
	if took := p.Bench.FakeClock.Since(renewed); took > 2*time.Minute {
		t.Errorf("the new token was used after %s", took)
	}
}

// What passes by itself is said only once it has lasted.
func TestAnOutageIsSaidOnceItHasLasted(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		fault        graphtest.Fault
	}{
		{"Meta is down", v1alpha1.ReasonUnreachable, graphtest.Fault{Refusal: graphtest.Unavailable()}},
		{"a proxy answers", v1alpha1.ReasonUnreachable, graphtest.Fault{Status: http.StatusBadGateway, Body: "<html>"}},
		{"Meta hangs up", v1alpha1.ReasonUnreachable, graphtest.Fault{Close: true}},
		{"Meta refuses calls", v1alpha1.ReasonRateLimited, graphtest.Fault{Refusal: graphtest.AppThrottled(), Header: http.Header{"Retry-After": {"600"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPolling(t, "2001")
			number := p.number("2001", "1001")
			p.tick()
			p.meta.Forget()
			p.meta.Fail(c.fault)
			began := p.Bench.FakeClock.Now()
			for p.Bench.FakeClock.Since(began) < 29*time.Minute {
				p.wantReason(number, v1alpha1.ReasonPolled)
				p.tick()
			}
			for p.Bench.FakeClock.Since(began) < 3*time.Hour {
				p.tick()
			}
			p.wantReason(number, c.reason)
			if calls := len(p.meta.Calls()); calls > 100 {
				t.Errorf("Meta was called %d times in 3 h", calls)
			}
			p.meta.Recover()
			p.tick()
			p.wantReason(number, v1alpha1.ReasonPolled)
			if !p.get(number).LastTransitionTime.Equal(new(statuses.Time(p.Bench.FakeClock.Now()))) {
				t.Error("the condition does not say since when")
			}
		})
	}
}

func TestACallComesNoEarlierThanMetaSays(t *testing.T) {
	p := newPolling(t, "2001")
	p.number("2001", "1001")
	p.meta.Fail(graphtest.Fault{Times: 1, Refusal: graphtest.Throttled(), Header: http.Header{"X-Business-Use-Case-Usage": {
		`{"2001":[{"type":"whatsapp_business_management","call_count":100,"total_cputime":1,"total_time":1,"estimated_time_to_regain_access":40}]}`}}})
	p.tick()
	began := p.Bench.FakeClock.Now()
	if got := testutil.ToFloat64(p.Poller.Metrics.calls.WithLabelValues("2001", "ratelimited")); got != 1 {
		t.Errorf("%v calls were refused", got)
	}
	p.meta.Forget()
	for p.Bench.FakeClock.Since(began) < 3*time.Hour {
		p.tick()
	}
	if first := p.meta.Calls()[0].At.Sub(began); first < 40*time.Minute || first > 42*time.Minute {
		t.Errorf("Meta said 40 minutes, and was called again after %s", first)
	}
	if got := testutil.ToFloat64(p.Poller.Metrics.calls.WithLabelValues("2001", "ok")); got < 10 {
		t.Errorf("afterwards there were %v calls", got)
	}
}

// deaf is a client whose API server takes no status for a while.
type deaf struct {
	client.Client
	refusals *int
}

func (d deaf) Status() client.SubResourceWriter { return deafStatus{d.Client.Status(), d.refusals} }

type deafStatus struct {
	client.SubResourceWriter
	refusals *int
}

func (d deafStatus) Apply(ctx context.Context, o runtime.ApplyConfiguration, options ...client.SubResourceApplyOption) error {
	if *d.refusals > 0 {
		*d.refusals--
		return apierrors.NewServiceUnavailable("try again")
	}
	return d.SubResourceWriter.Apply(ctx, o, options...)
}

// The API server's trouble is no reason to call Meta again: what was read is kept until it is written.
func TestWhatWasReadIsKeptUntilItIsWritten(t *testing.T) {
	p := newPolling(t, "2001")
	refused, written := p.number("2001", "1001"), p.number("2001", "1002")
	refusals := 1
	p.Poller.Client = deaf{p.Poller.Client, &refusals}
	p.Bench.FakeClock.Advance(p.accounts["2001"].due().Sub(p.Bench.FakeClock.Now()))
	if _, err := p.Poller.Reconcile(p.Ctx, "2001"); !apierrors.IsServiceUnavailable(err) {
		t.Fatalf("the API server's refusal is %v", err)
	}
	// One number that cannot be written holds up no other.
	if p.get(refused) != nil && p.get(written) != nil || p.get(refused) == nil && p.get(written) == nil {
		t.Errorf("one of two conditions was to be written: %v, %v", p.get(refused), p.get(written))
	}
	calls := len(p.meta.Calls())
	_, err := p.Poller.Reconcile(p.Ctx, "2001")
	p.Must(err)
	p.wantReason(refused, v1alpha1.ReasonPolled)
	p.wantReason(written, v1alpha1.ReasonPolled)
	if again := len(p.meta.Calls()); again != calls {
		t.Errorf("Meta was called %d times more", again-calls)
	}
}

func TestARestartReadsNothingEarly(t *testing.T) {
	p := newPolling(t, "2001")
	p.number("2001", "1001")
	p.tick()
	next := p.accounts["2001"].due()
	p.meta.Forget()
	for range 10 {
		p.Bench.FakeClock.Advance(30 * time.Second)
		p.restart()
		result, err := p.Poller.Reconcile(p.Ctx, "2001")
		p.Must(err)
		if got := p.accounts["2001"].due(); !got.Equal(next) || result.RequeueAfter != next.Sub(p.Bench.FakeClock.Now()) {
			t.Errorf("after a restart it is read at %s, not %s", got, next)
		}
	}
	if calls := p.meta.Calls(); len(calls) > 0 {
		t.Errorf("restarts alone made %d calls", len(calls))
	}
}
