package main

import (
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The log of three replicas is deleted while webhooks come in. The replicas end and are started again. They go on with the next log by themselves, and
// say so. Nothing that was acknowledged is lost, and nothing counts twice.
func TestReplicasGoOnWithTheNextLog(t *testing.T) {
	t.Parallel()
	o, api := newOperator(t)
	log := newLog(t)
	configuration := o.configure(log, logSecret, "")
	o.edit(configuration, "}\n", ", next: main-2}\n")
	replicas := o.replicas(configuration)
	for _, r := range replicas {
		r.start()
	}
	for _, r := range replicas {
		r.ready()
	}
	var next atomic.Int64
	sent := newTraffic(t, "+15550100094", func(ctx context.Context, body []byte) (int, error) {
		return replicas[int(next.Add(1))%len(replicas)].post(ctx, body)
	})
	sent.flows(t, 20)
	deleteLog(t, log.URL())
	for _, r := range replicas {
		r.within("the replica goes on with the next log", func() bool {
			return strings.Contains(r.log.String(), "the log main lost something, and main-2 goes on with what replicas knew")
		})
		r.ready()
	}
	if metrics := replicas[0].openMetrics(api); !strings.Contains(metrics, `numberfleet_degraded{field="ledger.log.instance",reason="LogRecovered"} 1`) {
		t.Error("the metrics do not say that the log was recovered")
	}
	sent.flows(t, 20)
	sent.stop()
	for _, r := range replicas {
		r.kill(syscall.SIGKILL)
	}
	o.edit(configuration, "next: main-2", "instance: main-2")
	folder := filepath.Join(o.folder, "exported")
	if said, err := command(t, 0, "ledger", "export", "--data-dir="+folder, "--config="+configuration); err != nil {
		t.Fatal(said, err)
	}
	sent.check(t, folder)
}

// deleteLog deletes the log of replicas, as an administrator of NATS can.
func deleteLog(t *testing.T, url string) {
	t.Helper()
	connection, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	js, err := jetstream.New(connection)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), "NUMBERFLEET_main"); err != nil {
		t.Fatal(err)
	}
}
