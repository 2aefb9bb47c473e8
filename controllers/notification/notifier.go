// Package notification sends transitions to the receivers of the operator's configuration.
package notification

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/notify"
)

// Notifier sends transitions to receivers. Each receiver is a controller of its own, with its own queue and workers, so
// that one that is slow or fails holds up no other.
//
// What was sent is remembered in the status of each object, as the number of the last transition that is done with. It is
// written right after the sending: a restart or another leader goes on from there. Only a process that is killed between
// the two sends something again, under the same identity.
type Notifier struct {
	Receivers []config.Receiver
	// Namespace of the operator, where it remembers since when receivers are there.
	Namespace string
	// Clock of the rules, whose times transitions carry.
	Clock reconciler.Clock
	// Real is the clock that the receivers live by, however fast the rules' runs.
	Real    clock.PassiveClock
	Metrics *Metrics

	// MinBackoff and MaxBackoff bound how long after a failure it is tried again, in real time and before jitter; 1 s and
	// 5 min where they are zero.
	MinBackoff, MaxBackoff time.Duration
}

// workers is how many notices are on their way to one receiver at a time.
const workers = 4

// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=phonenumbers;businessportfolios;messagetemplates,verbs=get;list;watch
// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=phonenumbers/status;businessportfolios/status;messagetemplates/status,verbs=patch

// SetupWithManager registers a controller for each receiver. Without receivers it does nothing.
func (n *Notifier) SetupWithManager(mgr ctrl.Manager) error {
	if len(n.Receivers) == 0 {
		return nil
	}
	if n.MinBackoff == 0 {
		n.MinBackoff = time.Second
	}
	if n.MaxBackoff == 0 {
		n.MaxBackoff = 5 * time.Minute
	}
	beginnings := newSubscriptions(mgr.GetAPIReader(), mgr.GetClient(), n.Namespace, n.Receivers, n.Clock.Now())
	if err := mgr.Add(manager.RunnableFunc(beginnings.begin)); err != nil {
		return fmt.Errorf("add the beginnings of receivers: %w", err)
	}
	for i := range n.Receivers {
		config := &n.Receivers[i]
		r := &receiver{
			config: config, sender: notify.New(config), beginnings: beginnings,
			client: mgr.GetClient(), fresh: mgr.GetAPIReader(), metrics: n.Metrics, sent: map[lookup.Key]unwritten{},
			pause: pause{clock: n.Real, least: n.MinBackoff, most: n.MaxBackoff},
		}
		n.Metrics.show(config.Name)
		if err := r.setup(mgr, n.MinBackoff, n.MaxBackoff); err != nil {
			return fmt.Errorf("set up the controller of receiver %s: %w", config.Name, err)
		}
	}
	return nil
}

// receiver sends to one receiver what it has not heard of yet.
type receiver struct {
	config     *config.Receiver
	sender     notify.Sender
	beginnings *subscriptions
	client     client.Client
	fresh      client.Reader // past the cache
	metrics    *Metrics
	pause      pause
	sentMu     sync.Mutex
	sent       map[lookup.Key]unwritten
}

// unwritten is how far an object's transitions were sent.
type unwritten struct {
	uid     types.UID
	reached int64
}

func (r *receiver) setup(mgr ctrl.Manager, least, most time.Duration) error {
	name := "notification-" + r.config.Name
	c, err := controller.NewTyped(name, mgr, controller.TypedOptions[lookup.Key]{
		Reconciler:              r,
		MaxConcurrentReconciles: workers,
		RateLimiter:             jitteredLimiter{workqueue.NewTypedItemExponentialFailureRateLimiter[lookup.Key](least, most)},
		LogConstructor: func(key *lookup.Key) logr.Logger {
			logger := mgr.GetLogger().WithValues("controller", "notification", "receiver", r.config.Name)
			if key != nil {
				logger = logger.WithValues("kind", key.Kind, "namespace", key.Namespace, "name", key.Name)
			}
			return logger
		},
	})
	if err != nil {
		return err
	}
	for kind, empty := range subjects {
		enqueue := handler.TypedEnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []lookup.Key {
			return []lookup.Key{{Kind: kind, NamespacedName: client.ObjectKeyFromObject(o)}}
		})
		if err := c.Watch(source.TypedKind[client.Object](mgr.GetCache(), empty(), enqueue, newTransitions)); err != nil {
			return err
		}
	}
	return nil
}

