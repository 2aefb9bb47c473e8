package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const lowAndBack = `{"specversion":"1.0","id":"1","source":"/meta","type":"dev.numberfleet.quality.reported.v1","time":"2026-03-02T10:00:00Z","data":{"number":"+15550100001","rating":"Low"}}
{"specversion":"1.0","id":"2","source":"/meta","type":"dev.numberfleet.quality.reported.v1","time":"2026-03-03T10:00:00Z","data":{"number":"+15550100001","rating":"High"}}
`

func play(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSimulateJSON(t *testing.T) {
	args := []string{"simulate", "--policy", "meta-2023", "--verification", "Verified", "--until", "2026-03-20T00:00:00+02:00", "-o", "json", "--events"}
	const want = `{"time":"2026-03-02T10:00:00Z","subject":"+15550100001","reason":"QualityChanged","from":"Unknown","to":"Low","message":"the quality rating is Low, it was Unknown"}
{"time":"2026-03-02T10:00:00Z","subject":"+15550100001","reason":"Flagged","from":"","to":"","message":"the quality rating is Low; the flag stands until 2026-03-09 10:00:00 UTC, and the tier stays, for 1K is the lowest"}
{"time":"2026-03-03T10:00:00Z","subject":"+15550100001","reason":"QualityChanged","from":"Low","to":"High","message":"the quality rating is High, it was Low"}
{"time":"2026-03-10T10:00:00Z","subject":"+15550100001","reason":"FlagCleared","from":"","to":"","message":"the flag of 2026-03-02 10:00:00 UTC ends: the rating has been above Low for 7 d, since 2026-03-03 10:00:00 UTC"}
{"time":"2026-03-19T22:00:00Z","subject":"+15550100001","final":true,"tier":"1K","limit":1000,"used":0,"quality":"High","state":"Connected"}
`
	for from, stdin := range map[string]string{"-": lowAndBack, file(t, "events.jsonl", lowAndBack): ""} {
		if code, stdout, stderr := play(t, stdin, append(args, from)...); code != 0 || stdout != want || stderr != "" {
			t.Errorf("code %d, %s\ngot\n%s\nwant\n%s", code, stderr, stdout, want)
		}
	}
}

func TestSimulateTableWithFleetAndPolicyFromFiles(t *testing.T) {
	policy, err := os.ReadFile("../../config/policies/netcore.yaml")
	if err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := play(t, lowAndBack, "simulate", "--policy", file(t, "mine.yaml", string(policy)), "--events", "-", "--fleet", "../../config/samples/fleet.yaml")
	if code != 0 || stderr != "" || !strings.HasPrefix(stdout, "TIME ") || strings.Count(stdout, "\n") != 3+1+1+1+9 {
		t.Errorf("code %d, %s\n%s", code, stderr, stdout)
	}
}

// Bad input is one line on the standard error, the exit code 1, and nothing that looks like a result.
func TestSimulateRefuses(t *testing.T) {
	bad := file(t, "bad.yaml", "kind: [")
	for _, test := range []struct {
		args, want string
	}{
		{"simulate --events -", `required flag(s) "policy" not set`},
		{"simulate --policy netcore", `required flag(s) "events" not set`},
		{"simulate --policy meta-2019 --events -", `--policy: "meta-2019" is neither a file nor a policy that ships: those are botmaker, chat-api, `},
		{"simulate --policy kustomization --events -", `--policy: "kustomization" is neither`},
		{"simulate --policy " + bad + " --events -", "--policy: " + bad + ": "},
		{"simulate --policy netcore --events /nowhere", "--events: open /nowhere: no such file"},
		{"simulate --policy netcore --events - --fleet /nowhere", "--fleet: open /nowhere: no such file"},
		{"simulate --policy netcore --events - --fleet " + bad, "--fleet: document 1: "},
		{"simulate --policy netcore --events - --until tomorrow", "--until: must be a time as in RFC 3339, like 2026-03-02T10:00:00Z"},
		{"simulate --policy netcore --events - --verification Pending", "--verification: must be Verified or Unverified"},
		{"simulate --policy netcore --events - -o yaml", "--output: must be table or json"},
		{"simulate --policy netcore --events - more", "unknown command"},
		{"simulate --policy netcore --events -", "line 3: is not JSON: each line must be one CloudEvent, a JSON object"},
		{"similate", "unknown command"},
	} {
		code, stdout, stderr := play(t, lowAndBack+"{", strings.Fields(test.args)...)
		if code != 1 || stdout != "" || !strings.HasPrefix(stderr, "Error: "+test.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: code %d, %q %q, want %q", test.args, code, stdout, stderr, test.want)
		}
	}
}
