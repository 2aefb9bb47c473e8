// Package prometheus asks Prometheus for the counts of the numbers that take theirs from there.
package prometheus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/source"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/controllers/internal/usage"
	"numberfleet.dev/numberfleet/internal/promquery"
)

// Poller asks Prometheus for the counts of the numbers that take theirs from there, and puts them into Samples.
//
// It asks by namespace: a query of the configuration is asked once for all of its numbers. It writes nothing; the numbers for
// which an answer is news are reconciled, and say how fresh their counts are. Every replica asks for itself: each says what may be sent.
type Poller struct {
	Samples  *usage.Prometheus
	Cache    client.Reader
	Policies lookup.Policies
	Clock    reconciler.Clock
	Metrics  *Metrics
	// UserAgent is sent with every query.
	UserAgent string
	// Timeout bounds a query; promquery.DefaultTimeout where it is zero.
	Timeout time.Duration

	namespaces map[string]*namespace
}

// namespace is a namespace whose Prometheus is asked. Its reconciles come one after the other; the mutex is for the metrics.
type namespace struct {
	client *promquery.Client
	next   time.Time // nothing is asked before

	mu   sync.Mutex
	read time.Time // when every query was answered last, or there was none; at first, when the asking began
}

const (
	// maxNamespaces is how many namespaces are asked for at a time, and maxQueries how many queries of one.
	maxNamespaces = 4
	maxQueries    = 4
)

// SetupWithManager registers the controller. The indexes must be there (see SetupIndexes).
func (s *Poller) SetupWithManager(mgr ctrl.Manager) error {
	if err := s.open(); err != nil {
		return err
	}
	s.Metrics.collect(s.namespaces, s.Clock)
	c, err := controller.NewTyped("prometheus", mgr, controller.TypedOptions[string]{
		Reconciler:              s,
		MaxConcurrentReconciles: maxNamespaces,
		NeedLeaderElection:      new(false),
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[string](time.Second, time.Minute),
		LogConstructor: func(namespace *string) logr.Logger {
			logger := mgr.GetLogger().WithValues("controller", "prometheus")
			if namespace != nil {
				logger = logger.WithValues("namespace", *namespace)
			}
			return logger
		},
	})
	if err != nil {
		return err
	}
	return c.Watch(source.TypedFunc[string](s.begin))
}

// open makes the clients.
func (s *Poller) open() error {
	s.namespaces = map[string]*namespace{}
	for _, n := range s.Samples.Config.Namespaces {
		of, err := promquery.New(promquery.Options{URL: n.URL, TokenFile: n.TokenFile, CAFile: n.CAFile, UserAgent: s.UserAgent, Timeout: s.Timeout})
		if err != nil {
			return fmt.Errorf("the Prometheus of namespace %s: %w", n.Name, err)
		}
		s.namespaces[n.Name] = &namespace{client: of}
	}
	return nil
}

// begin has every namespace asked for at once: after a start nothing is known. From then on each
// reconcile brings the next.
func (s *Poller) begin(_ context.Context, queue workqueue.TypedRateLimitingInterface[string]) error {
	now := s.Clock.Now()
	for name, n := range s.namespaces {
		n.setRead(now)
		queue.Add(name)
	}
	return nil
}

// Reconcile asks for the counts of a namespace, if it is time, and comes back when it is time again.
func (s *Poller) Reconcile(ctx context.Context, namespace string) (ctrl.Result, error) {
	n := s.namespaces[namespace]
	if now := s.Clock.Now(); !now.Before(n.next) {
		if err := s.read(ctx, namespace, n, now); err != nil {
			return ctrl.Result{}, err
		}
		n.next = reconciler.InstantAfter(namespace, s.Samples.Config.Period(), s.Clock.Now())
	}
	return reconciler.SleepUntil(s.Clock, n.next, reconciler.NewsPriority), nil
}

