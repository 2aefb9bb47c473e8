// Command golangci-lint is golangci-lint with two plugins compiled in: kube-api-linter, which holds the API types to the
// Kubernetes API conventions, and logcheck, which checks structured logging calls.
package main

import (
	"fmt"
	"os"
	"runtime/debug"

	"github.com/golangci/golangci-lint/v2/pkg/commands"
	"github.com/golangci/golangci-lint/v2/pkg/exitcodes"
	_ "sigs.k8s.io/kube-api-linter"
	_ "sigs.k8s.io/logtools/logcheck/gclplugin"
)

func main() {
	info := commands.BuildInfo{Version: "unknown", Commit: "-", Date: "-"}

	if build, ok := debug.ReadBuildInfo(); ok {
		info.GoVersion = build.GoVersion

		for _, dep := range build.Deps {
			if dep.Path == "github.com/golangci/golangci-lint/v2" {
				info.Version = dep.Version
			}
		}
	}

	if err := commands.Execute(info); err != nil {
		fmt.Fprintf(os.Stderr, "Failed executing command with error: %v\n", err)
		os.Exit(exitcodes.Failure)
	}
}
