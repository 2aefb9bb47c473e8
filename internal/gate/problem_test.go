package gate

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The type of a problem leads to a row of docs/gate.md, which has its status and what to do.
func TestEveryReasonIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/gate.md")
	if err != nil {
		t.Fatal(err)
	}
	for reason := range kinds {
		_, anchor, _ := strings.Cut(NewProblem(reason, "").Type(), "#")
		if row := fmt.Sprintf("| <a id=%q></a>`%s` | %d |", anchor, reason, reason.Status()); !strings.Contains(string(page), row) {
			t.Errorf("docs/gate.md lacks %s", row)
		}
	}
}
