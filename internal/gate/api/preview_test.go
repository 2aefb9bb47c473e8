package api_test

import (
	"net/http"
	"strings"
	"testing"

	"numberfleet.dev/numberfleet/internal/gate/gatetest"
)

// Whoever may reserve hears what a reservation would be answered, and nothing is reserved, nor told.
func TestAPreviewReservesNothing(t *testing.T) {
	d := newDesk(t, 1)
	const path = "/v1/standing/user"
	const sends = `{"namespace":"shop","name":"sales","number":"+15550100001","numberID":"106540352242922","state":"Held","why":"Reserved","remaining":1}`
	for range 2 {
		d.expect(d.send(http.MethodPost, path, gatetest.ShopToken, to(1, `,"category":"Marketing"`)), 200, sends)
	}
	d.id(d.send(http.MethodPost, reservations, gatetest.ShopToken, to(1)))
	d.expect(d.send(http.MethodPost, path, gatetest.ShopToken, to(1)), 200, strings.NewReplacer("Reserved", "AlreadyHeld", `"remaining":1`, `"remaining":0`).Replace(sends))
	d.expect(d.send(http.MethodPost, path, gatetest.ShopToken, to(2)), 429, `{"type":"https://numberfleet.dev/docs/gate#limitreached","title":"The limit is reached",`+
		`"status":429,"reason":"LimitReached","detail":"0 of 1 are used and 1 are held; the first place is free at 2026-11-02T12:10:00Z","until":"2026-11-02T12:10:00Z","retryAfter":87000}`)
	if len(d.Recorder.Events) > 0 {
		t.Errorf("it is told: %s", <-d.Recorder.Events)
	}
	for _, test := range []struct {
		token, body string
		code        int
	}{
		{"", to(1), 401},
		{"stranger", to(1), 401},
		{gatetest.ShopToken, `{"number":"+15550100002","user":"+15550200001"}`, 403},
		{gatetest.ShopToken, `{"number":"+15550100001"}`, 400},
		{gatetest.ShopToken, to(1, `,"key":"a"`), 400},
		{gatetest.ShopToken, `{"reservations":[]}`, 400},
	} {
		if a := d.send(http.MethodPost, path, test.token, test.body); a.StatusCode != test.code || strings.Contains(a.body, "5550200001") {
			t.Errorf("%s is answered with %d %s", test.body, a.StatusCode, a.body)
		}
	}
	if a := d.send(http.MethodGet, path, gatetest.ShopToken, ""); a.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a GET is answered with %d", a.StatusCode)
	}
	if err := d.Ledger.Close(); err != nil {
		t.Fatal(err)
	}
	if a := d.send(http.MethodPost, path, gatetest.ShopToken, to(1)); a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("without a ledger it is answered with %d %s", a.StatusCode, a.body)
	}
}
