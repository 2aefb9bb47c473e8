package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Disk is a folder on a file system that forgets, when it loses its power, what was not synced: bin/lazyfs. Only programs that are
// started on it see it, so that nothing stays mounted after them.
type Disk struct {
	*Process
	Mount string // where these programs see the folder
}

// MountDisk mounts a folder, which is made if it is not there, beside itself.
func MountDisk(ctx context.Context, lazyfs, folder string) (*Disk, error) {
	if err := PowerLossSupported(ctx); err != nil {
		return nil, err
	}
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	d := &Disk{Mount: folder + ".mount"}
	if err := errors.Join(os.MkdirAll(folder, 0o700), os.MkdirAll(d.Mount, 0o700)); err != nil {
		return nil, err
	}
	d.Process, err = Start(Command{Name: "lazyfs", Path: "unshare", Args: []string{"--mount", "--", lazyfs, folder, d.Mount}})
	if err != nil {
		return nil, err
	}
	err = d.Until(ctx, func(context.Context) bool {
		mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", d.PID()))
		return err == nil && strings.Contains(string(mounts), " "+d.Mount+" ")
	})
	if err != nil {
		d.Kill()
		return nil, err
	}
	return d, nil
}

// Command is a program that sees the disk.
func (d *Disk) Command(c Command) Command { return c.inNamespace("mount", "mnt", d.Process) }

// LosePower makes every file in the folder what it was when it was synced last, and ends the disk. The programs on it must have been
// killed. MountDisk mounts the folder again.
func (d *Disk) LosePower() error { return d.Stop(Patience) }

// PowerLossSupported is an error that says why there is no Disk on this machine.
func PowerLossSupported(ctx context.Context) error {
	if err := namespacesSupported(ctx, "--mount"); err != nil {
		return fmt.Errorf("a loss of power is not supported: %w", err)
	}
	fuse, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("a loss of power is not supported: %w", err)
	}
	return fuse.Close()
}

// namespacesSupported is an error if this process may not make a namespace of a kind.
func namespacesSupported(ctx context.Context, kind string) error {
	switch {
	case runtime.GOOS != "linux":
		return errors.New("it needs Linux")
	case os.Geteuid() != 0:
		return errors.New("it needs root")
	}
	_, err := Output(ctx, "unshare", kind, "true")
	return err
}

// inNamespace is a program in a namespace of a process, which stays one process with one id.
func (c Command) inNamespace(kind, file string, of *Process) Command {
	c.Args = append([]string{fmt.Sprintf("--%s=/proc/%d/ns/%s", kind, of.PID(), file), "--", c.Path}, c.Args...)
	c.Path = "nsenter"
	return c
}
