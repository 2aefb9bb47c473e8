package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig"
)

const components = "../../config/nats/"

// certify writes a certificate of this machine for servers and clients, who trust it alone: its subject is CN=numberfleet.
func (o *operator) certify(folder string) {
	o.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		o.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "numberfleet"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		o.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		o.t.Fatal(err)
	}
	public := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	o.write(folder+"/tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	o.write(folder+"/tls.crt", public)
	o.write(folder+"/ca.crt", public)
}

// text is a file, with what is there of this machine in place of what would be there of a pod.
func text(t *testing.T, file string, here ...string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(here...).Replace(string(content))
}

// startComponent runs the nodes of config/nats with their configuration, and returns the addresses of clients.
func (o *operator) startComponent() (clients []string) {
	o.t.Helper()
	addresses, err := rig.FreeAddresses(9)
	if err != nil {
		o.t.Fatal(err)
	}
	clients, routes, monitors := addresses[:3], addresses[3:6], addresses[6:]
	o.certify("tls")
	o.write("rights.conf", text(o.t, components+"rights.conf"))
	for i := range clients {
		name := fmt.Sprint("numberfleet-nats-", i)
		o.write(name+".conf", text(o.t, components+"nats.conf", "0.0.0.0:4222", clients[i], "0.0.0.0:6222", routes[i], "0.0.0.0:8222", monitors[i],
			"numberfleet-nats-0.numberfleet-nats:6222", routes[0], "numberfleet-nats-1.numberfleet-nats:6222", routes[1], "numberfleet-nats-2.numberfleet-nats:6222", routes[2],
			"/etc/nats/tls", filepath.Join(o.folder, "tls"), "/var/lib/nats", filepath.Join(o.folder, name)))
		node, err := rig.Start(rig.Command{
			Name: name, Path: os.Getenv("NATS_SERVER"), Args: []string{"--config", filepath.Join(o.folder, name+".conf")}, Env: []string{"POD_NAME=" + name},
		})
		if err != nil {
			o.t.Fatal(err)
		}
		o.t.Cleanup(func() {
			node.Kill()
			if o.t.Failed() {
				o.t.Logf("%s: %v", name, node.Err())
			}
		})
	}
	return clients
}

// sampleConfiguration is the operator's configuration in config/samples/replicas.
func sampleConfiguration(t *testing.T) string {
	t.Helper()
	objects, err := rig.Parse([]byte(text(t, "../../config/samples/replicas/operator.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if configuration, found, err := unstructured.NestedString(object.Object, "data", "config.yaml"); found || err != nil {
			return configuration
		}
	}
	t.Fatal("the sample has no configuration")
	return ""
}

// complaints are what a log has of rights that the operator lacks.
var complaints = regexp.MustCompile(`(?i).*(permissions|authorization) violation.*`)

// The cluster of config/nats, with the sample's configuration of the operator: the rights are all that an operator needs that
// starts, leads, counts, is killed and starts again, and they are for nothing else. Without the operator's certificate nobody is let in.
func TestOnTheClusterOfTheComponentItHasTheRightsThatItNeeds(t *testing.T) {
	t.Parallel()
	const number = "+15550100072"
	o, api := newOperator(t)
	nodes := o.startComponent()
	o.certify("strangers")
	o.write("tls/secret", "000102030405060708090a0b0c0d0e0f\n")
	o.write("config.yaml", strings.NewReplacer("/etc/numberfleet/secrets/numberfleet-log-tls", filepath.Join(o.folder, "tls"),
		"/etc/numberfleet/secrets/numberfleet-log", filepath.Join(o.folder, "tls"), "numberfleet-nats-0.numberfleet-nats.numberfleet-system.svc:4222", nodes[0], "numberfleet-nats-1.numberfleet-nats.numberfleet-system.svc:4222", nodes[1],
		"numberfleet-nats-2.numberfleet-nats.numberfleet-system.svc:4222", nodes[2]).Replace(sampleConfiguration(t)))
	o.more = []string{"--config=" + filepath.Join(o.folder, "config.yaml"), "--leader-elect", "--leader-election-namespace=default"}
	sales := &v1alpha1.PhoneNumber{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "sales"}, Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: number, PolicyName: "quality-based"},
	}
	if err := api.Create(t.Context(), sales); err != nil {
		t.Fatal(err)
	}
	o.start()
	o.ready()
	o.deliver(number, 0, 300)
	o.kill(syscall.SIGKILL)
	o.start()
	o.ready()
	o.deliver(number, 200, 500)
	raisedBy500(t, api, sales)
	if all := complaints.FindAllString(o.log.String(), -1); all != nil {
		t.Errorf("rights are missing: %q", all)
	}

	as := func(folder string) (*nats.Conn, error) {
		return nats.Connect("tls://"+nodes[0], nats.Timeout(rig.Patience), nats.RootCAs(filepath.Join(o.folder, "tls/ca.crt")), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
			nats.ClientCert(filepath.Join(o.folder, folder, "tls.crt"), filepath.Join(o.folder, folder, "tls.key")))
	}
	if _, err := as("strangers"); err == nil {
		t.Error("a certificate that the nodes do not trust is let in")
	}
	connection, err := as("tls")
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	js, err := jetstream.New(connection, jetstream.WithDefaultTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), "NUMBERFLEET_main"); err == nil {
		t.Error("the operator may delete its log")
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"other"}}); err == nil {
		t.Error("the operator may make another stream")
	}
	patient, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	if _, err := js.Stream(patient, "NUMBERFLEET_main"); err != nil {
		t.Errorf("the log of the operator: %v", err)
	}
	if _, err := js.ObjectStore(patient, "NUMBERFLEET_main_kept"); err != nil {
		t.Errorf("what is known if the log loses something has no place: %v", err)
	}
}
