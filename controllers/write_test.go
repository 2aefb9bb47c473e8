package controllers_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/fleet"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/report"
)

// watches are the watches of phone numbers that a client began.
type watches struct {
	mu  sync.Mutex
	all []string
}

func (w *watches) around(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/phonenumbers") && r.URL.Query().Get("watch") != "" {
			w.mu.Lock()
			w.all = append(w.all, r.URL.String())
			w.mu.Unlock()
		}
		return next.RoundTrip(r)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Writing a status takes no further cache of all numbers, and the next look at the number knows what was written.
func TestWritesAreSeenInTheOneCache(t *testing.T) {
	b := controllertest.New(t)
	seen := &watches{}
	config := rest.CopyConfig(controllertest.APIServer)
	config.WrapTransport = transport.Wrappers(config.WrapTransport, seen.around)
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: controllertest.Scheme, Metrics: server.Options{BindAddress: "0"},
		Client: client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(true)}},
	})
	b.Must(err)
	b.Must(lookup.SetupIndexes(b.Ctx, manager.GetFieldIndexer()))
	b.Operator.Client, b.Operator.Cache = manager.GetClient(), manager.GetClient()
	b.Policies.Reader = manager.GetClient()
	b.StartManager(manager)

	number := b.Create("quality-based")
	key := client.ObjectKeyFromObject(number)
	for day := range 5 {
		b.FakeClock.Advance(24 * time.Hour)
		b.Report(number.Spec.PhoneNumber, report.Quality, []string{"Low", "High"}[day%2])
		if result, err := (&fleet.Reconciler{Operator: b.Operator}).Reconcile(b.Ctx, lookup.NumberKey(number)); err != nil || result.RequeueAfter == 100*time.Millisecond {
			t.Fatalf("day %d: the decision was refused, since it was made on what stood there before the last: %v", day, err)
		}
		var read v1alpha1.PhoneNumber
		b.Must(b.Client.Get(b.Ctx, key, &read))
		if want := []v1alpha1.QualityRating{v1alpha1.QualityLow, v1alpha1.QualityHigh}[day%2]; read.Status.Quality.Rating != want {
			t.Errorf("day %d: the rating is read as %s, and was written as %s", day, read.Status.Quality.Rating, want)
		}
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if len(seen.all) != 1 {
		t.Errorf("the numbers are watched %d times: %q", len(seen.all), seen.all)
	}
}

// What is applied is the status as it is, with the number that it is of.
func TestAppliedStatusIsTheWholeStatus(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("quality-based")
	b.Deliver(number.Spec.PhoneNumber, 600)
	b.Evaluate(number)
	number.Status.Notifications = nil
	encoded, err := statuses.Configuration(b.Client, number, &number.Status)
	b.Must(err)
	again, err := json.Marshal(encoded)
	b.Must(err)
	var applied v1alpha1.PhoneNumber
	b.Must(json.Unmarshal(again, &applied))
	if applied.UID != number.UID || applied.ResourceVersion != number.ResourceVersion || applied.Kind != "PhoneNumber" {
		t.Errorf("applied to %s %q of version %q", applied.Kind, applied.UID, applied.ResourceVersion)
	}
	want, err := json.Marshal(&number.Status)
	b.Must(err)
	if got, err := json.Marshal(&applied.Status); err != nil || string(got) != string(want) {
		t.Errorf("applied %s, %v, and should be %s", got, err, want)
	}
}
