// Command main says which build it is.
package main

import (
	"os"

	"numberfleet.dev/numberfleet/internal/version"
)

func main() {
	_, _ = os.Stdout.WriteString(version.Line())
}
