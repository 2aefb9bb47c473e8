package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

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
	for sender := range since.acknowledged {
		for n := range since.acknowledged[sender].Load() {
			o.take(since.webhook(sender, int(n)))
		}
	}
	o.kill(syscall.SIGTERM)
	before.check(t, folder)
	since.check(t, folder)
}
