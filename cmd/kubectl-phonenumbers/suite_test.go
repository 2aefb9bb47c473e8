package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig/apiserver"
)

// testCluster is the one API server that the tests of this package share: a cluster without an operator.
type testCluster struct {
	env *envtest.Environment
	api client.Client
	// kubeconfig is the file of an administrator.
	kubeconfig string
}

var (
	started      *testCluster
	startCluster = sync.OnceValues(newCluster)
)

func TestMain(m *testing.M) {
	code := m.Run()
	if started != nil {
		_ = started.env.Stop()
		_ = os.RemoveAll(filepath.Dir(started.kubeconfig))
	}
	os.Exit(code)
}

// cluster starts the API server where no test has.
func cluster(t *testing.T) *testCluster {
	t.Helper()
	c, err := startCluster()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newCluster() (*testCluster, error) {
	env := &envtest.Environment{}
	config, err := apiserver.Start(env)
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	folder, err := os.MkdirTemp("", "kubeconfig")
	if err != nil {
		return nil, err
	}
	started = &testCluster{env: env, kubeconfig: filepath.Join(folder, "config")}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if started.api, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	return started, started.writeKubeconfig(started.kubeconfig, envtest.User{Name: "admin", Groups: []string{"system:masters"}})
}

// writeKubeconfig writes a kubeconfig of a user.
func (c *testCluster) writeKubeconfig(file string, user envtest.User) error {
	authenticated, err := c.env.AddUser(user, nil)
	if err != nil {
		return err
	}
	content, err := authenticated.KubeConfig()
	if err != nil {
		return fmt.Errorf("kubeconfig of %s: %w", user.Name, err)
	}
	return os.WriteFile(file, content, 0o600)
}
