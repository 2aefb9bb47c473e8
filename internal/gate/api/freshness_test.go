package api_test

import (
	"net/http"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/gate/api"
	"numberfleet.dev/numberfleet/internal/gate/gatetest"
	"numberfleet.dev/numberfleet/internal/ledger"
)

// aged is how old what a ledger knows may be.
type aged time.Duration

func (a aged) Age() time.Duration { return time.Duration(a) }

func (a aged) Fresh() error {
	if a.Age() > ledger.MaximumAge {
		return ledger.ErrUnavailable
	}
	return nil
}

// Where all stand is told with how old that may be. Where that is too old, nobody is told, and whoever hears a stream is to come again.
func TestWhereAllStandIsToldWithItsAge(t *testing.T) {
	for age, want := range map[time.Duration]string{0: "0.000", 1234 * time.Millisecond: "1.234", ledger.MaximumAge: "2.000", ledger.MaximumAge + 1: ""} {
		d := newDesk(t, 5)
		d.api.SetBackend(&api.Backend{Gate: d.backend.Gate, Standing: d.backend.Standing, Ledger: aged(age)})
		code := http.StatusOK
		if want == "" {
			code = http.StatusServiceUnavailable
		}
		got := d.send("GET", api.StandingPath+"?namespace=shop", gatetest.ShopToken, "")
		if got.StatusCode != code || got.Header.Get("Numberfleet-Log-Age") != want || (got.Header.Get("Retry-After") != "") != (want == "") {
			t.Errorf("after %s: HTTP %d, %v", age, got.StatusCode, got.Header)
		}
		if want == "" {
			if stream := d.send("GET", api.StreamPath+"?namespace=shop", gatetest.ShopToken, ""); stream.StatusCode != code {
				t.Errorf("a stream begins with HTTP %d", stream.StatusCode)
			}
		}
	}
}
