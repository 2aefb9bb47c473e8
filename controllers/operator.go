package controllers

import (
	"time"

	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/internal/ledger"
)

// Operator is what the reconcilers of all kinds work with.
type Operator struct {
	Client   client.Client
	Clock    Clock
	Ledger   ledger.Ledger
	Recorder events.EventRecorder
	Metrics  *Metrics

	// BatchPeriod is how long a burst of events about a resource is gathered into one reconcile, in real time.
	BatchPeriod time.Duration
	// Concurrency is how many resources of a kind are reconciled at a time.
	Concurrency int
}
