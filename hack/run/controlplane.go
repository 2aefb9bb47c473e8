package main

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// operatorUser is the service account that config/rbac gives the operator's rights to.
const operatorUser = "system:serviceaccount:numberfleet-system:numberfleet-controller-manager"

type controlPlane struct {
	env        *envtest.Environment
	admin      *rest.Config
	kubeconfig string // the administrator's
	operator   string // the operator's own kubeconfig
}

// startControlPlane starts etcd and kube-apiserver on loopback, on the state of the last run if there is one.
func startControlPlane(o options) (*controlPlane, error) {
	log, err := os.OpenFile(filepath.Join(o.state, "control-plane.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	etcd := filepath.Join(o.state, "etcd")
	if err := os.MkdirAll(etcd, 0o700); err != nil {
		return nil, err
	}
	env := &envtest.Environment{BinaryAssetsDirectory: o.assets}
	env.ControlPlane.Etcd = &envtest.Etcd{DataDir: etcd, Out: log, Err: log}
	env.ControlPlane.GetAPIServer().Out, env.ControlPlane.GetAPIServer().Err = log, log
	config, err := env.Start()
	if err != nil {
		return nil, fmt.Errorf("start the control plane (its log is %s): %w", log.Name(), err)
	}
	c := &controlPlane{env: env, admin: config}
	if c.kubeconfig, err = c.writeKubeconfig(o.state, "kubeconfig", envtest.User{Name: "admin", Groups: []string{"system:masters"}}); err == nil {
		c.operator, err = c.writeKubeconfig(o.state, "operator.kubeconfig", envtest.User{Name: operatorUser,
			Groups: []string{"system:serviceaccounts", "system:serviceaccounts:numberfleet-system", "system:authenticated"}})
	}
	if err != nil {
		_ = env.Stop()
		return nil, err
	}
	return c, nil
}

func (c *controlPlane) writeKubeconfig(folder, name string, user envtest.User) (string, error) {
	authenticated, err := c.env.AddUser(user, nil)
	if err != nil {
		return "", fmt.Errorf("add user %s: %w", user.Name, err)
	}
	content, err := authenticated.KubeConfig()
	if err != nil {
		return "", err
	}
	file := filepath.Join(folder, name)
	return file, os.WriteFile(file, content, 0o600)
}

func (c *controlPlane) stop() error { return c.env.Stop() }