// newTransitions lets pass what has transitions, and new ones: nothing else of an object is news here.
var newTransitions = predicate.Funcs{
	CreateFunc: func(e event.CreateEvent) bool { return e.Object.(v1alpha1.Object).CommonStatus().Transitions > 0 },
	UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectNew.(v1alpha1.Object).CommonStatus().Transitions != e.ObjectOld.(v1alpha1.Object).CommonStatus().Transitions
	},
	DeleteFunc:  func(event.DeleteEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// jitteredLimiter spreads what failed together.
type jitteredLimiter struct {
	workqueue.TypedRateLimiter[lookup.Key]
}

func (j jitteredLimiter) When(key lookup.Key) time.Duration {
	return wait.Jitter(j.TypedRateLimiter.When(key), 0.3)
}

// Reconcile sends what the receiver has not heard of one object, and writes down how far it got.
func (r *receiver) Reconcile(ctx context.Context, key lookup.Key) (ctrl.Result, error) {
	select {
	case <-ctx.Done():
		return ctrl.Result{}, nil // the operator ends: nothing new is begun
	default:
	}
	object := subjects[key.Kind]()
	if err := r.client.Get(ctx, key.NamespacedName, object); apierrors.IsNotFound(err) {
		r.forget(key)
		return ctrl.Result{}, nil
	} else if err != nil {
		return ctrl.Result{}, fmt.Errorf("get the object: %w", err)
	}
	since, err := r.beginnings.of(ctx, r.config.Name)
	if err != nil {
		return ctrl.Result{}, err
	}
	status, uid := object.CommonStatus(), object.GetUID()
	written := progress(status, r.config.Name)
	done := max(written, r.recall(key, uid))
	notice, write := &notify.Notice{Receiver: r.config.Name, Now: object.Summary(), Last: status.Transitions}, false
	if in, err := inNamespaces(ctx, r.client, object, r.config.Namespaces); err != nil {
		return ctrl.Result{}, err
	} else if in {
		write = addNews(notice, since, status.History, done)
	}
	if len(notice.Transitions) > 0 || notice.Missed > 0 {
		if notice.Subject, err = subjectOf(r.client, object); err != nil {
			return ctrl.Result{}, err
		}
		if left := r.pause.left(); left > 0 {
			return ctrl.Result{RequeueAfter: wait.Jitter(left, 0.3)}, nil
		}
		reached, failed := r.send(ctx, notice)
		if reached > done {
			r.remember(key, uid, reached)
			failed = errors.Join(failed, r.writeDown(ctx, key, object, reached))
		}
		return ctrl.Result{}, failed
	}
	if done > written {
		return ctrl.Result{}, r.writeDown(ctx, key, object, done)
	}
	if write {
		return ctrl.Result{}, r.writeDown(ctx, key, object, status.Transitions)
	}
	return ctrl.Result{}, nil
}

// send sends a notice, and says how far the receiver is then.
func (r *receiver) send(ctx context.Context, notice *notify.Notice) (int64, error) {
	// What was begun is finished while the operator ends: cut off, nobody knew whether it was taken.
	reached, err := r.sender.Send(context.WithoutCancel(ctx), notice)
	r.metrics.countNotice(r.config.Name, err)
	if err == nil {
		r.pause.over()
		log.FromContext(ctx).Info("notification sent", "transitions", len(notice.Transitions), "missed", notice.Missed)
		return reached, nil
	}
	var asked time.Duration
	if answer, ok := errors.AsType[*notify.ResponseError](err); ok {
		asked = answer.RetryAfter
	}
	r.pause.begin(asked)
	return reached, fmt.Errorf("notification not sent: %w", err)
}

// writeDown writes how far the receiver is into the object's status, as the only writer of its notifications. The
// resource version keeps two receivers, or two leaders, from undoing each other.
func (r *receiver) writeDown(ctx context.Context, key lookup.Key, object v1alpha1.Object, done int64) error {
	// Even while the operator ends, but not for longer than that takes.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	uid := object.GetUID()
	for {
		if progress(object.CommonStatus(), r.config.Name) >= done {
			break
		}
		err := statuses.Apply(ctx, r.client, FieldOwner, object,
			v1alpha1.CommonStatus{Notifications: withProgress(object.CommonStatus(), r.config.Name, done, r.beginnings.receivers)})
		if err == nil || apierrors.IsNotFound(err) {
			break // written, or gone with what there was to remember
		} else if !apierrors.IsConflict(err) {
			return fmt.Errorf("write down what was sent: %w", err)
		}
		object = subjects[key.Kind]()
		if err := r.fresh.Get(ctx, key.NamespacedName, object); apierrors.IsNotFound(err) || err == nil && object.GetUID() != uid {
			break
		} else if err != nil {
			return fmt.Errorf("read what was written meanwhile: %w", err)
		}
	}
	r.forget(key)
	return nil
}

func (r *receiver) remember(key lookup.Key, uid types.UID, reached int64) {
	r.sentMu.Lock()
	defer r.sentMu.Unlock()
	r.sent[key] = unwritten{uid, reached}
}

func (r *receiver) recall(key lookup.Key, uid types.UID) int64 {
	r.sentMu.Lock()
	defer r.sentMu.Unlock()
	if s := r.sent[key]; s.uid == uid {
		return s.reached
	}
	return 0
}

func (r *receiver) forget(key lookup.Key) {
	r.sentMu.Lock()
	defer r.sentMu.Unlock()
	delete(r.sent, key)
}

// pause keeps a receiver that fails from being tried with each object in turn: for as long as it asks, or longer with
// each failure since its last success.
type pause struct {
	clock       clock.PassiveClock
	least, most time.Duration

	mu       sync.Mutex
	failures int
	until    time.Time
}

func (p *pause) begin(asked time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	length := p.least << min(p.failures, 20)
	p.failures++
	// Never so long as an object's own backoff becomes: it is for all of them.
	if until := p.clock.Now().Add(max(asked, min(length, p.most/5))); until.After(p.until) {
		p.until = until
	}
}

func (p *pause) over() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures, p.until = 0, time.Time{}
}

