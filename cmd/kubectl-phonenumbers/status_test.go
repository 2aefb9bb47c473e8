package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apiclient "numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// statusFleet is a namespace with a fleet as the operator leaves it: one number that is flagged, one whose limit is reached, and one that
// nobody has looked at.
func statusFleet(t *testing.T, c *testCluster, namespace, prefix string) {
	t.Helper()
	at := metav1.NewTime(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	condition := func(of string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
		return metav1.Condition{Type: of, Status: status, Reason: reason, Message: message, LastTransitionTime: at}
	}
	ready := condition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonEvaluated, "")
	of := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: namespace, Name: name} }
	number := func(name, digits string) *v1alpha1.PhoneNumber {
		return &v1alpha1.PhoneNumber{ObjectMeta: of(name), Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: prefix + digits, Business: v1alpha1.Business{Name: "Acme"}}}
	}
	limit := func(tier string, limit, used, remaining int64) v1alpha1.LimitStatus {
		return v1alpha1.LimitStatus{
			Tier:  v1alpha1.TierStatus{Name: tier, Limit: limit, SinceTime: at, Source: v1alpha1.FromPolicy},
			Usage: v1alpha1.UsageStatus{Source: v1alpha1.CountedHere, ObservedTime: at, Used: new(used), Reserved: new(int64(0)), Remaining: new(remaining)},
		}
	}
	support, hotels, fresh := number("support", "1"), number("hotels", "2"), number("fresh", "3")
	pool := &v1alpha1.NumberPool{ObjectMeta: of("travel"), Spec: v1alpha1.NumberPoolSpec{Selector: &metav1.LabelSelector{}}}
	for _, object := range []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, support, hotels, fresh, pool} {
		if err := c.api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	quality := func(rating v1alpha1.QualityRating) v1alpha1.QualityStatus {
		return v1alpha1.QualityStatus{Rating: rating, SinceTime: at, Source: v1alpha1.FromReport}
	}
	support.Status = v1alpha1.PhoneNumberStatus{
		CommonStatus: v1alpha1.CommonStatus{Conditions: []metav1.Condition{ready, condition(v1alpha1.ConditionSendable, metav1.ConditionTrue, v1alpha1.ReasonBelowLimit, ""),
			condition(v1alpha1.ConditionFlagged, metav1.ConditionTrue, v1alpha1.ReasonQualityLow, "The rating is Low.")}},
		LimitStatus: limit("1K", 1000, 100, 900), State: v1alpha1.StateFlagged, Quality: quality(v1alpha1.QualityLow),
		Flag: v1alpha1.FlagStatus{SinceTime: at, DeadlineTime: metav1.NewTime(at.AddDate(0, 0, 7)), Source: v1alpha1.FromPolicy},
	}
	hotels.Status = v1alpha1.PhoneNumberStatus{
		CommonStatus: v1alpha1.CommonStatus{Conditions: []metav1.Condition{ready, condition(v1alpha1.ConditionSendable, metav1.ConditionFalse, v1alpha1.ReasonLimitReached, "All of the limit is used.")}},
		LimitStatus:  limit("250", 250, 250, 0), State: v1alpha1.StateRestricted, Quality: quality(v1alpha1.QualityHigh),
	}
	hotels.Status.Usage.SendableTime = metav1.NewTime(at.Add(time.Hour))
	hotels.Status.Upgrade = v1alpha1.UpgradeStatus{NextTier: "2K", Required: 2000, Missing: []string{"1750 more unique users within 30 d"}}
	pool.Status = v1alpha1.NumberPoolStatus{CommonStatus: v1alpha1.CommonStatus{Conditions: []metav1.Condition{ready, condition(v1alpha1.ConditionSendable, metav1.ConditionTrue, v1alpha1.ReasonBelowLimit, "")}},
		Numbers: new(int32(3)), Sendable: new(int32(1)), Remaining: new(int64(900)),
		Members: []v1alpha1.PoolMember{{Name: "hotels", State: v1alpha1.StateRestricted, Remaining: new(int64(0)), Reason: v1alpha1.RoomLimitReached}}}
	for _, object := range []client.Object{support, hotels, pool} {
		if err := c.api.Status().Update(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}

// Without an operator the statuses are shown, and that they are not live.
func TestStatus(t *testing.T) {
	c := cluster(t)
	statusFleet(t, c, "status", "+1555010900")
	const away = "Not live: no pod of the operator in namespace numberfleet-system is ready and serves the port \"events\". "
	for _, test := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"a fleet, what needs a person first", nil, 0, `status: 3 numbers (1 Flagged, 1 Restricted, 1 not seen yet), 0 portfolios, 1 pool, 0 templates
` + away + `The counts are those of the status, of 2026-03-02 09:00:00 UTC.

Needs a person:
  phonenumber/support QualityLow: The rating is Low.
  phonenumber/fresh NotReady: The operator has not seen it yet.

NUMBER   STATE       QUALITY  TIER  ROOM        USED  LIMIT  RESERVED  REMAINING  PROBLEM       NEXT
support  Flagged     Low      1K    █·········  100   1000   0         900        QualityLow    2026-03-09 09:00:00
fresh    -           -        -     -           -     -      0         0          NotReady      -
hotels   Restricted  High     250   ██████████  250   250    0         0          LimitReached  2026-03-02 10:00:00

POOL    STATE        QUALITY  TIER  ROOM  USED  LIMIT  RESERVED  REMAINING  PROBLEM  NEXT
travel  1 of 3 send  -        -     -     -     -      0         900        -        -
`},
		{"names, for other commands", []string{"-o", "name"}, 0, `phonenumber.whatsapp.numberfleet.dev/support
phonenumber.whatsapp.numberfleet.dev/fresh
phonenumber.whatsapp.numberfleet.dev/hotels
numberpool.whatsapp.numberfleet.dev/travel
`},
		{"a number whose limit is reached", []string{"hotels"}, 0, `PhoneNumber status/hotels: Restricted, quality High, tier 250
` + away + `The counts are those of the status, of 2026-03-02 09:00:00 UTC.

████████████████████████████████████████  100 %
250 of 250 used, 0 reserved, 0 remain: LimitReached

Next:
  2026-03-02 10:00:00  further users may be messaged again

Missing for 2K:
  1750 more unique users within 30 d

To look at:
  LimitReached: All of the limit is used.
`},
		{"a pool", []string{"npool/travel"}, 0, `NumberPool status/travel: 1 of 3 send
` + away + `No status has counts yet.

0 reserved, 900 remain

Numbers:
  NAME    STATE       REMAINING  WHY
  hotels  Restricted  0          LimitReached
`},
		{"a number that is not there", []string{"nobody"}, 1, "Error: there is no phonenumber \"nobody\" in namespace \"status\"\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, stdout, stderr := play(t, "", append([]string{"status", "--kubeconfig", c.kubeconfig, "-n", "status"}, test.args...)...)
			if code != test.code || stdout+stderr != test.want {
				t.Errorf("it ends with %d and says\n%s\nnot %d and\n%s", code, stdout+stderr, test.code, test.want)
			}
		})
	}
}

