package webhook

import (
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/server"
)

// metrics are what the receiver counts of an app. No label can take a value that someone outside chooses.
type metrics struct {
	requests  *prometheus.CounterVec
	duration  prometheus.Histogram
	updates   *prometheus.CounterVec
	fields    *prometheus.CounterVec
	preferred *prometheus.CounterVec
	repeated  prometheus.Counter
	expired   prometheus.Counter
	unstored  prometheus.Counter
	unclaimed prometheus.Counter
	foreign   prometheus.Counter
	last      prometheus.Gauge
}

// newMetrics are those of an app, by its name: its series have it as their label app.
func newMetrics(registerer prometheus.Registerer, app string) *metrics {
	register := promauto.With(prometheus.WrapRegistererWith(prometheus.Labels{"app": app}, registerer))
	m := &metrics{
		requests: register.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_webhook_requests_total",
			Help: "Total number of requests to the webhook receiver, by the HTTP status code of the answer.",
		}, []string{"code"}),
		duration: register.NewHistogram(prometheus.HistogramOpts{
			Name:    "numberfleet_webhook_request_duration_seconds",
			Help:    "Time from a request's headers to its answer, in seconds. Meta asks for a median of 0.25 and less than 1 % above 1.",
			Buckets: server.RequestBuckets,
		}),
		updates: register.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_webhook_updates_total",
			Help: "Total number of updates in acknowledged webhooks, by kind: delivered (read and played among them), received, sent, failed, " +
				"report, preference (of a user about marketing messages), changed (a user has another phone number or id), skipped (says " +
				"nothing that counts), unread (could not be read, and was passed over) and other (of a field that is not read). Repeated " +
				"ones count again.",
		}, []string{"kind"}),
		fields: register.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_webhook_other_changes_total",
			Help: "Total number of changes in acknowledged webhooks that were not read, by their field. Fields that Meta does not document " +
				"count as other.",
		}, []string{"field"}),
		preferred: register.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_webhook_marketing_preferences_total",
			Help: "Total number of decisions of users about marketing messages in acknowledged webhooks, by kind: stop, resume and other. Who " +
				"decided is not kept.",
		}, []string{"kind"}),
		repeated: register.NewCounter(prometheus.CounterOpts{
			Name: "numberfleet_webhook_repeated_updates_total",
			Help: "Total number of updates that changed nothing because they were known already.",
		}),
		expired: register.NewCounter(prometheus.CounterOpts{
			Name: "numberfleet_webhook_expired_updates_total",
			Help: "Total number of updates that were dropped because they came too late to count.",
		}),
		unclaimed: register.NewCounter(prometheus.CounterOpts{
			Name: "numberfleet_webhook_unclaimed_updates_total",
			Help: "Total number of updates about numbers that no PhoneNumber names. They are kept.",
		}),
		unstored: register.NewCounter(prometheus.CounterOpts{
			Name: "numberfleet_webhook_unstored_requests_total",
			Help: "Total number of webhooks whose updates the ledger could not keep. Meta sends them again.",
		}),
		foreign: register.NewCounter(prometheus.CounterOpts{
			Name: "numberfleet_webhook_foreign_requests_total",
			Help: "Total number of webhooks that were refused, or of which a part was left out, since it was about a WhatsApp Business " +
				"account that the app that signed them may not speak about.",
		}),
		last: register.NewGauge(prometheus.GaugeOpts{
			Name: "numberfleet_webhook_last_received_timestamp_seconds",
			Help: "When a webhook was last acknowledged, as a Unix time; 0 if none was since the start.",
		}),
	}
	// What never came is zero, not absent: a rate of it can be alerted on from the start.
	m.add(&tally{})
	return m
}

func (m *metrics) instrument(handle server.Handler, log logr.Logger, clk clock.PassiveClock) http.Handler {
	return &server.Instrumented{Name: "webhook", Handle: handle, Refuse: refuse, Log: log, Clock: clk, Requests: m.requests, Duration: m.duration}
}

// received counts the updates of a webhook that is stored.
func (m *metrics) received(now time.Time, t *tally, unclaimed int, appended counts.Outcome) {
	m.add(t)
	m.last.Set(float64(now.Unix()))
	m.repeated.Add(float64(appended.Repeated))
	m.expired.Add(float64(appended.Expired))
	m.unclaimed.Add(float64(unclaimed))
}

// tally is how many updates of each kind one webhook brought. It outlives the updates.
type tally struct {
	delivered, received, sent, failed, reports, changed, skipped, unread int
	fields                                                               meta.Fields
	preferences                                                          meta.Preferences
}

func tallyOf(u *meta.Updates) tally {
	return tally{
		delivered: len(u.Deliveries), received: len(u.Received), sent: u.Sent, failed: len(u.Failures), reports: len(u.Reports), changed: u.Changed,
		skipped: u.Skipped, unread: len(u.Unread), fields: u.Other, preferences: u.Preferred,
	}
}

func (m *metrics) add(t *tally) {
	other := 0
	for field, n := range t.fields.All {
		m.fields.WithLabelValues(field).Add(float64(n))
		other += n
	}
	m.preferred.WithLabelValues("stop").Add(float64(t.preferences.Stopped))
	m.preferred.WithLabelValues("resume").Add(float64(t.preferences.Resumed))
	m.preferred.WithLabelValues("other").Add(float64(t.preferences.Other))
	for _, kind := range [...]struct {
		name string
		n    int
	}{
		{"delivered", t.delivered}, {"received", t.received}, {"sent", t.sent}, {"failed", t.failed}, {"report", t.reports},
		{"preference", t.preferences.Stopped + t.preferences.Resumed + t.preferences.Other}, {"changed", t.changed}, {"skipped", t.skipped},
		{"unread", t.unread}, {"other", other},
	} {
		m.updates.WithLabelValues(kind.name).Add(float64(kind.n))
	}
}
