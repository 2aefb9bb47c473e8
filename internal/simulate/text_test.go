package simulate

import (
	"os"
	"strings"
	"testing"
)

// Every text file is read the same with a byte-order mark before it, which editors and shells of Windows put there.
func TestTextFilesMayBeginWithAByteOrderMark(t *testing.T) {
	const mark = "\ufeff"
	manifest, err := os.ReadFile("../../config/policies/meta-2025.yaml")
	if err != nil {
		t.Fatal(err)
	}
	policy, err := ReadPolicy([]byte(mark + string(manifest)))
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := os.ReadFile("testdata/meta-2025.fleet.yaml")
	if err != nil {
		t.Fatal(err)
	}
	numbers, err := ReadFleet(strings.NewReader(mark + string(fleet)))
	if err != nil || len(numbers.Numbers) != 2 {
		t.Errorf("a fleet: got %+v, %v", numbers, err)
	}
	var s script
	s.add(day(2), "message.received", first, `"user":"US.1"`)
	s.lines[0] = mark + s.lines[0]
	if result, err := s.run(t, Config{Policy: policy}); err != nil || len(result.Final) != 1 {
		t.Errorf("events: got %+v, %v", result, err)
	}
}