// read asks all queries of a namespace, each once, and keeps what they tell.
func (s *Poller) read(ctx context.Context, namespace string, n *namespace, now time.Time) error {
	var list v1alpha1.PhoneNumberList
	if err := s.Cache.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list phone numbers: %w", err)
	}
	var numbers []*v1alpha1.PhoneNumber
	var asks [][usage.Quantities]query
	for i := range list.Items {
		number := &list.Items[i]
		if !number.DeletionTimestamp.IsZero() || !s.Samples.Counts(number) {
			continue
		}
		of, err := s.queriesOf(ctx, number)
		if err != nil {
			return err
		}
		numbers, asks = append(numbers, number), append(asks, of)
	}
	answers := s.query(ctx, namespace, n, asks)
	select {
	case <-ctx.Done():
		return nil // the operator ends, which is nobody's failure
	default:
	}
	s.store(namespace, numbers, asks, answers, now.UTC().Truncate(time.Second))
	complete := true
	for _, a := range answers {
		complete = complete && a.failed == nil
	}
	if complete {
		n.setRead(now)
	}
	return nil
}

// query asks each query once, some at a time. Where the server does not answer, the rest is not tried: a thousand queries would
// wait for as many timeouts.
func (s *Poller) query(ctx context.Context, namespace string, n *namespace, asks [][usage.Quantities]query) map[string]*answer {
	queries, shared := distinctQueries(asks)
	answers := make(map[string]*answer, len(queries))
	var (
		mu   sync.Mutex
		down *promquery.Error
		work = make(chan string)
		done sync.WaitGroup
	)
	for range min(maxQueries, len(queries)) {
		done.Go(func() {
			for query := range work {
				mu.Lock()
				a := &answer{failed: down}
				mu.Unlock()
				if a.failed == nil {
					var err error
					if a.samples, err = n.client.Query(ctx, query); err != nil {
						a.failed, _ = errors.AsType[*promquery.Error](err)
					}
					s.Metrics.countQuery(namespace, a.failed)
				}
				if shared[query] {
					a.groupByLabel(s.Samples.Server(namespace))
				}
				mu.Lock()
				if a.failed != nil && a.failed.Kind == promquery.Unreachable {
					down = a.failed
				}
				answers[query] = a
				mu.Unlock()
			}
		})
	}
	for _, query := range queries {
		work <- query
	}
	close(work)
	done.Wait()
	if down != nil && ctx.Err() == nil {
		log.FromContext(ctx).Info("Prometheus does not answer", "cause", down.Message)
	}
	return answers
}

// store takes over what the answers tell of the numbers. A count that could not be had stays as it was.
func (s *Poller) store(namespace string, numbers []*v1alpha1.PhoneNumber, asks [][usage.Quantities]query, answers map[string]*answer, now time.Time) {
	server, period := s.Samples.Server(namespace), s.Samples.Config.Period()
	known := make(map[types.UID]usage.Sample, len(numbers))
	var news []string
	for i, number := range numbers {
		before, again := s.Samples.Get(number)
		after := usage.Sample{Since: before.Since}
		if !again {
			after.Since = now
		}
		var missing [usage.Quantities]*shortfall
		changed := !again
		for q, a := range asks[i] {
			if a.query == "" {
				continue
			}
			q := usage.Quantity(q)
			after.Asked[q], after.Readings[q] = true, before.Readings[q]
			count, why := answers[a.query].countOf(number, a, q, server)
			if missing[q] = why; why == nil {
				was := before.Readings[q]
				after.Readings[q] = was.Next(a.measure, a.window, count, now)
				changed = changed || !was.Read() || was.Count != count || was.Measure != a.measure || was.Window != a.window || now.Sub(was.At) >= 2*period
			}
		}
		after.Verdict = judge(&after, missing, period, now)
		if changed || after.Verdict != before.Verdict || after.Asked != before.Asked {
			news = append(news, number.Spec.PhoneNumber)
		}
		known[number.UID] = after
	}
	s.Samples.Replace(namespace, known, news)
}

func (n *namespace) setRead(at time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.read = at
}

// since is when the namespace was read last, or since when it is; false if another process asks.
func (n *namespace) since() (read time.Time, begun bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.read, !n.read.IsZero()
}
