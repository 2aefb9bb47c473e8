// Package dashboardtest runs an API server without an operator, writes the statuses that an operator would, and serves the dashboard.
package dashboardtest

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig/apiserver"
	"numberfleet.dev/numberfleet/internal/dashboard"
	"numberfleet.dev/numberfleet/internal/standing/remote"
)

// Token is that of every page.
const Token = "SECRET"

// Cluster is an API server without an operator.
type Cluster struct {
	Env   *envtest.Environment
	Admin *rest.Config
	API   client.Client
	// Evaluated is when all statuses are said to be made: when the cluster was started.
	Evaluated metav1.Time
}

// Start starts one.
func Start() (*Cluster, error) {
	c := &Cluster{
		Env:       &envtest.Environment{},
		Evaluated: metav1.NewTime(clock.RealClock{}.Now().Truncate(time.Second).UTC()), // statuses have whole seconds
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), clientgoscheme.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	var err error
	if c.Admin, err = apiserver.Start(c.Env); err != nil {
		return nil, err
	}
	c.Admin.QPS = -1
	if c.API, err = client.New(c.Admin, client.Options{Scheme: scheme}); err != nil {
		return nil, errors.Join(err, c.Env.Stop())
	}
	return c, nil
}

// Run runs the tests of a package, which has a cluster for them, and returns their exit code.
func Run(m *testing.M, cluster **Cluster) (code int) {
	ctrllog.SetLogger(logr.Discard())
	var err error
	if *cluster, err = Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = (*cluster).Env.Stop() }()
	return m.Run()
}

// Namespace makes a namespace.
func (c *Cluster) Namespace(tb testing.TB) string {
	tb.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "fleet-"}}
	c.Create(tb, namespace)
	return namespace.Name
}

// Create makes objects.
func (c *Cluster) Create(tb testing.TB, objects ...client.Object) {
	tb.Helper()
	for _, o := range objects {
		if err := c.API.Create(tb.Context(), o); err != nil {
			tb.Fatal(err)
		}
	}
}

// Number is a number that nobody has made yet.
func Number(namespace, name string, digits int) *v1alpha1.PhoneNumber {
	return &v1alpha1.PhoneNumber{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.PhoneNumberSpec{PhoneNumber: fmt.Sprintf("+1555%07d", digits)},
	}
}

// Evaluate writes the status of a number that has used so many of 1,000, and that was rated High three days ago,
// rose from 250 two days ago, and was rated Medium an hour ago: as the operator does.
func (c *Cluster) Evaluate(ctx context.Context, n *v1alpha1.PhoneNumber, used int64) error {
	ago := func(d time.Duration) metav1.Time { return metav1.NewTime(c.Evaluated.Add(-d)) }
	condition := func(kind string, is bool, reason string) metav1.Condition {
		status := metav1.ConditionFalse
		if is {
			status = metav1.ConditionTrue
		}
		return metav1.Condition{Type: kind, Status: status, Reason: reason, LastTransitionTime: c.Evaluated, Message: reason}
	}
	state, sendable := v1alpha1.StateConnected, condition(v1alpha1.ConditionSendable, true, v1alpha1.ReasonBelowLimit)
	if used >= 1000 {
		state, sendable = v1alpha1.StateRestricted, condition(v1alpha1.ConditionSendable, false, string(v1alpha1.RoomLimitReached))
	}
	n.Status = v1alpha1.PhoneNumberStatus{
		CommonStatus: v1alpha1.CommonStatus{
			ObservedGeneration: n.Generation, Transitions: 3,
			Conditions: []metav1.Condition{condition(v1alpha1.ConditionReady, true, v1alpha1.ReasonEvaluated), sendable},
			History: []v1alpha1.Transition{
				{Time: ago(72 * time.Hour), Reason: v1alpha1.ReasonQualityChanged, From: "Unknown", To: "High", Message: "the quality rating is High"},
				{Time: ago(48 * time.Hour), Reason: v1alpha1.ReasonTierUpgraded, From: "250", To: "1K", Message: "the limit rises from 250 to 1000"},
				{Time: ago(time.Hour), Reason: v1alpha1.ReasonQualityChanged, From: "High", To: "Medium", Message: "many blocks"},
			},
		},
		LimitStatus: v1alpha1.LimitStatus{
			Tier:    v1alpha1.TierStatus{Name: "1K", Limit: 1000, SinceTime: ago(48 * time.Hour), Source: v1alpha1.FromPolicy, Before: v1alpha1.TierBefore{Name: "250", Limit: 250}},
			Usage:   v1alpha1.UsageStatus{Source: v1alpha1.CountedHere, ObservedTime: c.Evaluated, Used: &used, Remaining: new(1000 - used)},
			Upgrade: v1alpha1.UpgradeStatus{NextTier: "10K", Required: 500, Achieved: new(used / 2), Missing: []string{"more unique users within 7 d"}},
		},
		State:   state,
		Quality: v1alpha1.QualityStatus{Rating: v1alpha1.QualityMedium, SinceTime: ago(time.Hour), Source: v1alpha1.FromReport},
	}
	return c.API.Status().Update(ctx, n)
}

// Serve serves the page of a user, and returns its URL without the token.
func Serve(tb testing.TB, user *rest.Config, namespace string) string {
	tb.Helper()
	ctx, stop := context.WithCancel(tb.Context())
	fleet, err := dashboard.New(ctx, dashboard.Options{
		Config: user, Cluster: "test", Namespace: namespace, Operator: &remote.Options{Config: user, URL: "http://127.0.0.1:1", TokenFile: os.DevNull}, Clock: clock.RealClock{},
	})
	if err != nil {
		stop()
		tb.Fatal(err)
	}
	page := dashboard.NewPage(fleet, Token)
	server := httptest.NewServer(page.Handler())
	ran := make(chan error, 1)
	go func() { ran <- fleet.Run(ctx) }()
	tb.Cleanup(func() {
		page.EndStreams()
		server.Close()
		stop()
		if err := <-ran; err != nil {
			tb.Error(err)
		}
	})
	return server.URL
}
