package ingest

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/receipts"
)

// metrics are what the receiver counts of an app. No label can take a value that someone outside chooses.
type metrics struct {
	of        prometheus.Registerer
	requests  *prometheus.CounterVec
	duration  prometheus.Histogram
	updates   *prometheus.CounterVec
	fields    *prometheus.CounterVec
	failed    *prometheus.CounterVec
	preferred *prometheus.CounterVec
	repeated  prometheus.Counter
	expired   prometheus.Counter
	unclaimed prometheus.Counter
	foreign   prometheus.Counter
	last      prometheus.Gauge
}

// newMetrics are those of an app, by its name: its series have it as their label app.
func newMetrics(registerer prometheus.Registerer, app string) (*metrics, error) {
	registerer = prometheus.WrapRegistererWith(prometheus.Labels{"app": app}, registerer)
	m := &metrics{
		of: registerer,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_webhook_requests_total",
			Help: "Total number of requests to the webhook receiver, by the HTTP status code of the answer.",
		}, []string{"code"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "numberfleet_webhook_request_duration_seconds",
			Help: "Time from a request's headers to its answer, in seconds. Meta asks for a median of 0.25 and less than 1 % above 1.",
			Buckets: []float64{
				.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 30,
			},
		}),
		updates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_webhook_updates_total",
			Help: "Total number of updates in acknowledged webhooks, by kind: delivered (read and played among them), received, sent, failed, " +
				"report, preference (of a user about marketing messages), changed (a user has another phone number or id), skipped (says " +
				"nothing that counts), unread (could not be read, and was passed over) and other (of a field that is not read). Repeated " +
				"ones count again.",
		}, []string{"kind"}),
		fields: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_webhook_other_changes_total",
			Help: "Total number of changes in acknowledged webhooks that were not read, by their field. Fields that Meta does not document " +
				"count as other.",
		}, []string{"field"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_webhook_failed_messages_total",
			Help: "Total number of failed statuses in acknowledged webhooks, by Meta's error code. Codes that are rare or unknown count as other.",
		}, []string{"code"}),
		preferred: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_webhook_marketing_preferences_total",
			Help: "Total number of decisions of users about marketing messages in acknowledged webhooks, by kind: stop, resume and other. Who " +
				"decided is not kept.",
		}, []string{"kind"}),
		repeated: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "numberfleet_webhook_repeated_updates_total",
			Help: "Total number of updates that changed nothing because they were known already.",
		}),
		expired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "numberfleet_webhook_expired_updates_total",
			Help: "Total number of updates that were dropped because they came too late to count.",
		}),
		unclaimed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "numberfleet_webhook_unclaimed_updates_total",
			Help: "Total number of updates about numbers that no PhoneNumber names. They are kept.",
		}),
		foreign: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "numberfleet_webhook_foreign_requests_total",
			Help: "Total number of webhooks that were refused, or of which a part was left out, since it was about a WhatsApp Business " +
				"account that the app that signed them may not speak about.",
		}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "numberfleet_webhook_last_received_timestamp_seconds",
			Help: "When a webhook was last acknowledged, as a Unix time; 0 if none was since the start.",
		}),
	}
	for _, collector := range []prometheus.Collector{
		m.requests, m.duration, m.updates, m.fields, m.failed, m.preferred, m.repeated, m.expired, m.unclaimed, m.foreign, m.last,
	} {
		if err := registerer.Register(collector); err != nil {
			return nil, err
		}
	}
	// A kind that never came is zero, not absent: a rate of it can be alerted on from the start.
	m.add(tally{})
	return m, nil
}

// holds says of the app whether it has a secret, from now on.
func (m *metrics) holds(credentials *Credentials) error {
	return m.of.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "numberfleet_webhook_app_ready",
		Help: "Whether webhooks of the app can be received: 0 where its app secret is missing, 1 where it is there.",
	}, func() float64 {
		if credentials.get().ready() {
			return 1
		}
		return 0
	}))
}

