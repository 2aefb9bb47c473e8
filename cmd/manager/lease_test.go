package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// written counts what is written to a lease.
type written struct {
	resourcelock.Interface
	n int
}

func (w *written) Create(context.Context, resourcelock.LeaderElectionRecord) error { w.n++; return nil }

func (w *written) Update(context.Context, resourcelock.LeaderElectionRecord) error { w.n++; return nil }

// A replica that does not hear from the log neither takes the lease nor renews it, and gives it up all the same.
func TestAReplicaThatDoesNotHearFromTheLogDoesNotLead(t *testing.T) {
	taken, givenUp := resourcelock.LeaderElectionRecord{HolderIdentity: "one"}, resourcelock.LeaderElectionRecord{}
	for age, writes := range map[time.Duration]int{0: 3, mostLeaderAge: 3, mostLeaderAge + 1: 1} {
		to := &written{}
		l := &lease{Interface: to, age: func() time.Duration { return age }}
		for what, err := range map[string]error{"taking": l.Create(t.Context(), taken), "renewing": l.Update(t.Context(), taken)} {
			if (err == nil) != (writes == 3) {
				t.Errorf("%s it after %s: %v", what, age, err)
			}
		}
		if err := l.Update(t.Context(), givenUp); err != nil || to.n != writes {
			t.Errorf("after %s it gives up with %v, and wrote %d times", age, err, to.n)
		}
	}
}

// Of operators that share a log one must lead: without an election none starts.
func TestWithALogAndNoElectionItEnds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	content := "apiVersion: config.numberfleet.dev/v1alpha1\nkind: OperatorConfiguration\nledger: {engine: Log, log: {servers: ['nats://127.0.0.1'], secretFile: /secret}}"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := newProgram(flags{configFile: file, refreshQPS: 1}, logr.Discard()); !errors.Is(err, errNoElection) {
		t.Errorf("it says %v", err)
	}
}
