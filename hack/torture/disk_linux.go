package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// mounted is a tmpfs of a few MiB.
type mounted struct{ folder string }

// diskSize is less than the store preallocates for its log, so that a write needs room.
const diskSize = "size=32m"

// openDisk makes a folder whose disk can be filled.
func openDisk(folder string) (disk, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 && syscall.Mount("torture", folder, "tmpfs", 0, diskSize) == nil {
		return mounted{folder}, nil
	}
	return limited{}, nil
}

func (m mounted) filler() string { return filepath.Join(m.folder, "filler") }

func (m mounted) String() string { return "a small tmpfs" }

func (m mounted) fill(int) error {
	f, err := os.OpenFile(m.filler(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for chunk := make([]byte, 1<<16); len(chunk) > 0; {
		if _, err := f.Write(chunk); errors.Is(err, syscall.ENOSPC) {
			chunk = chunk[:len(chunk)/2]
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (m mounted) free(int) error { return os.Remove(m.filler()) }

func (m mounted) close() error { return syscall.Unmount(m.folder, syscall.MNT_DETACH) }

// limited limits the size of files: the kernel refuses writes as a full disk would.
type limited struct{}

func (limited) String() string { return "a limit on the size of files" }

func (limited) fill(pid int) error {
	return unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 0, Max: unix.RLIM_INFINITY}, nil)
}

func (limited) free(pid int) error {
	err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}, nil)
	if errors.Is(err, unix.ESRCH) {
		return nil // it has ended
	}
	return err
}

func (limited) close() error { return nil }