func (m *metrics) request(code int, took time.Duration) {
	m.requests.WithLabelValues(strconv.Itoa(code)).Inc()
	m.duration.Observe(took.Seconds())
}

func (m *metrics) stored(now time.Time, c tally, appended counts.Appended) {
	m.add(c)
	m.last.Set(float64(now.Unix()))
	m.repeated.Add(float64(appended.Repeated))
	m.expired.Add(float64(appended.Expired))
	m.unclaimed.Add(float64(c.unclaimed))
}

func (m *metrics) add(c tally) {
	other := 0
	for field, n := range c.fields.All {
		m.fields.WithLabelValues(field).Add(float64(n))
		other += n
	}
	failed := 0
	for code, n := range c.failed {
		m.failed.WithLabelValues(code).Add(float64(n))
		failed += n
	}
	preferences := 0
	for _, kind := range [...]struct {
		name string
		n    int
	}{{"stop", c.preferred.Stopped}, {"resume", c.preferred.Resumed}, {"other", c.preferred.Other}} {
		m.preferred.WithLabelValues(kind.name).Add(float64(kind.n))
		preferences += kind.n
	}
	for _, kind := range [...]struct {
		name string
		n    int
	}{
		{"delivered", c.delivered}, {"received", c.received}, {"sent", c.sent}, {"failed", failed}, {"report", c.reports},
		{"preference", preferences}, {"changed", c.changed}, {"skipped", c.skipped}, {"unread", c.unread}, {"other", other},
	} {
		m.updates.WithLabelValues(kind.name).Add(float64(kind.n))
	}
}

// counts are what one request brought.
type tally struct {
	delivered, received, sent, reports, changed, skipped, unread int
	failed                                                       map[string]int // by code
	fields                                                       meta.Fields
	preferred                                                    meta.Preferences
	unclaimed                                                    int // records
	sightings                                                    []sighting
	request                                                      receipts.Request
}

func count(u *meta.Updates, batch *counts.Batch, known func(string) bool, request receipts.Request) tally {
	c := tally{
		delivered: len(u.Deliveries), received: len(u.Received), sent: u.Sent, reports: len(u.Reports), changed: u.Changed, skipped: u.Skipped, unread: len(u.Unread), fields: u.Other,
		preferred: u.Preferred,
	}
	if c.unclaimed = unclaimed(batch, known); c.unclaimed > 0 {
		c.sightings = sightings(u, known)
	}
	if len(u.Failures) > 0 {
		c.failed = make(map[string]int, 1)
	}
	for i := range u.Failures {
		code, known := failureCodes[u.Failures[i].Code]
		if !known {
			code = "other"
		}
		c.failed[code]++
	}
	c.request = request
	return c
}

// failureCodes are the codes that say something about a number, its account or its users, by Meta's page
// "support/error-codes".
var failureCodes = func() map[int64]string {
	names := map[int64]string{}
	for _, code := range []int64{
		368, 130429, 130472, 130497, 131000, 131016, 131026, 131031, 131037, 131042, 131045, 131047, 131048, 131049, 131050, 131056, 131057,
		131062, 131064, 132001, 132015, 132016,
	} {
		names[code] = strconv.FormatInt(code, 10)
	}
	return names
}()

// requestOf is what a request brought, at now, that is not the ledger's. It aliases nothing of the updates.
func requestOf(u *meta.Updates, now time.Time) (request receipts.Request) {
	for i := range u.Deliveries {
		if d := &u.Deliveries[i]; d.Category != meta.NoCategory {
			request.Delivered = append(request.Delivered, receipts.Delivered{Number: d.Number, Category: d.Category})
		}
	}
	for i := range u.Failures {
		failed := receipts.Failure{Number: u.Failures[i].Number, Code: u.Failures[i].Code, At: now}
		if at := u.Failures[i].At; at > 0 {
			failed.At = time.Unix(at, 0).UTC()
		}
		request.Failures = append(request.Failures, failed)
	}
	return request
}