func (p *pause) left() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.until.Sub(p.clock.Now())
}

// Metrics count what is sent.
type Metrics struct{ notifications *prometheus.CounterVec }

// NewMetrics registers them.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "numberfleet_notifications_total",
		Help: "Number of attempts to send what happened to an object to a receiver, by result: sent or failed.",
	}, []string{"receiver", "result"})}
	registry.MustRegister(m.notifications)
	return m
}

// show shows a receiver before anything was sent to it.
func (m *Metrics) show(receiver string) {
	for _, result := range []string{"sent", "failed"} {
		m.notifications.WithLabelValues(receiver, result)
	}
}

func (m *Metrics) countNotice(receiver string, err error) {
	result := "sent"
	if err != nil {
		result = "failed"
	}
	m.notifications.WithLabelValues(receiver, result).Inc()
}

// FieldOwner owns the notifications in a status.
const FieldOwner = client.FieldOwner("numberfleet-notifications")

// addNews puts into a notice what a receiver is to hear of an object, whose last transitions are the history. Where that is nothing, write
// says whether so many transitions went by that did not concern the receiver that they are to be written down as done with.
func addNews(n *notify.Notice, since map[v1alpha1.TransitionReason]time.Time, history []v1alpha1.Transition, done int64) (write bool) {
	var first time.Time // the earliest instant that the receiver was there
	for _, t := range since {
		first = statuses.Earliest(first, t)
	}
	oldest := n.Last - int64(len(history)) + 1
	passed := 0
	for i, t := range history {
		number := oldest + int64(i)
		if number <= done || t.Time.Time.Before(first) {
			continue
		}
		passed++
		// A reason that is missing is not asked for.
		if from, asked := since[t.Reason]; asked && !t.Time.Time.Before(from) {
			n.Transitions = append(n.Transitions, notify.Transition{Transition: t, Number: number})
		}
	}
	// What left the history before it could be sent; unless it happened before the receiver was there.
	if len(history) > 0 && !history[0].Time.Time.Before(first) {
		n.Missed = max(0, oldest-1-done)
	}
	// Written down now and then, so that they are not taken for missed when they leave the history.
	return passed >= statuses.MaxHistory/2
}
