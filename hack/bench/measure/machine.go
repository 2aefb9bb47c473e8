package measure

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// Machine is what the numbers were measured on.
type Machine struct {
	CPU    string
	Cores  int
	Memory float64 // GiB
	Kernel string
	Disk   string // the file system that the benchmarks write to, and the device below
	Go     string
	Commit string
}

// ThisMachine looks at the machine, and at the file system of a folder. What it cannot find out is said to be unknown.
func ThisMachine(ctx context.Context, folder string) (Machine, error) {
	m := Machine{CPU: "unknown", Cores: runtime.NumCPU(), Kernel: "unknown", Go: runtime.Version()}
	if model := field("/proc/cpuinfo", "model name"); model != "" {
		m.CPU = model
	}
	if total, err := strconv.ParseFloat(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 64); err == nil {
		m.Memory = total / (1 << 20)
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = runtime.GOOS + " " + strings.TrimSpace(string(release))
	}
	m.Disk = output(ctx, "unknown", "findmnt", "--noheadings", "--output", "FSTYPE,SOURCE", "--target", folder)
	m.Commit = output(ctx, "unknown", "git", "describe", "--always", "--dirty")
	return m, nil
}

func output(ctx context.Context, otherwise, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return otherwise
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

// field is the first value of a name in a file of lines "name: value", empty if there is none.
func field(file, name string) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		if key, value, found := strings.Cut(lines.Text(), ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Load is what else the machine did over some time, as shares of all its cores.
type Load struct {
	Stolen float64 // by the hypervisor
	Others float64 // by processes other than this one and those that ended below it
	known  bool
}

func (l Load) String() string {
	if !l.known {
		return "Load and steal of the machine are unknown."
	}
	return fmt.Sprintf("Meanwhile the hypervisor took %.0f %% of the CPU, and other processes %.0f %%.", 100*l.Stolen, 100*l.Others)
}

// Watch measures a Load from StartLoad to Stop.
type Watch struct {
	from times
	own  time.Duration
}

// StartLoad begins to watch.
func StartLoad() *Watch { return &Watch{readTimes(), ownCPU()} }

// Stop ends watching.
func (w *Watch) Stop() Load {
	to := readTimes()
	all := float64(to.all - w.from.all)
	if all <= 0 {
		return Load{}
	}
	own := float64((ownCPU() - w.own) / tick)
	return Load{
		Stolen: float64(to.stolen-w.from.stolen) / all,
		Others: max(0, float64(to.busy-w.from.busy)-own) / all,
		known:  true,
	}
}

// times are the machine's since it started, in ticks over all cores.
type times struct{ all, busy, stolen uint64 }

func readTimes() (t times) {
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		return times{}
	}
	line, _, _ := strings.Cut(string(content), "\n")
	// user nice system idle iowait irq softirq steal; guests are part of user.
	for i, word := range strings.Fields(strings.TrimPrefix(line, "cpu")) {
		n, err := strconv.ParseUint(word, 10, 64)
		if err != nil || i > 7 {
			break
		}
		t.all += n
		switch i {
		case 3, 4:
		case 7:
			t.stolen = n
		default:
			t.busy += n
		}
	}
	return t
}

// Version is that of a module that this program is built with.
func Version(module string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == module {
				return m.Version
			}
		}
	}
	return "unknown"
}
