// Package unclaimed reports what is received for numbers that no resource claims.
package unclaimed

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/unclaimed"
)

const (
	unclaimedEvery  = time.Minute     // between looks, in real time
	unclaimedNews   = 5 * time.Second // between looks for a number that is new
	unclaimedLogged = time.Hour       // between log lines, in real time
	mostLogged      = 10              // numbers in one of them
	mostUnclaimed   = 1000            // numbers in the ConfigMap
)

// Reporter tells what is received and not claimed: in a ConfigMap, which is written soon after another
// number came, and else once a minute if it changed, in a line of the log once an hour, and in metrics. It is a Runnable of every replica: each
// adds what it has received to what all have told.
type Reporter struct {
	Collected *unclaimed.Collector
	Hasher    counts.Hasher
	Ledger    *ledger.Ledger
	Numbers   client.Reader // the cache
	Fresh     client.Reader // past the cache
	Client    client.Client
	Namespace string           // of the operator; empty where it is not known: then there is no ConfigMap
	Clock     reconciler.Clock // of what is received
	Real      clock.WithTicker // of looks and the log
	Metrics   prometheus.Registerer

	known   map[string]unclaimed.Number // by key: what was told so far; nil where it is to be read
	version string                      // of the ConfigMap that told it, empty where there was none
	written string                      // what that held
	logged  time.Time
	ids     prometheus.Gauge
	of      prometheus.Gauge
}

var (
	_ manager.Runnable               = (*Reporter)(nil)
	_ manager.LeaderElectionRunnable = (*Reporter)(nil)
)

// SetupWithManager adds it to a manager.
func (u *Reporter) SetupWithManager(mgr ctrl.Manager) error {
	u.ids = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "numberfleet_unclaimed_phone_number_ids",
		Help: "Number of Meta's ids of phone numbers that something was received for and that no resource claims, at most 1,000.",
	})
	u.of = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "numberfleet_unclaimed_accounts",
		Help: "Number of WhatsApp Business accounts of phone numbers that something was received for and that no resource claims, at most 1,000.",
	})
	for _, gauge := range []prometheus.Collector{u.ids, u.of} {
		if err := u.Metrics.Register(gauge); err != nil {
			return fmt.Errorf("register a metric: %w", err)
		}
	}
	return mgr.Add(u)
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (u *Reporter) NeedLeaderElection() bool { return false }

