package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the pages show of commands that need no cluster is what these write. A line of three dots stands for lines that are left out.
func TestPagesShowWhatCommandsWrite(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, page := range []string{"README.md", "docs/simulator.md", "docs/plugin.md"} {
		content, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		files := map[string]string{} // that the page has
		for _, block := range regexp.MustCompile("(?s)```yaml\n# ([a-z]+\\.yaml)\n(.*?)```").FindAllStringSubmatch(string(content), -1) {
			files[block[1]] = file(t, block[1], block[2])
		}
		for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(content), -1) {
			t.Chdir(root)
			for _, command := range strings.Split("\n"+block[1], "\n$ ")[1:] {
				line, want, _ := strings.Cut(command, "\n")
				if folder, ok := strings.CutPrefix(line, "cd "); ok {
					t.Chdir(folder)
				}
				_, line, _ = strings.Cut(line, "phonenumbers ")
				args := strings.Fields(line)
				if len(args) < 2 || !slices.Contains([]string{"simulate", "forecast"}, args[0]) || !strings.HasPrefix(args[1], "-") {
					continue // it asks a cluster, or is another program
				}
				for i := range args {
					if of, ok := files[args[i]]; ok {
						args[i] = of
					}
				}
				shown++
				_, stdout, stderr := play(t, "", args...)
				if wrote := stderr + stdout; !shows(want, wrote) {
					t.Errorf("%s shows of %s\n%s\nand it writes\n%s", page, line, want, wrote)
				}
			}
		}
	}
	if shown < 7 {
		t.Errorf("the pages show %d commands", shown)
	}
}

// shows says whether a page shows what a command wrote.
func shows(page, wrote string) bool {
	var form strings.Builder
	for line := range strings.Lines(strings.TrimSpace(page) + "\n") {
		if line == "...\n" {
			form.WriteString("(.*\n)*")
		} else {
			form.WriteString(regexp.QuoteMeta(line))
		}
	}
	return regexp.MustCompile("^" + form.String() + "$").MatchString(strings.TrimSpace(wrote) + "\n")
}
