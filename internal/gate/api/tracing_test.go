package api_test

import (
	"net/http"
	"strings"
	"testing"

	"numberfleet.dev/numberfleet/internal/gate/gatetest"
	"numberfleet.dev/numberfleet/internal/tracing"
	"numberfleet.dev/numberfleet/internal/tracing/tracingtest"
)

// The trace of a reservation goes from the request through the gate into the ledger, and says how it was answered, but not about whom.
func TestAReservationIsTracedIntoTheLedger(t *testing.T) {
	receiver := tracingtest.New(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.URL)
	d := newDesk(t, 2)
	end, err := tracing.Begin(t.Context(), "v1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	a := d.send(http.MethodPost, reservations, gatetest.ShopToken, to(1))
	if err := end(t.Context()); err != nil || a.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s, %v", a.StatusCode, a.body, err)
	}
	parent := ""
	for _, name := range []string{"gate", "reserve", "append"} {
		spans := receiver.Named(name)
		if len(spans) != 1 || spans[0].Parent != parent || spans[0].Failed {
			t.Fatalf("of %s there is %+v, and its parent is %q", name, spans, parent)
		}
		parent = spans[0].ID
	}
	if code := receiver.Named("gate")[0].Attributes["http.response.status_code"]; !strings.Contains(code, "201") {
		t.Errorf("the answer is said to be %s", code)
	}
	for what, secret := range map[string]string{"the number": gatetest.Number[1:], "the user": "15550200001", "the token": gatetest.ShopToken} {
		if strings.Contains(string(receiver.Raw()), secret) {
			t.Errorf("the trace has %s", what)
		}
	}
}
