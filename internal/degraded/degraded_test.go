package degraded_test

import (
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"numberfleet.dev/numberfleet/internal/degraded"
)

// What lacks is in the metric for as long as it lacks, and in the log when it begins, changes and ends.
func TestWhatLacksIsToldUntilItIsThere(t *testing.T) {
	var log strings.Builder
	registry := prometheus.NewRegistry()
	r := degraded.NewReporter(registry, funcr.New(func(_, args string) { log.WriteString(args + "\n") }, funcr.Options{}))
	const field = "graphAPI.accounts[0].tokenFile"
	r.Set(degraded.LogNotSynced, "ledger.log.requireSync", "")
	for _, step := range []struct {
		problem, value, logged string
	}{
		{"", "0", ""},
		{"no such file or directory", "1", `"reason"="SecretMissing" "field"="` + field + `" "problem"="no such file or directory"`},
		{"no such file or directory", "1", ""},
		{"is empty", "1", `"problem"="is empty"`},
		{"", "0", `"msg"="The operator has what it lacked" "reason"="SecretMissing" "field"="` + field + `"`},
		{"", "0", ""},
	} {
		log.Reset()
		r.Set(degraded.SecretMissing, field, step.problem)
		want := `# HELP numberfleet_degraded Whether the operator lacks something that it is configured with: 1 then. The reason is SecretMissing, CertificateMissing, LogNotSynced or LogRecovered, and the field is the flag or the field of the configuration that names it. The log says what is wrong.
# TYPE numberfleet_degraded gauge
numberfleet_degraded{field="` + field + `",reason="SecretMissing"} ` + step.value + `
numberfleet_degraded{field="ledger.log.requireSync",reason="LogNotSynced"} 0
`
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
		if !strings.Contains(log.String(), step.logged) || (step.logged == "") != (log.Len() == 0) {
			t.Errorf("after %q the log has %q, want %q", step.problem, log.String(), step.logged)
		}
	}
}
