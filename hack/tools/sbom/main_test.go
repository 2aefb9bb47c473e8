package main

import (
	"bytes"
	"debug/buildinfo"
	"os"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// The bill of this test, which is a Go program too, names each module that is in it, and is the same each time.
func TestABillNamesEachModule(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	for _, to := range []*bytes.Buffer{&first, &second} {
		if err := write(to, program); err != nil {
			t.Fatal(err)
		}
	}
	if first.String() != second.String() {
		t.Error("the same program has two bills")
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(&first, cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, c := range *bom.Components {
		named[c.PackageURL] = true
	}
	for _, module := range info.Deps {
		if url := "pkg:golang/" + module.Path + "@" + module.Version; !named[url] {
			t.Errorf("the bill lacks %s", url)
		}
	}
	if !named["pkg:golang/std@"+strings.TrimPrefix(info.GoVersion, "go")] || len(named) != len(info.Deps)+1 || len(info.Deps) == 0 {
		t.Errorf("the bill has %v", named)
	}
}

func TestWhatIsNoGoProgramHasNoBill(t *testing.T) {
	if err := write(&bytes.Buffer{}, "main.go"); err == nil || !strings.Contains(err.Error(), "main.go") {
		t.Errorf("got %v", err)
	}
}
