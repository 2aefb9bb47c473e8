package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"numberfleet.dev/numberfleet/internal/version"
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

func TestItSaysItsVersion(t *testing.T) {
	if code, stdout, _ := play(t, "", "--version"); code != 0 || stdout != "kubectl phonenumbers version "+version.Line()+"\n" {
		t.Errorf("code %d, %q", code, stdout)
	}
}

func TestSimulateJSON(t *testing.T) {
	args := []string{"simulate", "--policy", "meta-2023", "--verification", "Verified", "--until", "2026-03-20T00:00:00+02:00", "-o", "json", "--events"}
	const want = `{"time":"2026-03-02T10:00:00Z","subject":"+15550100001","reason":"QualityChanged","from":"Unknown","to":"Low","message":"the quality rating is Low, it was Unknown"}
{"time":"2026-03-02T10:00:00Z","subject":"+15550100001","reason":"Flagged","from":"","to":"","message":"the quality rating is Low: the tier falls at 2026-03-09 10:00:00 UTC unless the rating rises before"}
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
	if code != 0 || stderr != "" || !strings.HasPrefix(stdout, "TIME ") || strings.Count(stdout, "\n") != 3+1+1+1+10 {
		t.Errorf("code %d, %s\n%s", code, stderr, stdout)
	}
}

// Bad input is one line on the standard error, an exit code that is not 0, and nothing that looks like a result.
func TestSimulateRefuses(t *testing.T) {
	bad := file(t, "bad.yaml", "kind: [")
	plan, events := file(t, "plan.yaml", warmup), file(t, "events.jsonl", lowAndBack)
	weights := file(t, "weights.yaml", "{apiVersion: whatsapp.numberfleet.dev/v1alpha1, kind: PhoneNumber, metadata: {name: a, namespace: fleet, annotations: "+
		"{whatsapp.numberfleet.dev/weight: ten}}, spec: {phoneNumber: '+15550100001', business: {name: Acme}}}\n---\n"+
		"{apiVersion: whatsapp.numberfleet.dev/v1alpha1, kind: NumberPool, metadata: {name: news, namespace: fleet}, spec: {strategy: Weighted, selector: {}}}\n")
	const samples = "../../config/samples/fleet.yaml"
	for _, test := range []struct {
		args, want string
	}{
		{"simulate --events -", "--policy: is missing: it, or a number or portfolio of the cluster, says which rules run"},
		{"simulate hotels --plan - --policy netcore", "--policy: does not go with hotels, which begins where it stands in the cluster"},
		{"simulate hotels --webhooks -", "--webhooks: does not go with hotels"},
		{"simulate hotels --plan - --fleet a --verification Verified", "--verification: does not go with hotels"},
		{"simulate hotels --plan - --write-events a", "--write-events: does not go with hotels"},
		{"simulate hotels --plan - --until tomorrow", "--until: must be a time as in RFC 3339"},
		{"simulate --policy netcore", "at least one of the flags in the group [events webhooks plan] is required"},
		{"simulate --policy netcore --events - --plan -", "if any flags in the group [events plan] are set none of the others can be"},
		{"simulate --policy netcore --webhooks - --plan -", "if any flags in the group [webhooks plan] are set none of the others can be"},
		{"simulate --policy netcore --webhooks - --events -", "--webhooks: is the standard input, and so is --events: one of the two can be"},
		{"simulate --policy netcore --events - --show-unread", "--show-unread: goes with --webhooks"},
		{"simulate --policy netcore --webhooks /nowhere", "--webhooks: open /nowhere: no such file"},
		{"simulate --policy netcore --webhooks " + t.TempDir(), "--webhooks: "},
		{"simulate --policy netcore --webhooks -", `--webhooks: - line 1: object must be "whatsapp_business_account", but is absent`},
		{"simulate --policy netcore --plan /nowhere", "--plan: open /nowhere: no such file"},
		{"simulate --policy netcore --plan " + bad, "--plan: yaml: "},
		{"simulate --policy netcore --events - --write-events /nowhere/a", "--write-events: goes with --plan"},
		{"simulate --policy netcore --plan " + plan + " --write-events /nowhere/a", "--write-events: open /nowhere/a: no such file"},
		{"simulate --policy netcore --plan " + plan + " --chart /nowhere/a", "--chart: open /nowhere/a: no such file"},
		{"simulate --policy netcore --events - --strategy Sticky", "--strategy: goes with --pool"},
		{"simulate --policy netcore --events - --pool travel", "--fleet: is missing: --pool selects numbers of it"},
		{"simulate --policy netcore --plan - --pool travel", "if any flags in the group [pool plan] are set none of the others can be"},
		{"simulate --policy netcore --events - --fleet " + samples + " --pool trevel", `--pool: "trevel" is neither a file nor a NumberPool of the fleet: those are fleet/travel`},
		{"simulate --policy netcore --events - --fleet " + samples + " --pool " + bad, "--pool: " + bad + ": "},
		{"simulate --policy netcore --events - --fleet " + samples + " --pool " + samples, "--pool: " + samples + ": kind: must be NumberPool of apiVersion whatsapp"},
		{"simulate --policy netcore --events - --fleet " + samples + " --pool travel --strategy Random", "--strategy: must be Sticky, LeastUsed or Weighted"},
		{"simulate --policy netcore --events - --fleet " + samples + " --pool travel --strategy Sticky,LeastUsed", "--strategy: must be one where --events is the standard input, or with --chart"},
		{"simulate --policy netcore --events " + events + " --fleet " + samples + " --pool travel", "no number of NumberPool fleet/travel delivered anything in the events"},
		{"simulate --policy netcore --events - --fleet " + weights + " --pool news", `--pool: PhoneNumber "a": annotation whatsapp.numberfleet.dev/weight must be a whole number from 0 to 100`},
		{"forecast", "--policy: is missing: it, or a number or portfolio of the cluster, says which rules run"},
		{"forecast hotels --used 5", "--used: does not go with hotels, which begins where it stands in the cluster"},
		{"forecast --policy netcore --tier 1K", "--tier: is not a tier of policy netcore: those are 1, 2, 3"},
		{"forecast --policy netcore --from monday", "--from: must be a time as in RFC 3339, like 2026-03-02T10:00:00Z"},
		{"forecast --policy netcore --used -1", "--used: must be a whole number from 0 to 1000000000"},
		{"forecast --policy netcore --achieved -1", "--achieved: must be a whole number from 0 to 1000000000"},
		{"forecast --policy netcore --per-day 0", "--per-day: must be a whole number from 1 to 5000000"},
		{"forecast --policy netcore --grow 20", "--per-day: is missing: --grow and --hours are about the users of a day"},
		{"forecast --policy netcore --per-day 1 --grow NaN", "--grow: must be a percentage from -100 to 1000"},
		{"forecast --policy netcore --per-day 1 --hours 9-18", "--hours: must be a stretch of the day"},
		{"forecast --policy netcore --fleet /nowhere", "--fleet: open /nowhere"},
		{"forecast --policy netcore --subject +15550100001", "--subject: goes with --events"},
		{"forecast --policy netcore --events - --used 5", "if any flags in the group [events used] are set none of the others can be"},
		{"forecast --policy netcore --events /nowhere", "--events: open /nowhere: no such file"},
		{"forecast --policy netcore --events " + events + " --subject acme", "--subject: is not in these events"},
		{"forecast --policy netcore -o yaml", "--output: must be table or json"},
		{"simulate --policy meta-2019 --events -", `--policy: "meta-2019" is neither a file nor a policy that ships: those are botmaker, chat-api, `},
		{"simulate --policy kustomization --events -", `--policy: "kustomization" is neither`},
		{"simulate --policy " + bad + " --events -", "--policy: " + bad + ": "},
		{"simulate --policy netcore --events /nowhere", "--events: open /nowhere: no such file"},
		{"simulate --policy netcore --events - --fleet /nowhere", "--fleet: open /nowhere: no such file"},
		{"simulate --policy netcore --events - --fleet " + bad, "--fleet: document 1: "},
		{"simulate --policy netcore --events - --until tomorrow", "--until: must be a time as in RFC 3339, like 2026-03-02T10:00:00Z"},
		{"simulate --policy netcore --events - --verification Pending", "--verification: must be Verified or Unverified"},
		{"simulate --policy netcore --events - -o yaml", "--output: must be table or json"},
		{"simulate --policy netcore --events - more less", "accepts at most 1 arg"},
		{"simulate --policy netcore --events -", "line 3: is not JSON: each line must be one CloudEvent, a JSON object"},
		{"similate", "unknown command"},
	} {
		code, stdout, stderr := play(t, lowAndBack+"{", strings.Fields(test.args)...)
		if code == exitDone || stdout != "" || !strings.HasPrefix(stderr, "Error: "+test.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: code %d, %q %q, want %q", test.args, code, stdout, stderr, test.want)
		}
	}
}

// Strategies of a pool stand beside each other, and a pool may be one of the fleet or come from a file.
func TestSimulatePool(t *testing.T) {
	const testdata = "../../internal/simulate/testdata/pool"
	args := []string{"simulate", "--policy", "meta-2023", "--events", testdata + ".jsonl", "--fleet", testdata + ".fleet.yaml", "--pool"}
	code, stdout, stderr := play(t, "", append(args, "news", "--strategy", "LeastUsed,Sticky")...)
	if code != 0 || stderr != "" || !strings.HasPrefix(stdout, "NumberPool fleet/news: 56 messages to 24 users, 2026-03-02T09:00:00Z to 2026-03-04T15:10:00Z\n\nSTRATEGY ") ||
		strings.Count(stdout, "\nLeastUsed ") != 4 || strings.Count(stdout, "\nSticky ") != 4 {
		t.Errorf("code %d, %s\n%s", code, stderr, stdout)
	}
	page := filepath.Join(t.TempDir(), "page.html")
	pool := file(t, "pool.yaml", "{apiVersion: whatsapp.numberfleet.dev/v1alpha1, kind: NumberPool, metadata: {name: mine, namespace: fleet}, "+
		"spec: {strategy: Weighted, selector: {matchLabels: {team: news}}}}")
	code, stdout, stderr = play(t, "", append(args, pool, "-o", "json", "--chart", page)...)
	if code != 0 || stderr != "" || !strings.HasPrefix(stdout, `{"pool":"fleet/mine","strategy":"Weighted",`) || strings.Count(stdout, "\n") != 1 {
		t.Errorf("code %d, %s\n%s", code, stderr, stdout)
	}
	if content, err := os.ReadFile(page); err != nil || !bytes.Contains(content, []byte("+15550100001")) {
		t.Errorf("the page: %v", err)
	}
}

const warmup = "start: 2026-03-02\nsends:\n- {days: 1-2, users: 800, grow: 20}\n"

func TestSimulatePlan(t *testing.T) {
	folder := t.TempDir()
	events, page := filepath.Join(folder, "events.jsonl"), filepath.Join(folder, "page.html")
	args := []string{"simulate", "--policy", "meta-2025", "--verification", "Verified", "-o", "json", "--until", "2026-03-04T00:00:00Z"}
	const want = `{"time":"2026-03-03T10:51:56Z","subject":"+15550100001","reason":"UpgradePending","from":"2K","to":"10K","message":"1000 unique users within 7 d reach 50 % of the limit of 2000, as 10K requires: the tier rises at 2026-03-03 16:51:56 UTC"}
{"time":"2026-03-03T16:51:56Z","subject":"+15550100001","reason":"TierUpgraded","from":"2K","to":"10K","message":"the limit rises from 2000 to 10000: all that 10K requires was met at 2026-03-03 10:51:56 UTC, and 6 h have passed"}
{"time":"2026-03-04T00:00:00Z","subject":"+15550100001","final":true,"tier":"10K","limit":10000,"used":960,"quality":"Unknown","state":"Connected"}
`
	if code, stdout, stderr := play(t, warmup, append(args, "--plan", "-", "--write-events", events, "--chart", page)...); code != 0 || stdout != want || stderr != "" {
		t.Errorf("code %d, %s\ngot\n%s\nwant\n%s", code, stderr, stdout, want)
	}
	if code, stdout, stderr := play(t, "", append(args, "--events", events)...); code != 0 || stdout != want || stderr != "" {
		t.Errorf("as events: code %d, %s\ngot\n%s\nwant\n%s", code, stderr, stdout, want)
	}
	if content, err := os.ReadFile(page); err != nil || !bytes.Contains(content, []byte("+15550100001")) {
		t.Errorf("the page: %v", err)
	}

	code, stdout, stderr := play(t, warmup, "simulate", "--policy", "quality-based", "--plan", "-")
	if code != 0 || stderr != "" || !strings.Contains(stdout, "\n2    2026-03-03  960      960   0\n") {
		t.Errorf("code %d, %s\n%s", code, stderr, stdout)
	}
}

func TestForecast(t *testing.T) {
	from := []string{"--from", "2026-03-02T00:00:00Z"}
	for _, test := range []struct{ args, stdin, want string }{
		{"--policy meta-2025 --verification Verified", "", `{"tier":"10K","limit":10000,"time":"2026-03-02T06:00:00Z","afterSeconds":21600,"users":1000,`},
		{"--policy meta-2025 --tier 100K --used 10 --achieved 100", "", `{"tier":"Unlimited","limit":null,"time":"2026-03-02T06:00:00Z","afterSeconds":21600,"users":49900,`},
		{"--policy meta-2025 --verification Verified --per-day 800 --grow 20", "", `{"tier":"10K","limit":10000,"time":"2026-03-03T16:51:56Z","afterSeconds":147116,"users":1000,`},
		{"--policy quality-based --events - --from 2026-03-03T12:00:00Z", lowAndBack, `{"tier":"2","limit":10000,"time":"2026-03-03T12:00:00Z","afterSeconds":0,"users":500,`},
		{"--policy netcore --events - --from 2026-03-03T12:00:00Z", lowAndBack, `{"tier":"2","limit":10000,"time":"2026-03-10T10:00:00Z","afterSeconds":597600,"users":2000,`},
	} {
		args := append([]string{"forecast", "-o", "json"}, append(from, strings.Fields(test.args)...)...)
		if code, stdout, stderr := play(t, test.stdin, args...); code != 0 || !strings.HasPrefix(stdout, test.want) || stderr != "" {
			t.Errorf("%s: code %d, %s\ngot\n%s\nwant\n%s", test.args, code, stderr, stdout, test.want)
		}
	}
	if code, stdout, stderr := play(t, "", "forecast", "--policy", "botmaker"); code != 0 || !strings.HasPrefix(stdout, "botmaker, at 1 (limit 1000) at 2") || stderr != "" {
		t.Errorf("code %d, %s\n%s", code, stderr, stdout)
	}
}

// Webhooks are played as they were kept, and the standard error says what was passed over; with events, what both tell is put together.
func TestSimulateWebhooks(t *testing.T) {
	const hooks = `{"object":"whatsapp_business_account","entry":[{"id":"2001","time":1772445600,"changes":[` +
		`{"field":"phone_number_quality_update","value":{"display_phone_number":"15550100001","event":"UPGRADE","current_limit":"TIER_10K"}},7]}]}`
	args := []string{"simulate", "--policy", "meta-2023", "-o", "json", "--webhooks"}
	const told = `{"time":"2026-03-02T10:00:00Z","subject":"+15550100001","reason":"LimitReported","from":"250","to":"10K","message":"Meta reports a limit of 10000; it was 250 here"}
`
	const alone = told + `{"time":"2026-03-02T10:00:00Z","subject":"+15550100001","final":true,"tier":"10K","limit":10000,"used":0,"quality":"Unknown","state":"Connected"}
`
	const summary = "1 parts of 1 webhooks could not be read, and were passed over: --show-unread says which.\n"
	if code, stdout, stderr := play(t, hooks, append(args, "-")...); code != 0 || stdout != alone || stderr != summary {
		t.Errorf("code %d, %s\ngot\n%s\nwant\n%s", code, stderr, stdout, alone)
	}
	kept := file(t, "a.json", hooks)
	want := kept + " line 1: entry[0].changes[1] must be an object, but is another number\nOf 1 webhooks, 1 parts could not be read, and 0 updates count for nothing.\n"
	if code, stdout, stderr := play(t, "", append(args, filepath.Dir(kept), "--show-unread")...); code != 0 || stdout != alone || stderr != want {
		t.Errorf("code %d\ngot\n%s\nwant\n%s\n%s", code, stderr, want, stdout)
	}
	code, stdout, stderr := play(t, lowAndBack, append(args, kept, "--events", "-")...)
	if code != 0 || !strings.HasPrefix(stdout, told) || strings.Count(stdout, "QualityChanged") != 2 || stderr != summary {
		t.Errorf("code %d, %s\n%s", code, stderr, stdout)
	}
}
