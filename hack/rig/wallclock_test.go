package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/utils/clock"
)

// real is the clock of this machine.
var real = clock.RealClock{}

// tellsTime has this program tell the time, over and over, instead of testing.
const tellsTime = "RIG_TELLS_TIME"

func TestMain(m *testing.M) {
	if os.Getenv(tellsTime) != "" {
		for began := real.Now(); ; time.Sleep(time.Millisecond) {
			now := real.Now()
			fmt.Println(now.UnixNano(), int64(now.Sub(began)))
		}
	}
	os.Exit(m.Run())
}

// The clock of one process is set forth and back while it runs: its wall clock follows at once, what it measures goes on, and no other process
// sees anything of it.
func TestTheClockOfOneProcessIsSet(t *testing.T) {
	if unsupported := ClockSupported(); unsupported != nil {
		p := start(t, "", "exec sleep 60")
		if err := p.SetClock(time.Hour); err == nil {
			t.Errorf("a clock is set, where %v", unsupported)
		}
		return
	}
	log := filepath.Join(t.TempDir(), "log")
	p, err := Start(Command{Name: "the clock", Path: os.Args[0], Env: []string{tellsTime + "=1"}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	file, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	told := bufio.NewReader(file)
	var line string
	next := func() (wall time.Time, measured time.Duration) {
		err := p.Until(t.Context(), func(context.Context) bool {
			part, err := told.ReadString('\n')
			line += part
			return err == nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var nanoseconds int64
		if _, err := fmt.Sscan(line, &nanoseconds, &measured); err != nil {
			t.Fatal(err)
		}
		line = ""
		return time.Unix(0, nanoseconds), measured
	}

	began, _ := next() // by the machine's clock, when measured was about nothing
	const small = 30 * time.Minute
	for _, ahead := range []time.Duration{time.Hour, -time.Hour, 0} {
		before := real.Now()
		if err := p.SetClock(ahead); err != nil {
			t.Fatal(err)
		}
		for last := time.Duration(0); ; {
			wall, measured := next()
			if measured < last || measured > small {
				t.Fatalf("with a clock that is %s ahead, %s were measured after %s", ahead, measured, last)
			}
			last = measured
			if off := wall.Sub(began.Add(measured + ahead)); off.Abs() < small && measured > before.Sub(began) {
				break
			}
		}
		if now := real.Now(); (now.Round(0).Sub(before.Round(0)) - now.Sub(before)).Abs() > small {
			t.Errorf("the clock here was set, too")
		}
	}
	p.Kill()
	if err := p.SetClock(0); !errors.Is(err, ErrEnded) {
		t.Errorf("the clock of a process that has ended: %v", err)
	}
}
