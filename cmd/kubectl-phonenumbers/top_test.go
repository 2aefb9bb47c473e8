package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	apiclient "numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/standing/remote"
)

// Where there is no terminal all numbers are written once, the fullest first.
func TestTopOnce(t *testing.T) {
	c := cluster(t)
	statusFleet(t, c, "top", "+1555010920")
	const want = `3 numbers (1 Flagged, 1 Restricted, 1 not seen yet)
Not live: no pod of the operator in namespace numberfleet-system is ready and serves the port "events". The counts are those of the statuses.
NUMBER   STATE       QUALITY  TIER  ROOM        USED  LIMIT  RESERVED  REMAINING  PROBLEM       NEXT
hotels   Restricted  High     250   ██████████  250   250    0         0          LimitReached  2026-03-02 10:00:00
support  Flagged     Low      1K    █·········  100   1000   0         900        QualityLow    2026-03-09 09:00:00
fresh    -           -        -     -           -     -      0         0          NotReady      -
`
	if code, stdout, stderr := play(t, "", "top", "--kubeconfig", c.kubeconfig, "-n", "top"); code != 0 || stdout+stderr != want {
		t.Errorf("it ends with %d and says\n%s%s", code, stdout, stderr)
	}
	code, stdout, stderr := play(t, "", "top", "--kubeconfig", c.kubeconfig, "-n", "top", "-o", "json")
	var all struct {
		Items []struct {
			Name, State string
			Used        *int64
			Problems    []struct{ Reason string }
		}
	}
	if err := json.Unmarshal([]byte(stdout), &all); err != nil || code != 0 || stderr != "" || len(all.Items) != 3 || all.Items[0].Name != "hotels" ||
		*all.Items[1].Used != 100 || all.Items[1].Problems[0].Reason != "QualityLow" {
		t.Errorf("for programs it ends with %d, %v and says\n%s%s", code, err, stdout, stderr)
	}
	if code, _, stderr := play(t, "", "top", "hotels"); code != exitUsage || stderr == "" {
		t.Errorf("with an argument it ends with %d, %s", code, stderr)
	}
}

// screen is a terminal: what is drawn, one drawing after the other.
type screen chan string

func (s screen) Write(p []byte) (int, error) {
	if text := string(p); strings.HasPrefix(text, home) {
		s <- text
	}
	return len(p), nil
}

// A terminal shows as many numbers as it has lines, cut to its width, and what changes.
func TestTopFollows(t *testing.T) {
	c := cluster(t)
	statusFleet(t, c, "topfollows", "+1555010930")
	config, err := clientcmd.BuildConfigFromFlags("", c.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	numbers, err := watchNumbers(ctx, &remote.Options{Config: config}, c.api, "topfollows")
	if err != nil {
		t.Fatal(err)
	}
	view := topView{standing: &remote.Standing{}}
	terminal, ticks, ended := make(screen), make(chan time.Time), make(chan error)
	go func() { ended <- view.follow(ctx, terminal, numbers, ticks, func() (int, int) { return 16, 5 }) }()
	const shown = home + "3 numbers (1 Fla" + clearLine + "\nNUMBER   STATE  " + clearLine + "\nhotels   Restric" + clearLine + "\nsupport  Flagged" + clearLine + "\n" + clearRest
	drawn := func() string {
		select {
		case drawn := <-terminal:
			return drawn
		case err := <-ended:
			t.Fatalf("it ends with %v", err)
			return ""
		}
	}
	if drawn := drawn(); drawn != shown {
		t.Errorf("it draws %q, not %q", drawn, shown)
	}
	if err := c.api.Delete(t.Context(), &v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Namespace: "topfollows", Name: "support"}}); err != nil {
		t.Fatal(err)
	}
	for {
		ticks <- time.Time{}
		if drawn := drawn(); !strings.Contains(drawn, "support") {
			if !strings.Contains(drawn, "fresh") {
				t.Errorf("the next one does not move up: %q", drawn)
			}
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A line that is cut keeps its colour to itself.
func TestTopCutsColouredLines(t *testing.T) {
	unreachable := &remote.Options{Config: &rest.Config{Host: "https://127.0.0.1:1"}, URL: "ftp://operator"}
	view := topView{paint: true, standing: remote.Read(t.Context(), unreachable, apiclient.Selection{})}
	var drawn bytes.Buffer
	if err := view.draw(&drawn, func() (int, int) { return 16, 5 }); err != nil {
		t.Fatal(err)
	}
	if want := "\n\x1b[33mNot live: the UR\x1b[0m" + clearLine + "\n"; !strings.Contains(drawn.String(), want) {
		t.Errorf("it draws %q", &drawn)
	}
}

// Who may not list numbers is told so, and waits for nothing.
func TestTopIsForbidden(t *testing.T) {
	c := cluster(t)
	stranger := filepath.Join(t.TempDir(), "kubeconfig")
	if err := c.writeKubeconfig(stranger, envtest.User{Name: "stranger"}); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", stranger)
	if err != nil {
		t.Fatal(err)
	}
	api, err := client.New(config, client.Options{Scheme: c.api.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watchNumbers(t.Context(), &remote.Options{Config: config}, api, "top"); err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("it says %v", err)
	}
}

// How long it takes to draw 10,000 numbers of which a terminal of 50 lines shows the fullest.
func BenchmarkTop(b *testing.B) {
	at := metav1.NewTime(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	view := topView{standing: &remote.Standing{}, namespaces: true}
	for i := range int64(10_000) {
		n := &v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Namespace: "fleet", Name: "number-" + figure(&i)}}
		n.Status.State = v1alpha1.StateConnected
		n.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}, {Type: v1alpha1.ConditionSendable, Status: metav1.ConditionTrue}}
		n.Status.LimitStatus = v1alpha1.LimitStatus{Tier: v1alpha1.TierStatus{Name: "10K", Limit: 10_000},
			Usage: v1alpha1.UsageStatus{ObservedTime: at, Used: new(i * 7919 % 10_000), Remaining: new(10_000 - i*7919%10_000)}}
		view.numbers = append(view.numbers, n)
	}
	var out bytes.Buffer
	for b.Loop() {
		out.Reset()
		if err := view.draw(&out, func() (int, int) { return 200, 50 }); err != nil {
			b.Fatal(err)
		}
	}
}
