package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/journal/jetstream"
)

// Log collects how this replica stands with the log that it shares.
type Log struct {
	Ledger *ledger.Ledger
	Stats  func() jetstream.Stats
	// BacksUp says that snapshots are copied to a bucket.
	BacksUp bool

	appends prometheus.Histogram
}

// NewLog makes a collector without a ledger.
func NewLog(stats func() jetstream.Stats) *Log {
	return &Log{Stats: stats, appends: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "numberfleet_log_append_duration_seconds",
		Help:    "Time from the proposal of a round of records by this replica until it was applied here.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 5, 10, 15},
	})}
}

// ObserveAppend takes how long a round took.
func (l *Log) ObserveAppend(took time.Duration) { l.appends.Observe(took.Seconds()) }

var (
	logPositionDesc = prometheus.NewDesc("numberfleet_log_position", "Position of the log up to which this replica has read it.", nil, nil)
	logSnapshotDesc = prometheus.NewDesc("numberfleet_log_snapshot_position", "Position of the newest snapshot that this replica knows of; 0 for none.", nil, nil)
	logAgeDesc      = prometheus.NewDesc("numberfleet_log_age_seconds",
		"How old what this replica knows may be: all that anyone was told before is applied here.", nil, nil)
	logSkewDesc = prometheus.NewDesc("numberfleet_log_clock_difference_seconds",
		"By how much the clock of this replica is ahead of the log's, as of the last round of its own; negative if it is behind.", nil, nil)
	logLeadsDesc    = prometheus.NewDesc("numberfleet_log_leads", "Whether this replica leads: 1 then.", nil, nil)
	logRepeatsDesc  = prometheus.NewDesc("numberfleet_log_repeated_appends_total", "Total number of rounds and seals that were sent again, for want of an acknowledgement.", nil, nil)
	logRestartsDesc = prometheus.NewDesc("numberfleet_log_reader_restarts_total", "Total number of consumers that this replica gave up, since nothing came.", nil, nil)
	logDirectDesc   = prometheus.NewDesc("numberfleet_log_direct_reads_total", "Total number of messages that this replica read without a consumer.", nil, nil)
	logSealsDesc    = prometheus.NewDesc("numberfleet_log_seals_total", "Total number of seals that this replica compared with what it has read, and that agreed.", nil, nil)
	logBackupDesc   = prometheus.NewDesc("numberfleet_log_backup_timestamp_seconds",
		"When the newest snapshot was saved that this replica knows to be in the bucket, Unix time; 0 for none. The leader copies them.", nil, nil)
	logUncopiedDesc = prometheus.NewDesc("numberfleet_log_backup_failures_total", "Total number of attempts of this replica to copy a snapshot to the bucket that failed.", nil, nil)
)

type figure struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value float64
}

// Describe implements prometheus.Collector.
func (l *Log) Describe(descriptions chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(l, descriptions)
}

// Collect implements prometheus.Collector.
func (l *Log) Collect(metrics chan<- prometheus.Metric) {
	stats := l.Stats()
	figures := []figure{
		{logPositionDesc, prometheus.GaugeValue, float64(stats.Position)},
		{logSnapshotDesc, prometheus.GaugeValue, float64(stats.Snapshot)},
		{logAgeDesc, prometheus.GaugeValue, l.Ledger.Age().Seconds()},
		{logSkewDesc, prometheus.GaugeValue, l.Ledger.Skew().Seconds()},
		{logLeadsDesc, prometheus.GaugeValue, gaugeOf(l.Ledger.Leads())},
		{logRepeatsDesc, prometheus.CounterValue, float64(stats.Repeats)},
		{logRestartsDesc, prometheus.CounterValue, float64(stats.Restarts)},
		{logDirectDesc, prometheus.CounterValue, float64(stats.Direct)},
		{logSealsDesc, prometheus.CounterValue, float64(stats.Seals)},
	}
	if l.BacksUp {
		var at float64
		if !stats.BackedUp.IsZero() {
			at = float64(stats.BackedUp.Unix())
		}
		figures = append(figures, figure{logBackupDesc, prometheus.GaugeValue, at}, figure{logUncopiedDesc, prometheus.CounterValue, float64(stats.Uncopied)})
	}
	for _, figure := range figures {
		metrics <- prometheus.MustNewConstMetric(figure.desc, figure.kind, figure.value)
	}
	l.appends.Collect(metrics)
}
