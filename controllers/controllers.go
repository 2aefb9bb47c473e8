// Package controllers runs the operator's controllers: Setup is the list of them.
//
// Each concern has a package of its own. A controller gathers what is known of a resource, lets internal/rules decide, writes the
// status once, and publishes what happened. What the controllers share is below controllers/internal.
package controllers

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/controllers/account"
	"numberfleet.dev/numberfleet/controllers/directory"
	"numberfleet.dev/numberfleet/controllers/fleet"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/controllers/internal/throttle"
	"numberfleet.dev/numberfleet/controllers/internal/usage"
	"numberfleet.dev/numberfleet/controllers/metrics"
	"numberfleet.dev/numberfleet/controllers/notification"
	"numberfleet.dev/numberfleet/controllers/policy"
	"numberfleet.dev/numberfleet/controllers/pool"
	promcounts "numberfleet.dev/numberfleet/controllers/prometheus"
	"numberfleet.dev/numberfleet/controllers/unclaimed"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/receipts"
	"numberfleet.dev/numberfleet/internal/standing"
	received "numberfleet.dev/numberfleet/internal/unclaimed"
)

// Options are what the controllers work with.
type Options struct {
	Config *config.OperatorConfiguration
	// Clock is that of the rules; Real is that of whoever waits or is waited for, however fast the rules' runs.
	Clock reconciler.Clock
	Real  clock.WithTicker

	Ledger    *ledger.Ledger
	Hasher    counts.Hasher
	Receipts  *receipts.Receipts
	Unclaimed *received.Collector
	Presence  reconciler.Presence
	Webhooks  reconciler.Webhooks
	// Apps are Meta's ids of the operator's apps that get the webhooks of an account; nil where not all of them are known.
	Apps func(account string) []string

	// BatchPeriod, RefreshPeriod, RefreshQPS and Concurrency are the flags of the same names.
	BatchPeriod, RefreshPeriod time.Duration
	RefreshQPS                 float64
	Concurrency                int
	// Namespace of the operator, where it keeps what is its own; empty where it is not known.
	Namespace string
	// UserAgent is sent with every call to others.
	UserAgent string
	Registry  prometheus.Registerer
	// Exposition tells of resources, of which a registry would have too many series.
	Exposition *metrics.Exposition
}

// controller is something that a manager runs.
type controller interface{ SetupWithManager(mgr ctrl.Manager) error }

// Setup adds all controllers to a manager, and registers their indexes and metrics. It returns where it can be read what may be sent now.
func Setup(ctx context.Context, mgr ctrl.Manager, o *Options) (*standing.Source, error) {
	for _, index := range []func(context.Context, client.FieldIndexer) error{lookup.SetupIndexes, directory.SetupIndexes} {
		if err := index(ctx, mgr.GetFieldIndexer()); err != nil {
			return nil, err
		}
	}
	resources, err := standing.Watch(ctx, mgr.GetCache())
	if err != nil {
		return nil, err
	}
	mgr = leading{mgr, o.Ledger}
	var (
		samples   = usage.NewPrometheus(o.Config.Prometheus)
		policies  = lookup.Policies{Reader: mgr.GetCache(), Compiled: &standing.Policies{}}
		throttled = throttle.NewThrottle(o.RefreshPeriod, o.RefreshQPS, o.Real)
		operator  = reconciler.Operator{
			Client: mgr.GetClient(), Cache: mgr.GetCache(), Policies: policies, Clock: o.Clock, Real: o.Real, Ledger: o.Ledger, Samples: samples, Receipts: o.Receipts, Presence: o.Presence,
			Webhooks: o.Webhooks, Recorder: mgr.GetEventRecorder("numberfleet"), Metrics: reconciler.NewMetrics(o.Registry), Throttle: throttled,
			BatchPeriod: o.BatchPeriod, Concurrency: o.Concurrency,
		}
		stands = &standing.Source{Resources: resources, Counts: usage.Counts{Ledger: o.Ledger, Samples: samples}, Compiled: policies.Compiled, Clock: o.Clock}
	)
	if err := mgr.Add(throttled); err != nil {
		return nil, fmt.Errorf("add the throttle: %w", err)
	}
	if o.Config.Policies.Shipped == config.ApplyShipped {
		if err := (&policy.Keeper{Client: mgr.GetClient(), Cache: mgr.GetCache()}).SetupWithManager(mgr); err != nil {
			return nil, fmt.Errorf("set up the controller of policies: %w", err)
		}
	}
	for _, c := range []struct {
		of         string
		controller controller
	}{
		{"portfolios, numbers and templates", &fleet.Reconciler{Operator: operator}},
		{"pools", &pool.Reconciler{Operator: operator, Standing: stands}},
		{"notifications", &notification.Notifier{
			Receivers: o.Config.Notifications.Receivers, Namespace: o.Namespace, Clock: o.Clock, Real: o.Real, Metrics: notification.NewMetrics(o.Registry),
		}},
		{"accounts", &account.Poller{
			Config: o.Config.GraphAPI, Client: mgr.GetClient(), Clock: o.Clock, Ledger: o.Ledger, Metrics: account.NewMetrics(o.Registry),
			Presence: o.Presence, Apps: o.Apps, UserAgent: o.UserAgent,
		}},
		{"Prometheus", &promcounts.Poller{
			Samples: samples, Cache: mgr.GetCache(), Policies: policies, Clock: o.Clock, Metrics: promcounts.NewMetrics(o.Registry), UserAgent: o.UserAgent,
		}},
		{"unclaimed numbers", &unclaimed.Reporter{
			Collected: o.Unclaimed, Hasher: o.Hasher, Ledger: o.Ledger, Numbers: mgr.GetCache(), Fresh: mgr.GetAPIReader(), Client: mgr.GetClient(),
			Namespace: o.Namespace, Clock: o.Clock, Real: o.Real, Metrics: o.Registry,
		}},
	} {
		if err := c.controller.SetupWithManager(mgr); err != nil {
			return nil, fmt.Errorf("set up the controller of %s: %w", c.of, err)
		}
	}
	// +kubebuilder:scaffold:builder
	o.Exposition.Add(
		&metrics.Standing{Source: stands, Templates: mgr.GetCache(), Ledger: o.Ledger},
		&metrics.Received{Resources: resources, Ledger: o.Ledger, Receipts: o.Receipts},
		&metrics.Holds{Resources: resources, Ledger: o.Ledger, Clock: o.Clock},
	)
	return stands, nil
}
