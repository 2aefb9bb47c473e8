package rig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mountDisk mounts a disk until the test ends.
func mountDisk(t *testing.T, folder string) *Disk {
	t.Helper()
	d, err := MountDisk(t.Context(), os.Getenv("LAZYFS"), folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Kill)
	return d
}

// write runs a script on a disk.
func write(t *testing.T, d *Disk, script string) {
	t.Helper()
	p, err := Start(d.Command(Command{Name: "the script", Path: "/bin/sh", Args: []string{"-e", "-c", "cd " + d.Mount + "\n" + script}}))
	if err != nil {
		t.Fatal(err)
	}
	<-p.Exited()
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestADiskWithoutPowerForgetsWhatWasNotSynced(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "disk")
	if unsupported := PowerLossSupported(t.Context()); unsupported != nil {
		if d, err := MountDisk(t.Context(), os.Getenv("LAZYFS"), folder); err == nil {
			t.Errorf("%s is mounted, where %v", d.Mount, unsupported)
		}
		return
	}
	d := mountDisk(t, folder)
	write(t, d, `
		printf kept >appended; sync appended; printf lost >>appended
		printf lost >new
		printf 0123456789 >changed; sync changed
		printf x | dd of=changed bs=1 seek=2 conv=notrunc status=none
		truncate -s 5 changed
		printf ab | dd of=changed bs=1 seek=7 conv=notrunc status=none
		printf kept | dd of=direct oflag=sync status=none
		printf lost >renamed.tmp; mv renamed.tmp renamed
		mkdir old; printf kept >old/file; sync old/file; mv old folder
		printf lost >removed; rm removed`)
	if err := d.LosePower(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"appended": "kept", "new": "", "changed": "0123456789", "direct": "kept", "renamed": "", "folder/file": "kept"}
	for name, content := range want {
		if got, err := os.ReadFile(filepath.Join(folder, name)); err != nil || string(got) != content {
			t.Errorf("%s has %q, not %q: %v", name, got, content, err)
		}
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != len(want) {
		t.Errorf("the folder has %v, %v", entries, err)
	}

	again := mountDisk(t, folder)
	write(t, again, "test $(cat appended) = kept; printf more >>appended")
	again.Kill()
	if got, err := os.ReadFile(filepath.Join(folder, "appended")); err != nil || string(got) != "keptmore" {
		t.Errorf("after a crash that is no loss of power there is %q, %v", got, err)
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(mounts), folder) {
		t.Errorf("something is mounted still: %v", err)
	}
}
