package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/hack/bench/measure"
)

const (
	fleetNamespace = "fleet"
	rawNamespace   = "raw"

	generalPolicy  = "quality-based"
	deadlinePolicy = "limit-of-ten"
	limit          = 10

	creators = 32 // numbers that are created at a time
)

// fleet is a fleet on its control plane, and what was measured of it so far.
type fleet struct {
	*cluster
	plan     *plan
	manager  string
	folder   string
	random   *rand.Rand
	typical  v1alpha1.PhoneNumberStatus // what the operator writes at first
	messages int
	out      *outcome
}

// digits are the phone number of a number of the fleet. They are fictional.
func digits(i int) string { return fmt.Sprintf("+155501%05d", i) }

func phoneNumber(namespace string, i int, policy string) *v1alpha1.PhoneNumber {
	number := &v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("number-%05d", i)}}
	number.Spec.PhoneNumber = digits(i)
	number.Spec.DisplayName = "Harbour Hotel"
	number.Spec.Business = v1alpha1.Business{Name: "Harbour Hotels", WhatsAppBusinessAccountID: "102290129340398"}
	number.Spec.PolicyName = policy
	return number
}

// limitOfTen is a policy whose limit a few deliveries reach, and that raises nobody.
func limitOfTen() *v1alpha1.MessagingPolicy {
	never := int64(1_000_000_000)
	return &v1alpha1.MessagingPolicy{ObjectMeta: metav1.ObjectMeta{Name: deadlinePolicy}, Spec: v1alpha1.MessagingPolicySpec{
		Scope:    v1alpha1.ScopeNumber,
		Tiers:    []v1alpha1.Tier{{Name: "1", Limit: limit}, {Name: "2"}},
		Start:    v1alpha1.StartTiers{Unverified: "1", Verified: "1"},
		Counting: v1alpha1.Counting{Measure: v1alpha1.MeasureUniqueUsers, WindowHours: 24},
		Upgrade:  v1alpha1.Upgrade{Measure: v1alpha1.MeasureUniqueUsers, Threshold: &never, WindowHours: 168, MinimumQuality: v1alpha1.QualityHigh},
		Quality:  v1alpha1.QualityRules{WindowHours: 168},
	}}
}

// create runs the operator with one number, to learn what it writes and what memory it takes by itself, and creates the rest.
func (f *fleet) create(ctx context.Context) error {
	create := func(ctx context.Context, i int) error {
		policy := generalPolicy
		if i < f.out.deadline {
			policy = deadlinePolicy
		}
		return f.client.Create(ctx, phoneNumber(fleetNamespace, i, policy))
	}
	last := f.out.size - 1
	if err := create(ctx, last); err != nil {
		return err
	}
	o, err := f.startOperator()
	if err != nil {
		return err
	}
	_, err = f.allCurrent(ctx, o, 1)
	if err == nil && f.out.empty == 0 {
		f.out.empty, err = o.resident(ctx, f.plan.rest)
	}
	if err := errors.Join(err, o.Stop(rig.Patience)); err != nil {
		return err
	}
	number := &v1alpha1.PhoneNumber{}
	if err := f.client.Get(ctx, client.ObjectKeyFromObject(phoneNumber(fleetNamespace, last, "")), number); err != nil {
		return err
	}
	f.typical = number.Status
	return each(ctx, creators, last, create)
}

// firstStart measures the time until every number has its status.
func (f *fleet) firstStart(ctx context.Context) error {
	o, err := f.startOperator()
	if err != nil {
		return err
	}
	server, err := f.serverCPU()
	if err != nil {
		return err
	}
	f.out.first, err = f.allCurrent(ctx, o, f.out.size-1) // one has its status already
	if err == nil {
		f.out.firstCPU.operator, err = measure.CPU(o.PID())
	}
	if err == nil {
		var now time.Duration
		now, err = f.serverCPU()
		f.out.firstCPU.server = now - server
	}
	return errors.Join(err, o.Stop(rig.Patience))
}

// allCurrent waits until the API server has taken n statuses, and sees that every number is current then. Asking costs the API
// server as much as several writes: it is asked again when half of what is left should be done.
func (f *fleet) allCurrent(ctx context.Context, o *operator, n int) (time.Duration, error) {
	_, before, err := f.written(ctx)
	if err != nil {
		return 0, err
	}
	for {
		_, now, err := f.written(ctx)
		if err != nil {
			return 0, err
		}
		took, done := time.Since(o.started), now-before
		if int(done) >= n {
			return took, f.current(ctx)
		}
		wait := took / 4 // at most: what was done so far says little at first
		if done > 0 {
			wait = min(wait, time.Duration(float64(took)*(float64(n)-done)/done/2))
		}
		if err := rig.Sleep(ctx, max(wait, 20*time.Millisecond)); err != nil {
			return 0, err
		}
	}
}

// current is an error if a number of the fleet is not Ready, or not up to its spec.
func (f *fleet) current(ctx context.Context) error {
	return f.visit(ctx, func(number *v1alpha1.PhoneNumber) error {
		if !meta.IsStatusConditionTrue(number.Status.Conditions, v1alpha1.ConditionReady) || number.Status.ObservedGeneration != number.Generation {
			return fmt.Errorf("PhoneNumber %s is not current", number.Name)
		}
		return nil
	})
}

