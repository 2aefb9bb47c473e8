package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/timelapse"
)

// real is real time.
var real = clock.RealClock{}

// operator is the operator's binary with the rights and settings that it has in a cluster, and the fleet's time. It keeps
// its addresses over restarts.
type operator struct {
	binary, folder, kubeconfig string
	ledger                     string // --data-dir

	webhook, events, metrics, probe string // addresses
	secret                          string // the app secret that signs webhooks

	process *process
	clock   *timelapse.Clock
	starts  int
}

func newOperator(o options, folder, kubeconfig string) (*operator, error) {
	op := &operator{binary: o.manager, folder: folder, kubeconfig: kubeconfig, secret: "torture"}
	for _, address := range []*string{&op.webhook, &op.events, &op.metrics, &op.probe} {
		var err error
		if *address, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	credentials := filepath.Join(folder, "webhook")
	return op, errors.Join(os.MkdirAll(credentials, 0o700),
		os.WriteFile(filepath.Join(credentials, "app-secret"), []byte(op.secret), 0o600),
		os.WriteFile(filepath.Join(credentials, "verify-token"), []byte("torture"), 0o600))
}

func (op *operator) log() string { return filepath.Join(op.folder, "operator.log") }

// start runs the operator, whose clock shows origin now and runs at a speed.
func (op *operator) start(origin time.Time, speed float64) (err error) {
	anchor := real.Now()
	if op.clock, err = timelapse.New(real, anchor.Round(0), origin, speed); err != nil {
		return err
	}
	op.process, err = launch("the operator", op.log(), op.binary, op.arguments(anchor, origin, speed)...)
	op.starts++
	return err
}

func (op *operator) arguments(anchor, origin time.Time, speed float64) []string {
	return []string{
		"--kubeconfig=" + op.kubeconfig,
		"--leader-elect", "--leader-election-namespace=" + namespace,
		"--data-dir=" + op.ledger,
		"--ledger-journal-bytes=" + strconv.Itoa(journalBytes),
		"--webhook-bind-address=" + op.webhook,
		"--webhook-credentials=" + filepath.Join(op.folder, "webhook"),
		"--events-bind-address=" + op.events, "--events-audiences=",
		"--metrics-bind-address=" + op.metrics,
		"--health-probe-bind-address=" + op.probe,
		"--batch-period=50ms",
		"--time-lapse-speed=" + strconv.FormatFloat(speed, 'g', -1, 64),
		"--time-lapse-anchor=" + anchor.Format(time.RFC3339Nano),
		"--time-lapse-origin=" + origin.Format(time.RFC3339Nano),
	}
}

// journalBytes is small, so that snapshots are taken all the time and are killed as well.
const journalBytes = 16 << 10

var errEnded = errors.New("the operator ended by itself")

// ready waits until it takes webhooks; errEnded if it ends instead.
func (op *operator) ready(ctx context.Context) error {
	give := time.After(patience)
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+op.probe+"/readyz", http.NoBody)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-op.process.exited:
			return errEnded
		case <-give:
			return fmt.Errorf("the operator is not ready after %s", patience)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// now is the fleet's time.
func (op *operator) now() time.Time { return op.clock.Now() }
