package unclaimed

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/directory"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ingest/webhook"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/unclaimed"
)

// A resource finds what was received under its id before it was there, though Meta displays the number in another form.
func TestAResourceFindsWhatCameUnderItsID(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("netcore", func(n *v1alpha1.PhoneNumber) {
		n.Spec.PhoneNumber, n.Spec.PhoneNumberID = "+5511987654321", "5501"
	})
	entry := counts.Entry{Number: "+551187654321", Kind: counts.Delivered, User: 1, Message: 1, At: b.FakeClock.Now().Unix()}
	_, err := b.Ledger.Append(b.Ctx, counts.Batch{Entries: []counts.Entry{entry}, Displays: []counts.Display{{ID: "5501", Number: "+551187654321"}}}, b.FakeClock.Now())
	b.Must(err)
	b.Evaluate(number)
	if used := number.Status.Usage.Used; used == nil || *used != 1 {
		t.Errorf("%v is used", used)
	}
	entry.User, entry.Message = 2, 2
	_, err = b.Ledger.Append(b.Ctx, counts.Batch{Entries: []counts.Entry{entry}}, b.FakeClock.Now())
	b.Must(err)
	if users := b.Ledger.Count(number.Spec.PhoneNumber, v1alpha1.MeasureUniqueUsers, controllertest.Start.Add(-time.Hour), b.FakeClock.Now()); users != 2 {
		t.Errorf("%d users count after another", users)
	}
}

// What no resource claims is told without the number, in a ConfigMap, in metrics and in the log once an hour, until a resource claims
// it; a new process goes on from what the one before told.
func TestWhatNoResourceClaimsIsTold(t *testing.T) {
	b := controllertest.New(t)
	dir := t.TempDir()
	b.Must(os.WriteFile(filepath.Join(dir, config.AppSecretKey), []byte("s3cr3t"), 0o600))
	collected := &unclaimed.Collector{}
	registry := prometheus.NewRegistry()
	receiver, err := webhook.NewReceiver(webhook.Options{Apps: []webhook.App{{Credentials: webhook.NewCredentials(dir, log.Log)}}, Clock: clocktesting.NewFakePassiveClock(b.FakeClock.Now()), Metrics: registry})
	b.Must(err)
	l := b.Ledger
	receiver.SetBackend(&ingest.Backend{Ledger: l, Hasher: l.Hasher(), Unclaimed: collected, Known: func(n string) bool { return directory.Named(b.Ctx, b.Client, n) }})
	number := controllertest.NewNumber()
	post := func(id string) {
		body := metatest.MessagesPayload(number, []metatest.Status{{ID: id, Status: "delivered", Phone: "15557770000", At: b.FakeClock.Now()}}, nil)
		req := httptest.NewRequest(http.MethodPost, webhook.DefaultPath, bytes.NewReader(body))
		req.Header.Set("X-Hub-Signature-256", metatest.Sign("s3cr3t", body))
		w := httptest.NewRecorder()
		if receiver.ServeHTTP(w, req); w.Code != 200 {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
	var logged []string
	real := clocktesting.NewFakeClock(controllertest.Start)
	newReporter := func(collected *unclaimed.Collector) *Reporter {
		u := &Reporter{Collected: collected, Hasher: l.Hasher(), Ledger: l, Numbers: b.Client, Fresh: b.Direct, Client: b.Direct,
			Namespace: b.Namespace, Clock: b.FakeClock, Real: real}
		u.ids, u.of = prometheus.NewGauge(prometheus.GaugeOpts{}), prometheus.NewGauge(prometheus.GaugeOpts{})
		return u
	}
	ctx := log.IntoContext(b.Ctx, funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{}))
	told := func() []unclaimed.Number {
		t.Helper()
		var stored corev1.ConfigMap
		b.Must(b.Direct.Get(b.Ctx, client.ObjectKey{Namespace: b.Namespace, Name: unclaimed.ConfigMap}, &stored))
		all, err := unclaimed.Read(stored.Data)
		b.Must(err)
		if strings.Contains(fmt.Sprint(stored.Data, logged), number[1:]) {
			t.Error("the number is told")
		}
		return all
	}
	u := newReporter(collected)
	post("1")
	post("2")
	b.Must(u.look(ctx))
	shown := "…" + number[len(number)-4:]
	if all := told(); len(all) != 1 || all[0].Number != shown || all[0].NumberID != "1001" || all[0].Account != metatest.Account || all[0].Updates != 2 {
		t.Fatalf("%+v is told", all)
	}
	b.Must(u.look(ctx))
	real.Step(59 * time.Minute)
	b.Must(u.look(ctx))
	if len(logged) != 1 || !strings.Contains(logged[0], shown) || !strings.Contains(logged[0], "id 1001") {
		t.Errorf("logged is %q", logged)
	}
	real.Step(time.Minute)
	b.Must(u.look(ctx))
	if len(logged) != 2 {
		t.Errorf("after an hour, logged is %q", logged)
	}

	again := &unclaimed.Collector{}
	receiver.SetBackend(&ingest.Backend{Ledger: l, Hasher: l.Hasher(), Unclaimed: again, Known: func(n string) bool { return directory.Named(b.Ctx, b.Client, n) }})
	u = newReporter(again)
	post("3")
	b.Must(u.look(ctx))
	if all := told(); len(all) != 1 || all[0].Updates != 3 {
		t.Errorf("after a restart %+v is told", all)
	}

	// Another replica tells of what came there, and this one of more, which it knows nothing of.
	elsewhere := &unclaimed.Collector{}
	elsewhere.Add([]unclaimed.Activity{{Subject: number, Updates: 10}, {Subject: "+15550199999", Updates: 1}}, b.FakeClock.Now())
	b.Must(newReporter(elsewhere).look(ctx))
	post("4")
	b.Must(u.look(ctx))
	if all := told(); len(all) != 2 || all[0].Updates+all[1].Updates != 15 {
		t.Errorf("of two replicas %+v is told", all)
	}
	elsewhere.Add([]unclaimed.Activity{{Subject: "+15550199999", Updates: 1}}, b.FakeClock.Now())
	b.Must(newReporter(elsewhere).look(ctx))

	b.Create("netcore", func(n *v1alpha1.PhoneNumber) { n.Spec.PhoneNumber = number })
	for range 2 { // the first one finds that the other replica has told of more
		b.Must(u.look(ctx))
	}
	if all := told(); len(all) != 1 || all[0].Updates != 2 || len(again.All()) != 0 {
		t.Errorf("once it is claimed %+v is told", all)
	}
}
