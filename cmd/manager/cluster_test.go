package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig/apiserver"
)

// cluster is an API server, with an administrator's client.
type cluster struct {
	env *envtest.Environment
	api client.Client
}

func startCluster(env *envtest.Environment) (*cluster, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	server, err := apiserver.Start(env)
	if err != nil {
		return nil, err
	}
	api, err := client.New(server, client.Options{Scheme: scheme})
	return &cluster{env, api}, err
}

// idle are clusters that no test has now. To start one takes longer than most tests.
var idle struct {
	sync.Mutex
	clusters []*cluster
}

// borrowCluster is a cluster that has the policy quality-based, and nothing of other tests.
func borrowCluster(t *testing.T) *cluster {
	t.Helper()
	c := takeIdle()
	if c == nil {
		var err error
		if c, err = startCluster(&envtest.Environment{}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := c.clear(context.WithoutCancel(t.Context())); err != nil {
			t.Error(errors.Join(err, c.env.Stop()))
			return
		}
		idle.Lock()
		defer idle.Unlock()
		idle.clusters = append(idle.clusters, c)
	})
	c.createPolicy(t)
	return c
}

// takeIdle takes a cluster; nil where none is idle.
func takeIdle() *cluster {
	idle.Lock()
	defer idle.Unlock()
	last := len(idle.clusters) - 1
	if last < 0 {
		return nil
	}
	c := idle.clusters[last]
	idle.clusters = idle.clusters[:last]
	return c
}

// createPolicy creates the policy quality-based.
func (c *cluster) createPolicy(t *testing.T) {
	t.Helper()
	var policy v1alpha1.MessagingPolicy
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "policies", "quality-based.yaml"))
	if err == nil {
		err = yaml.UnmarshalStrict(content, &policy)
	}
	if err == nil {
		err = c.api.Create(t.Context(), &policy)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// clear deletes what tests and operators make: in the namespace default, and what belongs to none.
func (c *cluster) clear(ctx context.Context) (err error) {
	for _, of := range []client.Object{
		&v1alpha1.PhoneNumber{}, &v1alpha1.MessageTemplate{}, &v1alpha1.NumberPool{}, &corev1.ServiceAccount{}, &corev1.ConfigMap{},
		&rbacv1.RoleBinding{}, &coordinationv1.Lease{}, &eventsv1.Event{},
	} {
		err = errors.Join(err, c.api.DeleteAllOf(ctx, of, client.InNamespace("default")))
	}
	for _, of := range []client.Object{&v1alpha1.BusinessPortfolio{}, &v1alpha1.MessagingPolicy{}} {
		err = errors.Join(err, c.api.DeleteAllOf(ctx, of))
	}
	for _, of := range []client.Object{&rbacv1.ClusterRole{}, &rbacv1.ClusterRoleBinding{}} {
		err = errors.Join(err, c.api.DeleteAllOf(ctx, of, client.MatchingLabels{"app.kubernetes.io/name": "numberfleet"}))
	}
	return err
}

// stopClusters stops those that no test has.
func stopClusters() {
	for _, c := range idle.clusters {
		_ = c.env.Stop()
	}
}
