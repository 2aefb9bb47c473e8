package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	clocktesting "k8s.io/utils/clock/testing"

	"numberfleet.dev/numberfleet/internal/gate/gatetest"
)

// Whatever is posted, the answer is JSON with its own status, and nothing is wrong with the operator.
func FuzzReserve(f *testing.F) {
	for _, body := range []string{
		to(1), to(1, `,"category":"Marketing","ttl":"90s","key":"1","template":"sale","language":"en_US","namespace":"shop"`), `{"reservations":[` + to(1) + `]}`,
		`{"reservations":[]}`, `{"reservations":[null]}`, "null", "[]", `{"user":"\ud800"}`, `{"ttl":"1e9h"}`, `{"Number":"+15550100001"}`, "{",
	} {
		f.Add(body)
	}
	g := gatetest.New(f, 3, clocktesting.NewFakeClock(begin))
	a, backend := g.NewAPI(f, clocktesting.NewFakeClock(begin))
	a.SetBackend(backend)
	f.Fuzz(func(t *testing.T, body string) {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, reservations, strings.NewReader(body))
		request.Header.Set("Authorization", "Bearer "+gatetest.ClusterToken)
		request.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		a.ServeHTTP(answer, request)
		if answer.Code >= 500 || !json.Valid(answer.Body.Bytes()) {
			t.Errorf("%d %s", answer.Code, answer.Body)
		}
		if held := g.Ledger.Reserved(gatetest.Number, begin); held > 3 {
			t.Errorf("%d of 3 are held", held)
		}
	})
}
