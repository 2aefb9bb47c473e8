package rig

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func start(t *testing.T, log, script string) *Process {
	t.Helper()
	p, err := Start(Command{Name: "the script", Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"WHERE=here"}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func TestAProcessThatFailsSaysHow(t *testing.T) {
	p := start(t, "", "echo $WHERE >&2; exit 3")
	<-p.Exited()
	if err := p.Err(); p.Alive() || p.Code() != 3 || err == nil || !strings.Contains(err.Error(), "the script ended with exit status 3: here") {
		t.Errorf("alive %t, code %d, error %v", p.Alive(), p.Code(), p.Err())
	}
	log := filepath.Join(t.TempDir(), "log")
	p = start(t, log, "echo $WHERE; exit 3")
	<-p.Exited()
	if content, err := os.ReadFile(log); err != nil || string(content) != "here\n" || !strings.Contains(p.Err().Error(), log) {
		t.Errorf("the log has %q, %v; the error is %v", content, err, p.Err())
	}
}

func TestAProcessIsAskedToEndBeforeItIsKilled(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	wait := func(p *Process) {
		if err := p.Until(t.Context(), func(context.Context) bool { _, err := os.Stat(ready); return err == nil }); err != nil {
			t.Fatal(err)
		}
	}
	p := start(t, "", "trap 'exit 0' TERM; touch "+ready+"; while :; do sleep 0.05; done")
	wait(p)
	if err := p.Stop(Patience); err != nil {
		t.Errorf("a process that ends on SIGTERM: %v", err)
	}
	if err := os.Remove(ready); err != nil {
		t.Fatal(err)
	}
	p = start(t, "", "trap '' TERM; touch "+ready+"; while :; do sleep 0.05; done")
	wait(p)
	if err := p.Stop(50 * time.Millisecond); err == nil || p.Alive() {
		t.Errorf("a process that ignores SIGTERM: alive %t, error %v", p.Alive(), err)
	}
}

func TestWaitingEndsWithTheProcess(t *testing.T) {
	p := start(t, "", "exit 1")
	if err := p.Until(t.Context(), func(context.Context) bool { return false }); !errors.Is(err, ErrEnded) {
		t.Errorf("got %v", err)
	}
}

// Each free address is given once, and can be listened on together with the others.
func TestFreeAddressesDiffer(t *testing.T) {
	addresses, err := FreeAddresses(20)
	if err != nil {
		t.Fatal(err)
	}
	more, err := FreeAddresses(20)
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range append(addresses, more...) {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
	}
}
