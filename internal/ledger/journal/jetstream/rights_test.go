package jetstream

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/server/servertest"
)

// loopback writes a certificate of servers on loopback, with its key, into a folder.
func loopback(t *testing.T, dir string) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	key, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	must(t, err)
	servertest.Write(t, dir, "server.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	servertest.Write(t, dir, "server.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
}

// With a certificate of its own, and with the rights of config/nats/rights.conf alone, a process does all that it has to. Without the
// certificate it is not let in.
func TestLeastRights(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	loopback(t, dir)
	servertest.Certify(t, dir, 7) // a client whose name is 7
	rights, err := filepath.Abs("../../../../config/nats/rights.conf")
	must(t, err)
	must(t, os.Symlink(rights, filepath.Join(dir, "rights.conf")))
	addresses, err := rig.FreeAddresses(1)
	must(t, err)
	servertest.Write(t, dir, "server.conf", fmt.Sprintf(`
		listen: %q
		jetstream: {store_dir: %q}
		tls: {cert_file: %q, key_file: %q, ca_file: %q, verify_and_map: true}
		authorization: {users: [{user: "CN=7", include rights.conf}]}
	`, addresses[0], dir, dir+"/server.crt", dir+"/server.key", dir+"/tls.crt"))
	process, err := rig.Start(rig.Command{Name: "nats-server", Path: os.Getenv("NATS_SERVER"), Args: []string{"--config", filepath.Join(dir, "server.conf")}})
	must(t, err)
	t.Cleanup(process.Kill)

	o := onServer()
	o.Servers, o.Instance = []string{"tls://" + addresses[0]}, "main"
	o.CertificateAuthority = filepath.Join(dir, "server.crt")
	must(t, process.Listens(t.Context(), addresses[0]))
	if _, err := Open(t.Context(), o); err == nil {
		t.Error("a process without a certificate is let in")
	}
	stranger := o
	stranger.CertificateAuthority = filepath.Join(dir, "tls.crt")
	if _, err := Open(t.Context(), stranger); err == nil {
		t.Error("a server is asked whose certificate is of another authority")
	}
	o.Certificate, o.Key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	o.Log = funcr.New(func(_, message string) {
		if strings.Contains(message, `"error"=`) { // not that it connects again, on a slow machine
			t.Errorf("it logs %s", message)
		}
	}, funcr.Options{})
	j := openTest(t, o)
	start(t, j)
	for i := range keptSnapshots + 1 {
		add(t, j, i+1)
		must(t, j.Save(t.Context(), j.position(), whole(row("a", "1"))))
	}
	must(t, j.Seal(t.Context()))
	add(t, j, keptSnapshots+2)
	if n, err := j.reader.direct(t.Context(), func(*message) error { return nil }); n != 0 || err != nil {
		t.Errorf("%d messages come after the last one, %v", n, err)
	}
	if rows, batches := start(t, openTest(t, o)); text(rows) != "a=1" || len(batches) != 1 {
		t.Errorf("a start reads %q and the rounds %d", text(rows), batches)
	}

	must(t, j.Keep(t.Context(), journal.Kept{Position: j.position(), Rows: whole(row("b", "2"))}))
	if _, err := Open(t.Context(), o); !errors.Is(err, ErrKept) {
		t.Errorf("a process opens a log that lost something: %v", err)
	}
	if err := failure(t, j); !errors.Is(err, ErrGivenUp) {
		t.Errorf("a process goes on with a log that lost something: %v", err)
	}
	left, err := OpenLeft(t.Context(), o)
	must(t, err)
	var rows []string
	for source := range left.Sources() {
		for row, err := range source.Load() {
			must(t, err)
			rows = append(rows, fmt.Sprintf("%s=%s", row.Key, row.Value))
		}
		must(t, source.Replay(0, func(uint64, *counts.Round) error { return nil }))
	}
	if !slices.Contains(rows, "b=2") {
		t.Errorf("of what is left %q is read", rows)
	}
	must(t, left.Close())

	next := o
	next.Instance = "main-2"
	if begun, err := Begun(t.Context(), next); begun || err != nil {
		t.Errorf("the next log has begun: %t, %v", begun, err)
	}
	in := moving(t, next)
	claim(t, in, "3")
	must(t, in.Begin(t.Context()))
	j = openTest(t, next)
	if rows, _ := start(t, j); text(rows) != "a=3" {
		t.Errorf("a start on the next log reads %q", text(rows))
	}
	add(t, j, 1)
	must(t, j.Save(t.Context(), j.position(), whole(row("a", "4"))))
	must(t, j.Keep(t.Context(), journal.Kept{Position: j.position(), Rows: whole()}))
}
