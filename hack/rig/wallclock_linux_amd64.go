package rig

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Programs in Go, and most others, ask the kernel for the time by a function of its vDSO, which is in the memory of each process. In the
// process whose clock is set that function becomes one that asks the kernel by a system call, and adds seconds to its answer.

// clockFunction is the code of int clock_gettime(clockid_t edi, struct timespec *rsi) that adds seconds to CLOCK_REALTIME, which is 0.
func clockFunction(ahead int32) []byte {
	code := []byte{
		0xb8, 0xe4, 0x00, 0x00, 0x00, // mov eax, 228  SYS_clock_gettime
		0x0f, 0x05, // syscall
		0x85, 0xff, // test edi, edi
		0x75, 0x07, // jnz  over the next one
		0x48, 0x81, 0x06, // add qword [rsi], seconds
	}
	return append(binary.LittleEndian.AppendUint32(code, uint32(ahead)), 0xc3) // ret
}

// setClock replaces the function while the process is stopped.
func setClock(p *Process, ahead int32) error {
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", p.PID()), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = memory.Close() }()
	at, err := clockAddress(p.PID(), memory)
	if err != nil {
		return err
	}
	code := clockFunction(ahead)
	was := make([]byte, len(code))
	if _, err := memory.ReadAt(was, at); err != nil {
		return err
	}
	set := slices.Equal(was[:7], code[:7]) // so all but the seconds stays: a thread may be anywhere in it
	for patience := time.After(Patience); ; {
		stopped, err := p.stoppedOutside(at+1, at+int64(len(code)), set)
		if err != nil {
			return err
		}
		if stopped {
			_, err = memory.WriteAt(code, at)
		}
		p.Signal(syscall.SIGCONT)
		if stopped || err != nil {
			return err
		}
		select {
		case <-patience:
			return errors.New("it does not stop where it can be changed")
		case <-p.exited:
			return ErrEnded
		case <-time.After(time.Millisecond):
		}
	}
}

// clockAddress is where the function is.
func clockAddress(pid int, memory *os.File) (int64, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil || !strings.Contains(line, "[vdso]") {
			continue
		}
		image := make([]byte, to-from)
		if _, err := memory.ReadAt(image, from); err != nil {
			return 0, err
		}
		file, err := elf.NewFile(bytes.NewReader(image))
		if err != nil {
			return 0, err
		}
		symbols, err := file.DynamicSymbols()
		if err != nil {
			return 0, err
		}
		for _, s := range symbols {
			if s.Name == "__vdso_clock_gettime" && s.Size >= uint64(len(clockFunction(0))) {
				return from + int64(s.Value), nil // #nosec G115 -- less than the image
			}
		}
	}
	return 0, errors.New("the kernel has no clock_gettime in the vDSO")
}

// stoppedOutside stops the process, and says whether all its threads have stopped, none of them between two addresses unless that is allowed.
func (p *Process) stoppedOutside(from, to int64, allowed bool) (bool, error) {
	p.Signal(syscall.SIGSTOP)
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", p.PID()))
	if err != nil || len(threads) == 0 {
		return false, errors.Join(err, ErrEnded)
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(filepath.Join(thread, "stat"))
		if err != nil {
			continue // it has ended
		}
		_, state, _ := strings.Cut(string(stat), ") ")
		if !strings.HasPrefix(state, "T") {
			return false, nil
		}
		registers, err := os.ReadFile(filepath.Join(thread, "syscall")) // the last one is where it is
		if err != nil {
			return false, err
		}
		fields := strings.Fields(string(registers))
		var at int64
		if _, err := fmt.Sscanf(fields[len(fields)-1], "0x%x", &at); err != nil || at >= from && at < to && !allowed {
			return false, nil //nolint:nilerr // it has not stopped yet
		}
	}
	return true, nil
}
