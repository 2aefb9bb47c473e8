package guard

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"numberfleet.dev/numberfleet/internal/server"
)

// outcome is what became of a message that came to the guard.
type outcome string

const (
	outcomeSent        outcome = "Sent"        // Meta gave it an id
	outcomeRejected    outcome = "Rejected"    // Meta says that nothing was sent
	outcomeUnknown     outcome = "Unknown"     // Meta did not say: its place stays held
	outcomeUnreachable outcome = "Unreachable" // Meta could not be reached: nothing was sent
	outcomeRefused     outcome = "Refused"     // by the gate
	outcomeThrottled   outcome = "Throttled"   // Meta asked to wait, or a bound
	outcomeInvalid     outcome = "Invalid"     // it cannot be read, or the caller is not known
	outcomeNotReady    outcome = "NotReady"    // nothing could be decided
	outcomeUnreserved  outcome = "Unreserved"  // it is for nobody or for a group, and was passed on
)

// metrics are what the guard counts. No label can take a value that someone outside chooses.
type metrics struct {
	requests  *prometheus.CounterVec
	duration  prometheus.Histogram
	messages  *prometheus.CounterVec
	added     prometheus.Histogram
	pauses    *prometheus.CounterVec
	unguarded prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	register := promauto.With(registerer)
	return &metrics{
		requests: register.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_guard_requests_total",
			Help: "Total number of requests to the guard, by the HTTP status code of the answer: Meta's, or its own.",
		}, []string{"code"}),
		duration: register.NewHistogram(prometheus.HistogramOpts{
			Name: "numberfleet_guard_request_duration_seconds", Help: "How long the guard takes to answer a request, Meta's time included.",
			Buckets: server.RequestBuckets,
		}),
		messages: register.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_guard_messages_total",
			Help: "Total number of messages that came to the guard for numbers of the fleet, by what became of them.",
		}, []string{"outcome"}),
		added: register.NewHistogram(prometheus.HistogramOpts{
			Name: "numberfleet_guard_added_seconds", Help: "How much later a sender has Meta's answer to a message, for the guard in between.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1},
		}),
		pauses: register.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_guard_pauses_total",
			Help: "Total number of answers with which Meta asked to send less, by its error code.",
		}, []string{"code"}),
		unguarded: register.NewCounter(prometheus.CounterOpts{
			Name: "numberfleet_guard_unguarded_total",
			Help: "Total number of messages that passed the guard without a reservation, since no PhoneNumber has the number they are sent from.",
		}),
	}
}
