package move

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal/jetstream"
)

// The log of three replicas is deleted while one of them is the leader. Each keeps what it knows and answers nothing any more, and none starts on
// the log, though it could make another one. A new log begins with what they knew: nothing that was acknowledged is lost, and what was held is held.
func TestALogIsRecoveredFromItsReplicas(t *testing.T) {
	o := options("", server.URL(), instance())
	ended := make(chan error, 3)
	var replicas []*ledger.Ledger
	for range 3 {
		log, err := jetstream.Open(t.Context(), o.Log)
		must(t, err)
		replicas = append(replicas, openFatal(t, log, func(err error) { ended <- err }))
	}
	leader := replicas[1]
	must(t, leader.Lead(t.Context()))
	must(t, leader.SetPortfolio(portfolio, []string{number}))
	must(t, leader.Configure(counts.Settings{
		Limits:  []counts.LimitSetting{{Subject: counts.PortfolioKey(portfolio), Limit: limit, Measure: v1alpha1.MeasureUniqueUsers, Window: 24 * time.Hour}},
		Senders: []counts.SenderSetting{{Number: number}},
	}))
	for i, l := range replicas {
		deliver(t, l, 10*i, 10*i+10)
		if d := reserve(t, l, 100+i); d.State != counts.Held {
			t.Fatalf("a reservation is answered with %+v", d)
		}
	}

	connection, err := nats.Connect(server.URL())
	must(t, err)
	defer connection.Close()
	js, err := natsjs.New(connection)
	must(t, err)
	must(t, js.DeleteStream(t.Context(), "NUMBERFLEET_"+o.Log.Instance))
	for range replicas {
		isError(t, "a replica ends", <-ended, jetstream.ErrReplaced)
	}
	for _, l := range replicas {
		if _, err := l.Append(t.Context(), counts.Batch{}, now); err == nil {
			t.Error("after that a replica answers")
		}
	}
	_, err = jetstream.Open(t.Context(), o.Log)
	isError(t, "a start", err, jetstream.ErrKept)

	from := o.Log.Instance
	o.Log.Instance = instance()
	if _, err := Recover(t.Context(), o, o.Log.Instance); err == nil {
		t.Error("a log is recovered of which nothing was kept")
	}
	_, err = Recover(t.Context(), o, from)
	must(t, err)
	_, err = Recover(t.Context(), o, from)
	isError(t, "again", err, jetstream.ErrBegun)
	l := replica(t, o)
	if n := used(l); n != 30 {
		t.Errorf("30 users were reached, and %d are known", n)
	}
	if n := deliver(t, l, 0, 30); n != 0 {
		t.Errorf("%d deliveries count again that came again", n)
	}
	for user := 200; user < 200+limit-33; user++ {
		if d := reserve(t, l, user); d.State != counts.Held {
			t.Fatalf("a place that is free is not granted: %+v", d)
		}
	}
	if d := reserve(t, l, 99); d.State != counts.Refused {
		t.Errorf("beyond the limit it is decided %+v", d)
	}
}
