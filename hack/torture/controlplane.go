package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
)

// operatorUser is the service account that config/rbac gives the operator's rights to.
const operatorUser = "system:serviceaccount:" + namespace + ":numberfleet-controller-manager"

// namespace is the operator's.
const namespace = "numberfleet-system"

// controlPlane is etcd, with fsync, and a kube-apiserver on loopback. Either may be killed and started again on the same
// data and ports.
type controlPlane struct {
	folder, assets string
	etcdURL        string
	peerURL        string
	apiPort        string
	adminToken     string
	operatorToken  string

	etcd, apiserver *process
}

func newControlPlane(folder, assets string) (*controlPlane, error) {
	c := &controlPlane{folder: folder, assets: assets, adminToken: rand.Text(), operatorToken: rand.Text()}
	for _, url := range []*string{&c.etcdURL, &c.peerURL} {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		*url = "http://" + address
	}
	api, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, c.apiPort, _ = net.SplitHostPort(api)
	for _, sub := range []string{"etcd", "apiserver"} {
		if err := os.MkdirAll(filepath.Join(folder, sub), 0o700); err != nil {
			return nil, err
		}
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	tokens := fmt.Sprintf("%s,admin,admin,\"system:masters\"\n%s,%s,operator,\"system:serviceaccounts,system:serviceaccounts:%s\"\n",
		c.adminToken, c.operatorToken, operatorUser, namespace)
	return c, errors.Join(
		os.WriteFile(c.file("sa.key"), pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600),
		os.WriteFile(c.file("sa.pub"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o600),
		os.WriteFile(c.file("tokens.csv"), []byte(tokens), 0o600))
}

func (c *controlPlane) file(name string) string { return filepath.Join(c.folder, "apiserver", name) }

func (c *controlPlane) startEtcd() (err error) {
	c.etcd, err = launch("etcd", filepath.Join(c.folder, "etcd.log"), filepath.Join(c.assets, "etcd"),
		"--data-dir="+filepath.Join(c.folder, "etcd"), "--listen-client-urls="+c.etcdURL, "--advertise-client-urls="+c.etcdURL,
		"--listen-peer-urls="+c.peerURL, "--initial-advertise-peer-urls="+c.peerURL, "--initial-cluster=default="+c.peerURL, "--log-level=warn")
	return err
}

func (c *controlPlane) startAPIServer() (err error) {
	c.apiserver, err = launch("kube-apiserver", filepath.Join(c.folder, "kube-apiserver.log"), filepath.Join(c.assets, "kube-apiserver"),
		"--etcd-servers="+c.etcdURL, "--bind-address=127.0.0.1", "--secure-port="+c.apiPort,
		"--cert-dir="+filepath.Join(c.folder, "apiserver"), "--authorization-mode=RBAC", "--token-auth-file="+c.file("tokens.csv"),
		"--service-account-issuer="+c.url(), "--service-account-key-file="+c.file("sa.pub"), "--service-account-signing-key-file="+c.file("sa.key"),
		"--service-cluster-ip-range=10.0.0.0/24", "--allow-privileged=true", "--disable-admission-plugins=ServiceAccount",
		"--endpoint-reconciler-type=none")
	return err
}

func (c *controlPlane) url() string { return "https://127.0.0.1:" + c.apiPort }

// admin is the way past the proxy.
func (c *controlPlane) admin() *rest.Config {
	return &rest.Config{Host: c.url(), BearerToken: c.adminToken, TLSClientConfig: rest.TLSClientConfig{Insecure: true}, QPS: -1}
}

// up starts what does not run, and waits until the API server is ready. One that cannot reach etcd ends by itself, and is
// started again as a kubelet would.
func (c *controlPlane) up(ctx context.Context) error {
	insecure := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}} // #nosec G402 -- our own server on loopback
	var last error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		if c.etcd == nil || !c.etcd.alive() {
			if err := c.startEtcd(); err != nil {
				return false, err
			}
		}
		if c.apiserver == nil || !c.apiserver.alive() {
			if err := c.startAPIServer(); err != nil {
				return false, err
			}
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url()+"/readyz", http.NoBody)
		if err != nil {
			return false, err
		}
		request.Header.Set("Authorization", "Bearer "+c.adminToken)
		response, err := insecure.Do(request)
		if err != nil {
			last = err
			return false, nil //nolint:nilerr // not yet
		}
		_ = response.Body.Close()
		last = errors.New(response.Status)
		return response.StatusCode == http.StatusOK, nil
	})
	if err != nil {
		return fmt.Errorf("the API server is not ready; its log is %s: %w", filepath.Join(c.folder, "kube-apiserver.log"), errors.Join(err, last))
	}
	return nil
}

func (c *controlPlane) stop() {
	for _, p := range []*process{c.apiserver, c.etcd} {
		if p != nil {
			p.kill() // there is nothing left to be kept
		}
	}
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