// Start looks from time to time, until ctx is done.
func (u *Reporter) Start(ctx context.Context) error {
	ticker := u.Real.NewTicker(unclaimedNews)
	defer ticker.Stop()
	var looked time.Time
	for {
		if u.hasNew() || u.Real.Since(looked) >= unclaimedEvery {
			looked = u.Real.Now()
			if err := u.look(ctx); err != nil && ctx.Err() == nil {
				log.FromContext(ctx).Error(err, "what no PhoneNumber claims could not be told")
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

// hasNew says whether something came about a number that nobody has told of.
func (u *Reporter) hasNew() bool {
	return slices.ContainsFunc(u.Collected.All(), func(c unclaimed.Summary) bool {
		_, told := u.known[u.key(u.Ledger.Subject("", c.Subject))]
		return !told
	})
}

func (u *Reporter) look(ctx context.Context) error {
	collected := u.Collected.All()
	if len(collected) > 0 || u.known == nil { // another replica may have told of more meanwhile
		if err := u.load(ctx); err != nil {
			return err
		}
	}
	all, err := u.all(ctx, collected)
	if err != nil {
		return err
	}
	distinct := func(of func(*unclaimed.Number) string) float64 {
		values := map[string]bool{}
		for i := range all {
			values[of(&all[i])] = true
		}
		delete(values, "")
		return float64(len(values))
	}
	u.ids.Set(distinct(func(n *unclaimed.Number) string { return n.NumberID }))
	u.of.Set(distinct(func(n *unclaimed.Number) string { return n.Account }))
	u.tell(ctx, all)
	err = u.write(ctx, all)
	if apierrors.IsConflict(err) { // another replica told of more just now
		u.known = nil
		return nil
	} else if err != nil {
		return err
	}
	u.Collected.Told(collected)
	u.known = byKey(all)
	return nil
}

func byKey(all []unclaimed.Number) map[string]unclaimed.Number {
	known := map[string]unclaimed.Number{}
	for _, n := range all {
		known[n.Key] = n
	}
	return known
}

// load reads what was told so far.
func (u *Reporter) load(ctx context.Context) error {
	if u.Namespace == "" {
		return nil
	}
	var stored corev1.ConfigMap
	err := u.Fresh.Get(ctx, client.ObjectKey{Namespace: u.Namespace, Name: unclaimed.ConfigMap}, &stored)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read what was not claimed: %w", err)
	}
	all, err := unclaimed.Read(stored.Data)
	if err != nil {
		log.FromContext(ctx).Info("what was not claimed is told anew", "problem", err.Error())
	}
	u.known, u.version, u.written = byKey(all), stored.ResourceVersion, stored.Data[unclaimed.Key]
	return nil
}

// all is what was told and collected so far and is not claimed now, that received last first.
func (u *Reporter) all(ctx context.Context, collected []unclaimed.Summary) ([]unclaimed.Number, error) {
	if len(collected)+len(u.known) == 0 {
		return nil, nil
	}
	claimed, err := u.claimed(ctx)
	if err != nil {
		return nil, err
	}
	known := map[string]unclaimed.Number{}
	for key, n := range u.known {
		// The ledger has forgotten what is older.
		if !claimed[key] && u.Clock.Now().Sub(n.LastTime.Time) <= counts.Kept+counts.Lateness {
			known[key] = n
		}
	}
	for _, c := range collected {
		subject := u.Ledger.Subject("", c.Subject)
		key := u.key(subject)
		if claimed[key] {
			continue
		}
		n := known[key]
		n.Key, n.Number = key, ending(subject)
		n.NumberID, n.Account = cmp.Or(c.ID, n.NumberID), cmp.Or(c.Account, n.Account)
		if n.Updates == 0 {
			n.FirstTime = statuses.Time(c.First)
		}
		n.Updates += c.Updates
		if last := statuses.Time(c.Last); n.LastTime.Before(&last) {
			n.LastTime = last
		}
		known[key] = n
	}
	all := slices.SortedFunc(maps.Values(known), func(a, b unclaimed.Number) int {
		return cmp.Or(b.LastTime.Compare(a.LastTime.Time), cmp.Compare(a.Key, b.Key))
	})
	return all[:min(len(all), mostUnclaimed)], nil
}

// claimed are the keys of all that resources claim.
func (u *Reporter) claimed(ctx context.Context) (map[string]bool, error) {
	var numbers v1alpha1.PhoneNumberList
	if err := u.Numbers.List(ctx, &numbers, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list phone numbers: %w", err)
	}
	keys := map[string]bool{}
	for i := range numbers.Items {
		for _, subject := range lookup.Claims(u.Ledger, &numbers.Items[i]) {
			keys[u.key(subject)] = true
		}
	}
	return keys, nil
}

func (u *Reporter) key(subject string) string {
	return fmt.Sprintf("%016x", u.Hasher.User(subject))
}

// ending is enough of a number to tell which it is, and not enough to dial it; empty for an id.
func ending(subject string) string {
	if !strings.HasPrefix(subject, "+") || len(subject) < 5 {
		return ""
	}
	return "…" + subject[len(subject)-4:]
}

// tell logs once an hour what is not claimed.
func (u *Reporter) tell(ctx context.Context, all []unclaimed.Number) {
	now := u.Real.Now()
	if len(all) == 0 || !u.logged.IsZero() && now.Sub(u.logged) < unclaimedLogged {
		return
	}
	u.logged = now
	var last []string
	for _, n := range all[:min(len(all), mostLogged)] {
		last = append(last, fmt.Sprintf("number %s, id %s, account %s", cmp.Or(n.Number, "unknown"), cmp.Or(n.NumberID, "unknown"), cmp.Or(n.Account, "unknown")))
	}
	log.FromContext(ctx).Info("something is received for numbers that no PhoneNumber claims: kubectl phonenumbers unclaimed lists them",
		"numbers", len(all), "last", last)
}

// write keeps the ConfigMap as it should be.
func (u *Reporter) write(ctx context.Context, all []unclaimed.Number) error {
	text := "[]"
	if len(all) > 0 {
		encoded, err := json.Marshal(all)
		if err != nil {
			return fmt.Errorf("encode what is not claimed: %w", err)
		}
		text = string(encoded)
	}
	if u.Namespace == "" || text == cmp.Or(u.written, "[]") {
		return nil
	}
	desired := applycorev1.ConfigMap(unclaimed.ConfigMap, u.Namespace).WithData(map[string]string{unclaimed.Key: text})
	if u.version != "" {
		desired.WithResourceVersion(u.version)
	}
	if err := u.Client.Apply(ctx, desired, FieldOwner, client.ForceOwnership, client.DisableReadYourWritesConsistency); err != nil {
		return fmt.Errorf("write what is not claimed: %w", err)
	}
	u.version, u.written = *desired.ResourceVersion, text
	return nil
}

// FieldOwner is the field manager of the ConfigMap.
const FieldOwner = client.FieldOwner("numberfleet-unclaimed")