// visit calls with every number of the fleet.
func (f *fleet) visit(ctx context.Context, call func(*v1alpha1.PhoneNumber) error) error {
	page := client.ListOptions{Namespace: fleetNamespace, Limit: 1000}
	for {
		var numbers v1alpha1.PhoneNumberList
		if err := f.client.List(ctx, &numbers, &page); err != nil {
			return err
		}
		for i := range numbers.Items {
			if err := call(&numbers.Items[i]); err != nil {
				return err
			}
		}
		if page.Continue = numbers.Continue; page.Continue == "" {
			return nil
		}
	}
}

// live restarts the operator and measures it at rest, and under traffic while deadlines pass.
func (f *fleet) live(ctx context.Context) (err error) {
	o, err := f.startOperator()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Stop(rig.Patience)) }()
	if f.out.ready, err = o.ready(ctx); err != nil {
		return err
	}
	if f.out.again, err = o.waitReconciled(ctx, f.out.size); err != nil {
		return err
	}
	f.out.rest, err = f.during(ctx, func() error {
		memory, err := o.resident(ctx, f.plan.rest)
		f.out.memory = (memory - f.out.empty) / float64(f.out.size)
		return err
	})
	if err != nil {
		return err
	}
	before, err := o.lateness(ctx)
	if err != nil {
		return err
	}
	// The operator has to write a status for each number before the first deadline.
	first := time.Now().Add(f.plan.lead + time.Duration(f.out.deadline)*20*time.Millisecond)
	if err := f.setDeadlines(ctx, o, first); err != nil {
		return err
	}
	if err := f.restrictedBefore(ctx, first.Add(-2*time.Second)); err != nil {
		return err
	}
	end := first.Add(f.plan.traffic)
	ofCounts, err := o.countsWritten(ctx)
	if err != nil {
		return err
	}
	f.out.busy, err = f.during(ctx, func() error { return f.send(ctx, o, end) })
	if err != nil {
		return err
	}
	written, err := o.countsWritten(ctx)
	if err != nil {
		return err
	}
	f.out.counts = (written - ofCounts) / (f.out.busy.hours * 3600)
	memory, err := o.resident(ctx, 0)
	if err != nil {
		return err
	}
	f.out.busyMem = (memory - f.out.empty) / float64(f.out.size)
	// A deadline that is met late is met all the same.
	if err := rig.Sleep(ctx, f.plan.lead); err != nil {
		return err
	}
	after, err := o.lateness(ctx)
	if err != nil {
		return err
	}
	f.out.lateness = after.since(before)
	if int(f.out.lateness.count) < f.out.deadline {
		return fmt.Errorf("%d deadlines were set, and %.0f were met", f.out.deadline, f.out.lateness.count)
	}
	if n, err := f.restricted(ctx); err != nil || n > 0 {
		return cmp.Or(err, fmt.Errorf("after their deadlines %d numbers are still restricted", n))
	}
	return nil
}

// during counts what is written while something goes on.
func (f *fleet) during(ctx context.Context, call func() error) (writes, error) {
	before, _, err := f.written(ctx)
	start := time.Now()
	if err == nil {
		err = call()
	}
	if err != nil {
		return writes{}, err
	}
	after, _, err := f.written(ctx)
	return writes{n: after - before, hours: time.Since(start).Hours()}, err
}

// restricted is how many of the numbers with deadlines are restricted: the first by name.
func (f *fleet) restricted(ctx context.Context) (n int, err error) {
	var numbers v1alpha1.PhoneNumberList
	err = f.client.List(ctx, &numbers, client.InNamespace(fleetNamespace), client.Limit(f.out.deadline))
	for i := range numbers.Items {
		if numbers.Items[i].Status.State == v1alpha1.StateRestricted {
			n++
		}
	}
	return n, err
}

// restrictedBefore waits until all of them are, and is an error unless they are by then.
func (f *fleet) restrictedBefore(ctx context.Context, end time.Time) error {
	for {
		n, err := f.restricted(ctx)
		if err != nil || n == f.out.deadline {
			return err
		}
		if !time.Now().Before(end) {
			return fmt.Errorf("%d of %d numbers were restricted in time", n, f.out.deadline)
		}
		if err := rig.Sleep(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
}

// grow gives every number users, and restarts the operator.
func (f *fleet) grow(ctx context.Context) (err error) {
	o, err := f.startOperator()
	if err != nil {
		return err
	}
	if _, err = o.ready(ctx); err == nil {
		for number := f.out.deadline; number < f.out.size && err == nil; number++ {
			batch := make([]delivery, f.plan.users)
			for i := range batch {
				batch[i] = delivery{number: number, user: number*f.plan.users + i, at: time.Now().Add(-time.Duration(i) * time.Second)}
			}
			err = f.post(ctx, o, batch)
		}
	}
	if err == nil {
		// Statuses follow deliveries by a second or so.
		_, err = o.waitReconciled(ctx, f.out.size)
	}
	if err := errors.Join(err, o.Stop(rig.Patience)); err != nil {
		return err
	}
	if o, err = f.startOperator(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Stop(rig.Patience)) }()
	g := &grown{users: f.plan.users}
	if g.ready, err = o.ready(ctx); err != nil {
		return err
	}
	if g.again, err = o.waitReconciled(ctx, f.out.size); err != nil {
		return err
	}
	memory, err := o.resident(ctx, f.plan.rest)
	g.memory = (memory - f.out.empty) / float64(f.out.size)
	f.out.users = g
	return err
}
