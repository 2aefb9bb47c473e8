package main

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	runtimeclient "sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/api/client"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/hack/rig/nats"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// replica is one of several operators that share a log.
type replica struct {
	*operator
	events string // address
}

// started is what the operator says first.
const started = `"msg":"starting","version"`

// leads says whether the replica leads, or led until it ended.
func (r *replica) leads() bool {
	log := r.log.String()
	return strings.Contains(log[max(0, strings.LastIndex(log, started)):], "Successfully acquired lease")
}

const logSecret = "000102030405060708090a0b0c0d0e0f"

// newReplicas runs three operators on one API server and a log of three nodes.
func newReplicas(t *testing.T) ([]*replica, runtimeclient.Client) {
	t.Helper()
	common, api := newOperator(t)
	all := common.replicas(common.configure(newLog(t), logSecret, ""))
	for _, r := range all {
		r.start()
	}
	for _, r := range all {
		r.ready()
	}
	return all, api
}

// newLog runs a log of three nodes.
func newLog(t *testing.T) *nats.Cluster {
	t.Helper()
	log, err := nats.Start(t.Context(), nats.Options{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Kill)
	return log
}

// configure writes a configuration of operators of a cluster that share a log, and returns its file.
func (o *operator) configure(log *nats.Cluster, secret, cluster string) string {
	o.t.Helper()
	o.write("secret", secret)
	o.write("config.yaml", fmt.Sprintf(`apiVersion: config.numberfleet.dev/v1alpha1
kind: OperatorConfiguration
ledger:
  engine: Log
  log: {servers: ["%s"], secretFile: %s, cluster: %q}
`, strings.ReplaceAll(log.URL(), ",", `", "`), filepath.Join(o.folder, "secret"), cluster))
	return filepath.Join(o.folder, "config.yaml")
}

// replicas are three operators that share a log, with the credentials of another one.
func (o *operator) replicas(configuration string) (all []*replica) {
	for range 3 {
		all = append(all, o.replica(configuration))
	}
	return all
}

// replica is an operator that shares a log, with the credentials of another one.
func (o *operator) replica(configuration string) *replica {
	r := &replica{events: freeAddress(o.t), operator: &operator{
		t: o.t, folder: o.folder, webhook: freeAddress(o.t), probe: freeAddress(o.t), metrics: freeAddress(o.t), log: newLogFile(o.t),
	}}
	r.more = []string{"--config=" + configuration, "--data-dir=/nonexistent/ledger", "--events-bind-address=" + r.events,
		"--leader-elect", "--leader-election-namespace=default", "--status-refresh-period=100ms"}
	o.t.Cleanup(func() {
		r.kill(syscall.SIGKILL)
		if o.t.Failed() {
			o.t.Logf("the log of a replica:\n%s", r.log)
		}
	})
	return r
}

// Three replicas take webhooks and reservations at once, and one of them writes statuses. All know what one of them received; together they grant
// what the limit has and not one more. When the leader is killed the others go on, another one takes over the statuses, and nothing that was
// acknowledged is lost. The one that was killed comes back and knows all.
func TestThreeReplicasEndToEnd(t *testing.T) {
	t.Parallel()
	const number, limit, first = "+15550100071", 40, 5
	replicas, api := newReplicas(t)
	sales := newNumber(t, api, number, limit)
	token := newToken(t, api, campaign)
	gates := map[*replica]*client.Client{}
	for _, r := range replicas {
		gates[r] = gateAt(t, r.events, token)
	}
	stand := func(used, reserved, remaining int64) {
		t.Helper()
		for r, gate := range gates {
			var items []client.Item
			var err error
			if !rig.Eventually(t.Context(), func() bool {
				items, err = gate.Standing(t.Context(), client.Selection{Namespace: "default"})
				return err == nil && len(items) == 1 && items[0].Used != nil && *items[0].Used == used && items[0].Reserved == reserved && items[0].Remaining == remaining
			}) {
				t.Fatalf("at the replica %s it stands at %+v, %v; want %d used, %d reserved and %d remaining", r.events, items, err, used, reserved, remaining)
			}
		}
	}
	reserve := func(at *replica, user int) error {
		_, err := gates[at].Reserve(t.Context(), client.Request{Number: number, User: fmt.Sprintf("+1557777%04d", user), Category: "Marketing"})
		return err
	}
	status := func(used int64) {
		t.Helper()
		if !rig.Eventually(t.Context(), func() bool {
			if err := api.Get(t.Context(), runtimeclient.ObjectKeyFromObject(sales), sales); err != nil {
				t.Fatal(err)
			}
			return sales.Status.Usage.Used != nil && *sales.Status.Usage.Used == used
		}) {
			t.Fatalf("the status does not say that %d are used: %+v", used, sales.Status.Usage)
		}
	}

	stand(0, 0, limit)
	replicas[0].deliver(number, 0, first)
	stand(first, 0, limit-first)
	status(first)

	// Twice as many users as there are places, at all replicas at once.
	var granted atomic.Int64
	var group sync.WaitGroup
	for i, r := range replicas {
		for sender := range 4 {
			group.Go(func() {
				for user := first + i + 3*sender; user < first+2*limit; user += 12 {
					if err := reserve(r, user); err == nil {
						granted.Add(1)
					} else if !isRefused(err, "LimitReached") {
						t.Errorf("a reservation is answered with %v", err)
					}
				}
			})
		}
	}
	group.Wait()
	if granted.Load() != limit-first {
		t.Errorf("%d reservations were granted of %d places", granted.Load(), limit-first)
	}
	stand(first, limit-first, 0)

	var leader *replica
	replicas[0].within("one replica leads", func() bool {
		leading := slices.DeleteFunc(slices.Clone(replicas), func(r *replica) bool { return !r.leads() })
		if len(leading) == 1 {
			leader = leading[0]
		}
		return leader != nil
	})
	killed := gates[leader]
	leader.kill(syscall.SIGKILL)
	delete(gates, leader)
	begun := time.Now() // of the operator under test, which runs on real time
	stand(first, limit-first, 0)
	for r := range gates {
		if err := reserve(r, first+4*limit); !isRefused(err, "LimitReached") {
			t.Errorf("a reservation beyond the limit is answered with %v", err)
		}
		r.deliver(number, first+3*limit, first+3*limit+2) // that nobody reserved, at both: counted once
	}
	t.Logf("after the leader was killed, the others answered all within %s", time.Since(begun))
	stand(first+2, limit-first, 0)
	status(first + 2)
	t.Logf("another leader wrote the status %s after the kill", time.Since(begun))

	leader.start()
	leader.ready()
	gates[leader] = killed
	stand(first+2, limit-first, 0)
	if !isRefused(reserve(leader, first+4*limit), "LimitReached") {
		t.Error("the replica that came back grants beyond the limit")
	}

	for _, r := range replicas {
		if r != leader && r.leads() {
			r.kill(syscall.SIGTERM)
			delete(gates, r)
		}
	}
	begun = time.Now()
	leader.deliver(number, first+3*limit+2, first+3*limit+4)
	status(first + 4)
	t.Logf("another leader wrote the status %s after the one before had ended", time.Since(begun))
}

// A replica that waits for the log at its start is alive, however long that takes, and not ready.
func TestItIsAliveWhileItWaitsForTheLog(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	common, _ := newOperator(t)
	r := common.replica(common.configure(log, logSecret, ""))
	for _, node := range log.Nodes {
		node.Pause()
	}
	r.start()
	r.waits()
	for _, node := range log.Nodes {
		node.Continue()
	}
	r.ready()
}

// A replica that does not hear from the log takes nothing and says nothing that may be old: whoever asks is to come again, and its Service sends
// nobody to it. It goes on by itself when the log does.
func TestAReplicaThatDoesNotHearFromTheLogRefuses(t *testing.T) {
	t.Parallel()
	const number = "+15550100072"
	log := newLog(t)
	common, api := newOperator(t)
	r := common.replicas(common.configure(log, logSecret, ""))[0]
	r.start()
	r.ready()
	newNumber(t, api, number, 10)
	token := newToken(t, api, campaign)
	body := metatest.MessagesPayload(number, []metatest.Status{{ID: "wamid.1", Status: "delivered", Phone: "15577770001", At: time.Now()}}, nil) // the operator under test runs on real time
	to := func(method, url, body string) func() (*http.Request, error) {
		return func() (*http.Request, error) {
			req, err := http.NewRequestWithContext(t.Context(), method, "http://"+url, strings.NewReader(body))
			if err == nil {
				req.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
			}
			return req, err
		}
	}
	requests := map[string]func() (*http.Request, error){
		"webhooks":     func() (*http.Request, error) { return r.signed(t.Context(), body) },
		"reservations": to(http.MethodPost, r.events+"/v1/reservations", fmt.Sprintf(`{"number":%q,"user":"+15577770002","category":"Marketing"}`, number)),
		"standing":     to(http.MethodGet, r.events+"/v1/standing?namespace=default", ""),
		"readiness":    to(http.MethodGet, r.probe+"/readyz", ""),
	}
	answers := func(what string, taken bool) {
		t.Helper()
		var code int
		var header http.Header
		answered := rig.Eventually(t.Context(), func() bool {
			req, err := requests[what]()
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return false
			}
			_ = res.Body.Close()
			code, header = res.StatusCode, res.Header
			return taken == (code < 300)
		})
		if !answered || !taken && what != "readiness" && (code != http.StatusServiceUnavailable || header.Get("Retry-After") == "") {
			t.Errorf("%s: HTTP %d, %v", what, code, header)
		}
	}
	all := func(taken bool) {
		t.Helper()
		for what := range requests {
			answers(what, taken)
		}
	}
	all(true)
	for _, node := range log.Nodes {
		node.Pause()
	}
	all(false)
	for _, node := range log.Nodes {
		node.Continue()
	}
	all(true)
	if log := r.log.String(); strings.Count(log, started) != 1+strings.Count(log, leaseLost) {
		t.Error("it ended, and was started again")
	}
}

func isRefused(err error, reason string) bool {
	problem, is := errors.AsType[*client.Problem](err)
	return is && problem.Reason == reason
}
