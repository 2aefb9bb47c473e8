package controllers

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"numberfleet.dev/numberfleet/internal/ledger"
)

// leading is a manager in which what runs at the leader alone starts once the ledger leads too: then it knows all that the leader before has
// set, which sets no more. The lease says which process leads, and the process ends with it.
type leading struct {
	ctrl.Manager
	ledger *ledger.Ledger
}

// Add implements manager.Manager.
func (l leading) Add(r manager.Runnable) error {
	if bound, is := r.(manager.LeaderElectionRunnable); is && !bound.NeedLeaderElection() {
		return l.Manager.Add(r)
	}
	return l.Manager.Add(manager.RunnableFunc(func(ctx context.Context) error {
		if err := l.ledger.Lead(ctx); err != nil {
			return err
		}
		return r.Start(ctx)
	}))
}
