package usage

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/promusage"
	"numberfleet.dev/numberfleet/internal/rules"
)

// NotSampledYet says that nothing is known of a number yet.
var NotSampledYet = conditions.Unknown(v1alpha1.ReasonNotSampledYet, "The Prometheus that the counts come from has told nothing yet.")

// Verdict is what to say of a number whose counts are a Prometheus'; false where what is said already stands, as after a
// start.
func (s *Prometheus) Verdict(n *v1alpha1.PhoneNumber) (conditions.Verdict, bool) {
	if s.Server(n.Namespace) == nil {
		return conditions.False(v1alpha1.ReasonSourceNotConfigured,
				"The operator's configuration has no Prometheus for the namespace. What was concluded from the last count stands."),
			true
	}
	if known, ok := s.Get(n); ok {
		return known.Verdict, true
	}
	return NotSampledYet, n.Status.Usage.Source != v1alpha1.CountedByPrometheus
}

// Prometheus are what the Sampler read, of the numbers that take their counts from a Prometheus.
type Prometheus struct {
	Config  config.Prometheus
	servers map[string]*config.PrometheusNamespace // by namespace

	mu          sync.RWMutex
	of          map[string]map[types.UID]Sample // by namespace
	subscribers []func(number string)
}

// Sample is what was read of a number, and how that went.
type Sample struct {
	Readings [Quantities]promusage.Reading
	Asked    [Quantities]bool
	Since    time.Time // when it was asked for first
	Verdict  conditions.Verdict
}

// Quantity is one of the counts that are asked for.
type Quantity int

// The counts that are asked for, and how many they are.
const (
	UsedCount Quantity = iota
	UsersCount
	MessagesCount
	Quantities
)

// String is the name of the query in a spec and in the configuration.
func (q Quantity) String() string { return [...]string{"used", "uniqueUsers", "messages"}[q] }

// NewPrometheus is empty.
func NewPrometheus(of config.Prometheus) *Prometheus {
	s := &Prometheus{Config: of, servers: map[string]*config.PrometheusNamespace{}, of: map[string]map[types.UID]Sample{}}
	for i := range of.Namespaces {
		s.servers[of.Namespaces[i].Name] = &of.Namespaces[i]
	}
	return s
}

// Subscribe calls changed with a number whose counts, or what is to be said of them, changed. It must return quickly.
func (s *Prometheus) Subscribe(changed func(number string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribers = append(s.subscribers, changed)
}

// Server is the Prometheus of a namespace; nil if it has none.
func (s *Prometheus) Server(namespace string) *config.PrometheusNamespace {
	return s.servers[namespace]
}

// Counts says whether a number's counts are a Prometheus' and not the ledger's.
func (s *Prometheus) Counts(n *v1alpha1.PhoneNumber) bool {
	switch {
	case n.Spec.Usage.Source != "":
		return n.Spec.Usage.Source == v1alpha1.UsageFromPrometheus
	case n.Spec.Usage.Queries != (v1alpha1.UsageQueries{}):
		return true
	}
	server := s.Server(n.Namespace)
	return server != nil && server.Queries != (config.PrometheusQueries{})
}

// Get is what was read of a number; false if it was not asked for yet.
func (s *Prometheus) Get(n *v1alpha1.PhoneNumber) (Sample, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, ok := s.of[n.Namespace][n.UID]
	return found, ok
}

// readings are what was read of a number last. What was not read since the start is as the status has it: its counts stand.
func (s *Prometheus) readings(n *v1alpha1.PhoneNumber, policy *rules.Policy) [Quantities]promusage.Reading {
	known, _ := s.Get(n)
	if have := &n.Status.Usage; have.Source == v1alpha1.CountedByPrometheus && !have.SampledTime.IsZero() {
		for q, stands := range [Quantities]struct {
			count   *int64
			measure v1alpha1.Measure
			window  time.Duration
		}{{have.OwnUsed, policy.Measure, policy.Window}, {have.UniqueUsers7d, v1alpha1.MeasureUniqueUsers, statuses.Week}, {have.Messages7d, v1alpha1.MeasureMessages, statuses.Week}} {
			if r := &known.Readings[q]; !r.Read() && stands.count != nil {
				*r = promusage.Reading{Measure: stands.measure, Window: stands.window, Count: *stands.count, At: statuses.UTC(have.SampledTime)}
			}
		}
	}
	return known.Readings
}

// Usage is how a number's counts answer the rules. The policy is the whole one.
func (s *Prometheus) Usage(n *v1alpha1.PhoneNumber, policy *rules.Policy, feedback rules.Usage) promusage.Usage {
	r := s.readings(n, policy)
	// As old as two periods: an outage that passes is none.
	return promusage.Usage{Feedback: feedback, Fresh: 2 * s.Config.Period(), Used: r[UsedCount], Achieved: r[UsersCount:]}
}

// Replace puts what was read of a namespace in the place of what was before, and tells of the numbers for which it is news.
func (s *Prometheus) Replace(namespace string, of map[types.UID]Sample, news []string) {
	s.mu.Lock()
	s.of[namespace] = of
	subscribers := s.subscribers
	s.mu.Unlock()
	for _, number := range news {
		for _, changed := range subscribers {
			changed(number)
		}
	}
}

// SetUsage writes a number's counts into its status.
func (s *Prometheus) SetUsage(usage *v1alpha1.UsageStatus, n *v1alpha1.PhoneNumber, policy *rules.Policy) {
	r := s.readings(n, policy)
	usage.Source, usage.SampledTime = v1alpha1.CountedByPrometheus, statuses.Time(r[UsedCount].At)
	usage.Used, usage.UniqueUsers7d, usage.Messages7d = nil, nil, nil
	if used := r[UsedCount]; used.Read() {
		usage.Used = new(used.Count)
	}
	if users := r[UsersCount]; users.Read() && users.Measure == v1alpha1.MeasureUniqueUsers && users.Window == statuses.Week {
		usage.UniqueUsers7d = new(users.Count)
	}
	if messages := r[MessagesCount]; messages.Read() && messages.Window == statuses.Week {
		usage.Messages7d = new(messages.Count)
	}
}
