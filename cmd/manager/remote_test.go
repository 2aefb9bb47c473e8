package main

import (
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"numberfleet.dev/numberfleet/api/client"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/standing/remote"
)

// What the plugin shows is live: who may create a token of a ServiceAccount that may, reads where a number stands, sees it change, falls back to
// the status while the operator is away, and is back by itself.
func TestStandingIsReadFromOutside(t *testing.T) {
	t.Parallel()
	o, api := newOperator(t)
	address := freeAddress(t)
	o.more = []string{"--events-bind-address=" + address}
	o.start()
	o.ready()
	number := newNumber(t, api, "+15550100046", 5)
	newToken(t, api, campaign) // for its ServiceAccount
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(o.folder, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	options := &remote.Options{Config: config, URL: "http://" + address, Account: "default/" + campaign}
	own := client.Selection{Namespace: "default"}

	if problem := remote.Read(t.Context(), options, client.Selection{}).Problem(); problem == nil || !strings.Contains(problem.Error(), "in the whole cluster, unless namespace is given") {
		t.Errorf("of all namespaces it says %v", problem)
	}
	ctx, cancel := context.WithCancel(t.Context())
	changes, ended := make(chan struct{}, 1), make(chan struct{})
	var standing remote.Standing
	go func() {
		defer close(ended)
		standing.Follow(ctx, options, own, func() {
			select {
			case changes <- struct{}{}:
			default:
			}
		})
	}()
	defer func() { cancel(); <-ended }()
	shows := func(what string, is func(item client.Item, live bool) bool) {
		t.Helper()
		for deadline := time.After(rig.Patience); ; {
			if is(standing.Of(number)) {
				return
			}
			select {
			case <-changes:
			case <-deadline:
				item, live := standing.Of(number)
				t.Fatalf("%s: it stands at %+v, live %t, %v", what, item, live, standing.Problem())
			}
		}
	}
	used := func(n int64) func(client.Item, bool) bool {
		return func(item client.Item, live bool) bool {
			return live && item.Used != nil && *item.Used == n && item.Remaining == 5-n
		}
	}
	shows("at first", used(0))
	o.deliver("+15550100046", 0, 1)
	shows("after a delivery", used(1))

	o.kill(syscall.SIGKILL)
	shows("while the operator is away", func(_ client.Item, live bool) bool { return !live && standing.Problem() != nil })
	if problem := remote.Read(t.Context(), options, own).Problem(); problem == nil {
		t.Error("nothing is said of an operator that is away")
	}
	o.start()
	o.ready()
	shows("after it came back", used(1))
}
