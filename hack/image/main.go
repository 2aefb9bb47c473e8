// Command image writes the image of a static program without a container engine:
//
//	image --name NAME:TAG --output FILE [--label KEY=VALUE]... PLATFORM=PROGRAM...
//
// The image has no base: it has the program, which runs as a user without rights, and the certificates of the authorities that Mozilla
// trusts. There is one for each platform, such as linux/arm64=bin/linux-arm64/manager. FILE is an OCI archive, the tar of an OCI layout:
// docker load, podman load, kind load image-archive, ctr images import, and skopeo take it. The same programs make the same bytes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	i := image{labels: map[string]string{}}
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.StringVar(&i.name, "name", "", "the name of the image, with its tag")
	output := flags.String("output", "", "the file to write")
	flags.Func("label", "a label, KEY=VALUE; may be repeated", func(label string) error { return set(i.labels, label) })
	if err := flags.Parse(args); err != nil {
		return err
	}
	programs := map[string]string{}
	for _, program := range flags.Args() {
		if err := set(programs, program); err != nil {
			return err
		}
	}
	if i.name == "" || *output == "" || len(programs) == 0 {
		return errors.New("a name, an output and a program are needed")
	}
	index, err := i.build(programs)
	if err != nil {
		return err
	}
	return writeArchive(*output, index)
}

// set sets what KEY=VALUE says.
func set(values map[string]string, pair string) error {
	key, value, found := strings.Cut(pair, "=")
	if _, twice := values[key]; !found || twice {
		return fmt.Errorf("%q is not KEY=VALUE, or KEY stands twice", pair)
	}
	values[key] = value
	return nil
}
