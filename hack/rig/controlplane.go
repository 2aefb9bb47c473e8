package rig

import (
	"cmp"
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
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Namespace is the operator's.
const Namespace = "numberfleet-system"

// operatorUser is the service account that the chart binds the operator's role to.
const operatorUser = "system:serviceaccount:" + Namespace + ":numberfleet-controller-manager"

// ControlPlane is etcd on loopback and a kube-apiserver. Either may be killed and started again on the same data and ports.
type ControlPlane struct {
	Etcd, APIServer *Process

	folder, assets string
	address        string
	noSync         bool
	flags          []string
	etcdURL        string
	peerURL        string
	apiPort        string
	adminToken     string
	operatorToken  string
}

// ControlPlaneOptions say where a control plane comes from.
type ControlPlaneOptions struct {
	Assets  string   // folder with the programs etcd and kube-apiserver
	Folder  string   // for data, keys and logs; the data of an earlier run is used
	Address string   // of this machine, where the API server listens; empty: loopback
	NoSync  bool     // etcd does not sync to disk: a crash of the machine may lose data
	Flags   []string // more flags of kube-apiserver
}

// NewControlPlane makes keys and tokens for a control plane, and chooses its ports. Up starts it.
func NewControlPlane(o ControlPlaneOptions) (*ControlPlane, error) {
	addresses, err := FreeAddresses(3)
	if err != nil {
		return nil, err
	}
	c := &ControlPlane{folder: o.Folder, assets: o.Assets, address: cmp.Or(o.Address, "127.0.0.1"), noSync: o.NoSync, flags: o.Flags, adminToken: rand.Text(), operatorToken: rand.Text(),
		etcdURL: "http://" + addresses[0], peerURL: "http://" + addresses[1]}
	_, c.apiPort, _ = net.SplitHostPort(addresses[2])
	if err := errors.Join(os.RemoveAll(c.file("")), os.MkdirAll(c.file(""), 0o700), os.MkdirAll(filepath.Join(o.Folder, "etcd"), 0o700)); err != nil {
		return nil, err
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
		c.adminToken, c.operatorToken, operatorUser, Namespace)
	return c, errors.Join(
		os.WriteFile(c.SigningKey(), pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600),
		os.WriteFile(c.file("sa.pub"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o600),
		os.WriteFile(c.file("tokens.csv"), []byte(tokens), 0o600))
}

// file is a file of the API server's.
func (c *ControlPlane) file(name string) string { return filepath.Join(c.folder, "apiserver", name) }

// URL is where the API server is.
func (c *ControlPlane) URL() string { return "https://" + net.JoinHostPort(c.address, c.apiPort) }

// SigningKey is the file with the private key that signs the tokens of service accounts.
func (c *ControlPlane) SigningKey() string { return c.file("sa.key") }

// Admin connects as an administrator, with no limit on the rate of requests.
func (c *ControlPlane) Admin() *rest.Config { return c.config(c.adminToken) }

// Operator connects with the rights that the operator has in a cluster.
func (c *ControlPlane) Operator() *rest.Config { return c.config(c.operatorToken) }

func (c *ControlPlane) config(token string) *rest.Config {
	// The API server makes its certificate when it starts first, and signs it itself.
	return &rest.Config{Host: c.URL(), BearerToken: token, TLSClientConfig: rest.TLSClientConfig{CAFile: c.file("apiserver.crt")}, QPS: -1}
}

// WriteKubeconfig writes a kubeconfig that connects as a rest.Config does.
func WriteKubeconfig(file string, as *rest.Config) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["local"] = &clientcmdapi.Cluster{Server: as.Host, CertificateAuthority: as.CAFile, InsecureSkipTLSVerify: as.Insecure}
	config.AuthInfos["local"] = &clientcmdapi.AuthInfo{Token: as.BearerToken}
	config.Contexts["local"] = &clientcmdapi.Context{Cluster: "local", AuthInfo: "local"}
	config.CurrentContext = "local"
	return clientcmd.WriteToFile(*config, file)
}

func (c *ControlPlane) startEtcd() (err error) {
	args := []string{"--data-dir=" + filepath.Join(c.folder, "etcd"), "--listen-client-urls=" + c.etcdURL, "--advertise-client-urls=" + c.etcdURL,
		"--listen-peer-urls=" + c.peerURL, "--initial-advertise-peer-urls=" + c.peerURL, "--initial-cluster=default=" + c.peerURL, "--log-level=warn"}
	if c.noSync {
		args = append(args, "--unsafe-no-fsync")
	}
	c.Etcd, err = Start(Command{Name: "etcd", Path: filepath.Join(c.assets, "etcd"), Args: args, Log: filepath.Join(c.folder, "etcd.log")})
	return err
}

func (c *ControlPlane) startAPIServer() (err error) {
	c.APIServer, err = Start(Command{Name: "kube-apiserver", Path: filepath.Join(c.assets, "kube-apiserver"), Log: c.log(), Args: slices.Concat([]string{
		"--etcd-servers=" + c.etcdURL, "--bind-address=" + c.address, "--secure-port=" + c.apiPort,
		"--cert-dir=" + c.file(""), "--authorization-mode=RBAC", "--token-auth-file=" + c.file("tokens.csv"),
		"--service-account-issuer=" + c.URL(), "--service-account-key-file=" + c.file("sa.pub"), "--service-account-signing-key-file=" + c.SigningKey(),
		"--service-cluster-ip-range=10.0.0.0/24", "--allow-privileged=true", "--endpoint-reconciler-type=none"}, c.flags)})
	return err
}

func (c *ControlPlane) log() string { return filepath.Join(c.folder, "kube-apiserver.log") }

// Up starts what does not run, and waits until the API server is ready. An API server that cannot reach etcd ends by itself; Up
// starts it again, as a kubelet would.
func (c *ControlPlane) Up(ctx context.Context) error {
	insecure := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}} // #nosec G402 -- our own server on loopback
	var last error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, Patience, true, func(ctx context.Context) (bool, error) {
		if c.Etcd == nil || !c.Etcd.Alive() {
			if err := c.startEtcd(); err != nil {
				return false, err
			}
		}
		if c.APIServer == nil || !c.APIServer.Alive() {
			if err := c.startAPIServer(); err != nil {
				return false, err
			}
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL()+"/readyz", http.NoBody)
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
		return fmt.Errorf("the API server is not ready; its log is %s: %w", c.log(), errors.Join(err, last))
	}
	return nil
}

// Stop ends both in order, so that the data can be used again.
func (c *ControlPlane) Stop() error {
	var err error
	for _, p := range []*Process{c.APIServer, c.Etcd} {
		if p != nil {
			err = errors.Join(err, p.Stop(20*time.Second))
		}
	}
	return err
}

// Kill ends both at once, and their data is of no more use.
func (c *ControlPlane) Kill() {
	for _, p := range []*Process{c.APIServer, c.Etcd} {
		if p != nil {
			p.Kill()
		}
	}
}
