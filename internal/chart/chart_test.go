package chart_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// The library is the one that npm has, to the byte: see uplot/README.md.
func TestLibraryIsAsPublished(t *testing.T) {
	readme, err := os.ReadFile("uplot/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"uPlot.iife.min.js", "uPlot.min.css", "LICENSE"} {
		content, err := os.ReadFile("uplot/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(content); !strings.Contains(string(readme), hex.EncodeToString(sum[:])+"  "+name) {
			t.Errorf("%s has the sum %x", name, sum)
		}
	}
}
