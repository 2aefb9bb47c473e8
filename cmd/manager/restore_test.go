package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"numberfleet.dev/numberfleet/hack/rig/s3"
	"numberfleet.dev/numberfleet/internal/ledger/bucket"
)

// again posts all webhooks again that were acknowledged.
func (f *traffic) again(o *operator) {
	o.t.Helper()
	for sender := range f.acknowledged {
		for n := range f.acknowledged[sender].Load() {
			o.take(f.webhook(sender, int(n)))
		}
	}
}

// The volume is lost, and restored from a copy of the folder as a snapshot of the volume has it. The operator goes on with what was known then, and
// what came since counts when it is posted again.
func TestTheLedgerIsRestoredFromACopyOfItsFolder(t *testing.T) {
	t.Parallel()
	o, _ := newOperator(t)
	folder, backup := filepath.Join(o.folder, "ledger"), filepath.Join(o.folder, "backup")
	during := func(number string) *traffic {
		o.start()
		o.ready()
		sent := newTraffic(t, number, o.post)
		sent.flows(t, 20)
		sent.stop()
		return sent
	}
	copied := func(to, from string) {
		t.Helper()
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	before := during("+15550100096")
	o.kill(syscall.SIGKILL) // a snapshot of a volume has what a crash at that instant would leave
	copied(backup, folder)
	since := during("+15550100097")
	o.kill(syscall.SIGTERM)
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}

	copied(folder, backup)
	o.start()
	o.ready()
	since.again(o)
	o.kill(syscall.SIGTERM)
	before.check(t, folder)
	since.check(t, folder)
}

// newBucket is a server with a bucket.
func newBucket(t *testing.T) *s3.Server {
	t.Helper()
	server, err := s3.New(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	return server
}

// backUp has a configuration name a bucket.
func (o *operator) backUp(configuration string, to bucket.Options) {
	o.t.Helper()
	o.edit(configuration, "}\n", fmt.Sprintf(", backup: {bucket: %s, endpoint: %q, caFile: %s, accessKeyIDFile: %s, secretAccessKeyFile: %s}}\n",
		to.Name, to.Endpoint, to.CertificateAuthority, to.AccessKeyID, to.SecretAccessKey))
}

// edit replaces a part of a configuration, where it is first.
func (o *operator) edit(configuration, part, by string) {
	o.t.Helper()
	o.write(filepath.Base(configuration), strings.Replace(text(o.t, configuration), part, by, 1))
}

// All nodes of the log are lost with their disks, after snapshots were copied to a bucket. On new nodes a replica does not begin without what was
// counted, but on a log that begins with the newest copy. What came after that counts when it is posted again, and what is known counts once.
func TestTheLogIsRestoredFromABucket(t *testing.T) {
	t.Parallel()
	o, api := newOperator(t)
	server := newBucket(t)
	copies, err := bucket.Open(server.Options())
	if err != nil {
		t.Fatal(err)
	}
	onNewNodes := func() (configuration string, lose func()) {
		log := newLog(t)
		configuration = o.configure(log, logSecret, "")
		o.backUp(configuration, server.Options())
		return configuration, log.Kill
	}
	configuration, lose := onNewNodes()
	r := o.replica(configuration)
	r.more = append(r.more, "--ledger-journal-bytes=65536") // a snapshot whenever the log has grown so much
	r.start()
	r.ready()
	sent := newTraffic(t, "+15550100095", r.post)
	r.within("snapshots are copied to the bucket", func() bool {
		names, err := copies.List(t.Context(), "main/")
		return err == nil && len(names) > 1
	})
	sent.stop()
	if !strings.Contains(r.openMetrics(api), "\nnumberfleet_log_backup_timestamp_seconds ") {
		t.Error("the metrics do not say when the newest copy was saved")
	}
	r.kill(syscall.SIGKILL)
	lose()

	configuration, _ = onNewNodes()
	r.ends("the bucket has copies of its snapshots: run manager ledger restore")
	if said, err := command(t, 0, "ledger", "restore", "--config="+configuration); err != nil {
		t.Fatal(said, err)
	}
	r.start()
	r.ready()
	sent.again(r.operator)
	r.kill(syscall.SIGKILL)
	folder := filepath.Join(o.folder, "exported")
	if said, err := command(t, 0, "ledger", "export", "--data-dir="+folder, "--config="+configuration); err != nil {
		t.Fatal(said, err)
	}
	sent.check(t, folder)
}
