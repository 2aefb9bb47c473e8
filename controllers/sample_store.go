package controllers

import (
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/sampled"
)

// Samples are what the Sampler read, of the numbers that take their counts from a Prometheus.
type Samples struct {
	config  config.Prometheus
	servers map[string]*config.PrometheusNamespace // by namespace

	mu          sync.RWMutex
	of          map[string]map[types.UID]sample // by namespace
	subscribers []func(number string)
}

// sample is what was read of a number, and how that went.
type sample struct {
	readings [quantities]sampled.Reading
	asked    [quantities]bool
	since    time.Time // when it was asked for first
	verdict  judgement
}

// quantity is one of the counts that are asked for.
type quantity int

const (
	usedCount quantity = iota
	usersCount
	messagesCount
	quantities
)

// String is the name of the query in a spec and in the configuration.
func (q quantity) String() string { return [...]string{"used", "uniqueUsers", "messages"}[q] }

// NewSamples is empty.
func NewSamples(of config.Prometheus) *Samples {
	s := &Samples{config: of, servers: map[string]*config.PrometheusNamespace{}, of: map[string]map[types.UID]sample{}}
	for i := range of.Namespaces {
		s.servers[of.Namespaces[i].Name] = &of.Namespaces[i]
	}
	return s
}

// Subscribe calls changed with a number whose counts, or what is to be said of them, changed. It must return quickly.
func (s *Samples) Subscribe(changed func(number string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribers = append(s.subscribers, changed)
}

// server is the Prometheus of a namespace; nil if it has none.
func (s *Samples) server(namespace string) *config.PrometheusNamespace {
	return s.servers[namespace]
}

// counts says whether a number's counts are a Prometheus' and not the ledger's.
func (s *Samples) counts(n *v1alpha1.PhoneNumber) bool {
	switch {
	case n.Spec.Usage.Source != "":
		return n.Spec.Usage.Source == v1alpha1.UsageFromPrometheus
	case n.Spec.Usage.Queries != (v1alpha1.UsageQueries{}):
		return true
	}
	server := s.server(n.Namespace)
	return server != nil && server.Queries != (config.PrometheusQueries{})
}

// get is what was read of a number; false if it was not asked for yet.
func (s *Samples) get(n *v1alpha1.PhoneNumber) (sample, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, ok := s.of[n.Namespace][n.UID]
	return found, ok
}

// readings are what was read of a number last. What was not read since the start is as the status has it: its counts stand.
func (s *Samples) readings(n *v1alpha1.PhoneNumber, policy *rules.Policy) [quantities]sampled.Reading {
	known, _ := s.get(n)
	if have := &n.Status.Usage; have.Source == v1alpha1.CountedByPrometheus && !have.SampledTime.IsZero() {
		for q, stands := range [quantities]struct {
			count   *int64
			measure v1alpha1.Measure
			window  time.Duration
		}{{have.OwnUsed, policy.Measure, policy.Window}, {have.UniqueUsers7d, v1alpha1.MeasureUniqueUsers, week}, {have.Messages7d, v1alpha1.MeasureMessages, week}} {
			if r := &known.readings[q]; !r.Read() && stands.count != nil {
				*r = sampled.Reading{Measure: stands.measure, Window: stands.window, Count: *stands.count, At: utc(have.SampledTime)}
			}
		}
	}
	return known.readings
}

// usage is how a number's counts answer the rules: those of its limit, and those of the way up. The policy is the whole one.
func (s *Samples) usage(n *v1alpha1.PhoneNumber, policy *rules.Policy, feedback rules.Usage) (used, climb sampled.Usage) {
	r := s.readings(n, policy)
	// As old as two periods: an outage that passes is none.
	fresh := 2 * s.config.Period()
	return sampled.Usage{Feedback: feedback, Fresh: fresh, Readings: r[usedCount : usedCount+1]},
		sampled.Usage{Feedback: feedback, Fresh: fresh, Readings: r[usersCount:]}
}

// replace puts what was read of a namespace in the place of what was before, and tells of the numbers for which it is news.
func (s *Samples) replace(namespace string, of map[types.UID]sample, news []string) {
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

// counted writes a number's counts into its status.
func (s *Samples) counted(usage *v1alpha1.UsageStatus, n *v1alpha1.PhoneNumber, policy *rules.Policy) {
	r := s.readings(n, policy)
	usage.Source, usage.SampledTime = v1alpha1.CountedByPrometheus, at(r[usedCount].At)
	usage.Used, usage.UniqueUsers7d, usage.Messages7d = nil, nil, nil
	if used := r[usedCount]; used.Read() {
		usage.Used = new(used.Count)
	}
	if users := r[usersCount]; users.Read() && users.Measure == v1alpha1.MeasureUniqueUsers && users.Window == week {
		usage.UniqueUsers7d = new(users.Count)
	}
	if messages := r[messagesCount]; messages.Read() && messages.Window == week {
		usage.Messages7d = new(messages.Count)
	}
}

// sharing are the numbers that share a limit, by where their counts come from.
type sharing struct {
	counted []string // by the ledger: phone numbers
	read    []*v1alpha1.PhoneNumber
	samples *Samples
}

func (s *Samples) sharing(numbers []*v1alpha1.PhoneNumber) sharing {
	all := sharing{samples: s}
	for _, n := range numbers {
		if s.counts(n) {
			all.read = append(all.read, n)
		} else {
			all.counted = append(all.counted, n.Spec.PhoneNumber)
		}
	}
	slices.Sort(all.counted)
	return all
}

// usage is how the counts of all answer the rules, where the ledger counts its own together.
func (s sharing) usage(together counts.Usage, policy *rules.Policy) (used, climb rules.Usage) {
	if len(s.read) == 0 {
		return together, nil
	}
	most, least := sampled.Together{Counted: together}, sampled.Together{Counted: together}
	for _, n := range s.read {
		used, climb := s.samples.usage(n, policy, together)
		most.Members, least.Members = append(most.Members, used), append(least.Members, climb)
	}
	return sampled.Most{Together: most}, sampled.Least{Together: least}
}

// mark says in a portfolio's status where its counts come from. Those that nobody knows are left out.
func (s sharing) mark(usage *v1alpha1.UsageStatus, policy *rules.Policy) {
	usage.Source = v1alpha1.CountedHere
	if len(s.read) == 0 {
		return
	}
	usage.Source = v1alpha1.CountedByPrometheus
	if len(s.counted) > 0 {
		usage.Source = v1alpha1.CountedMixed
	}
	// Users that numbers have in common would count twice.
	usage.UniqueUsers7d, usage.Messages7d, usage.SampledTime = nil, nil, metav1.Time{}
	for _, n := range s.read {
		used := s.samples.readings(n, policy)[usedCount]
		if !used.Read() {
			// The sum of the others would show room that may not be there.
			usage.Used, usage.SampledTime = nil, metav1.Time{}
			return
		}
		if usage.SampledTime.IsZero() || used.At.Before(usage.SampledTime.Time) {
			usage.SampledTime = at(used.At)
		}
	}
}
