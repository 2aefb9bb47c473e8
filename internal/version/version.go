// Package version says which build a program is.
package version

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// Set by the linker, with -X. A build without them, such as one of go install, knows what Go notes of its module and its commit.
var (
	release string // such as v1.2.3
	commit  string // its hash in Git, in hexadecimal digits
)

// Release is the release that a program is of, or what stands for one: the version of its module, and else dev.
func Release() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "(devel)" {
		return cmp.Or(info.Main.Version, "dev")
	}
	return "dev"
}

// Commit is the hash of the commit that a program was built from; unknown where the build did not say.
func Commit() string {
	if commit != "" {
		return commit
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				return setting.Value
			}
		}
	}
	return "unknown"
}

// Line says release, commit, Go and platform in one line.
func Line() string {
	return fmt.Sprintf("%s (commit %s, %s, %s/%s)", Release(), Commit(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
