package rig

import (
	"fmt"
	"os"
	"syscall"
)

// Lock keeps a file for this process until it is let go, or ends. It is an error if another process has it.
func Lock(file string) (letGo func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("another run has %s: stop it first", file)
	}
	return func() { _ = f.Close() }, nil
}
