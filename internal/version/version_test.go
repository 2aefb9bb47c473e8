package version_test

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"testing"
)

// A program says which release and commit it is of, as the flags of the Makefile tell the linker, which Go built it, and what it runs on.
func TestAProgramSaysWhichBuildItIs(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	of := regexp.MustCompile(`(?m)^BUILD := (.*)$`).FindSubmatch(makefile)
	flags := regexp.MustCompile(`(?m)^LDFLAGS \?= .*-X \$\(BUILD\)\.(\w+)=\$\(VERSION\) -X \$\(BUILD\)\.(\w+)=\$\(COMMIT\)$`).FindSubmatch(makefile)
	if of == nil || flags == nil {
		t.Fatal("the Makefile does not say how the linker is told")
	}
	set := func(variable []byte, value string) string {
		return " -X " + string(of[1]) + "." + string(variable) + "=" + value
	}
	said, err := exec.CommandContext(t.Context(), "go", "run", "-ldflags", set(flags[1], "v1.2.3")+set(flags[2], "0f3c9a"), "./testdata").Output()
	if want := "v1.2.3 (commit 0f3c9a, " + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")"; err != nil || string(said) != want {
		t.Errorf("it says %q, %v; want %q", said, err, want)
	}
}
