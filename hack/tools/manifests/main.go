// Command manifests reads rendered manifests from standard input and refuses what a cluster would refuse or leave dead:
// unknown fields, pods outside the restricted pod security profile, references to nothing, rights without bounds.
package main

import (
	"fmt"
	"os"
)

func main() {
	problems, count, err := check(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "manifests:", err)
		os.Exit(2)
	}
	for _, problem := range problems {
		fmt.Fprintln(os.Stderr, problem)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
	fmt.Printf("%d objects, all well formed; pods satisfy the restricted pod security profile\n", count)
}