// With an operator the counts are those that it tells, and so are the reasons; all in one namespace where one is asked about.
func TestStatusIsLive(t *testing.T) {
	c := cluster(t)
	statusFleet(t, c, "live", "+1555010910")
	token := file(t, "token", "a token\n")
	operator := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/v1/standing" || req.URL.Query().Get("namespace") != "live" || req.Header.Get("Authorization") != "Bearer a token" {
			t.Errorf("it is asked for %s with %q", req.URL, req.Header.Get("Authorization"))
		}
		_ = json.NewEncoder(w).Encode(map[string][]apiclient.Item{"items": {
			{Kind: "PhoneNumber", Namespace: "live", Name: "support", Limit: new(int64(1000)), Used: new(int64(400)), Reserved: 200, Remaining: 400, Sendable: true},
			{Kind: "PhoneNumber", Namespace: "live", Name: "hotels", Limit: new(int64(250)), Used: new(int64(249)), Remaining: 1, Sendable: true},
		}})
	}))
	t.Cleanup(operator.Close)
	t.Setenv("NUMBERFLEET_URL", operator.URL)
	args := []string{"status", "--kubeconfig", c.kubeconfig, "-n", "live", "--operator-token-file", token}
	code, stdout, stderr := play(t, "", args...)
	if code != 0 || stderr != "" || strings.Contains(stdout, "Not live") {
		t.Fatalf("it ends with %d, %s\n%s", code, stderr, stdout)
	}
	for _, row := range []string{
		"support  Flagged     Low      1K    ████▒▒····  400   1000   200       400        QualityLow  2026-03-09 09:00:00\n",
		"hotels   Restricted  High     250   ██████████  249   250    0         1          -           -\n",
	} {
		if !strings.Contains(stdout, row) {
			t.Errorf("there is no row\n%sin\n%s", row, stdout)
		}
	}
	_, stdout, _ = play(t, "", append(args, "support", "-o", "json")...)
	var stated stated
	if err := json.Unmarshal([]byte(stdout), &stated); err != nil || !stated.Live || *stated.Used != 400 || stated.State != "Flagged" || len(stated.Problems) != 1 || len(stated.Next) != 1 {
		t.Errorf("%v in\n%s", err, stdout)
	}
}

// Whoever may write a status, or is quoted in one, gives no commands to the terminal of who looks at it, and makes no lines that look like others.
func TestTextOfTheClusterIsNoCommandOfATerminal(t *testing.T) {
	c := cluster(t)
	statusFleet(t, c, "hostile", "+1555010960")
	const said = "many\x1b[2J blocks\r\u202e\nNUMBER\tfine"
	var n v1alpha1.PhoneNumber
	if err := c.api.Get(t.Context(), client.ObjectKey{Namespace: "hostile", Name: "support"}, &n); err != nil {
		t.Fatal(err)
	}
	for i := range n.Status.Conditions {
		n.Status.Conditions[i].Message = said
	}
	n.Status.Explanation = []string{said}
	n.Status.History = []v1alpha1.Transition{{Time: metav1.NewTime(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)), Reason: v1alpha1.ReasonFlagged, Message: said}}
	if err := c.api.Status().Update(t.Context(), &n); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"status"}, {"status", "-o", "wide"}, {"status", "support"}, {"history"}, {"history", "support"}, {"explain", "support"}, {"top", "-o", "wide"}} {
		code, stdout, stderr := play(t, "", append(args, "--kubeconfig", c.kubeconfig, "-n", "hostile")...)
		if text := stdout + stderr; code != 0 || strings.ContainsAny(text, "\x1b\r\u202e") || !strings.Contains(text, "many\ufffd[2J blocks") {
			t.Errorf("%q ends with %d and says\n%q", args, code, text)
		}
	}
}
