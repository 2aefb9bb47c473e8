// Command release makes a release of what make built:
//
//	release --version VERSION --commit COMMIT --source URL --downloads URL --builder URI [FLAG]... PLATFORM=PLUGIN...
//
// It packs the chart, and the plugin for each platform, such as linux/amd64=bin/linux/amd64/kubectl-phonenumbers. It writes the plugin's manifest
// for krew, the provenance of all files of the release, and their checksums. The same files make the same bytes: nothing has a time.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/semver"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release is what is known of a release before it is made.
type release struct {
	version string // such as v1.2.3
	commit  string // its hash in Git, in hexadecimal digits

	source     string // URL of the repository
	downloads  string // URL of the folder that the files will be downloaded from
	repository string // name of the image with its registry, without a tag; empty if the chart is not to have one
	builder    string // URI of who builds: https://slsa.dev/spec/v1.2/build-provenance#builder.id

	chart   string // folder of the Helm chart
	licence string // file
	output  string // folder that has the image, manifests and bills of materials already
}

func run(args []string) error {
	var r release
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.StringVar(&r.version, "version", "", "the version, such as v1.2.3")
	flags.StringVar(&r.commit, "commit", "", "the hash of the commit")
	flags.StringVar(&r.source, "source", "", "the URL of the repository")
	flags.StringVar(&r.downloads, "downloads", "", "the URL of the folder that the files will be downloaded from")
	flags.StringVar(&r.repository, "repository", "", "the name of the image, with its registry, for the chart")
	flags.StringVar(&r.builder, "builder", "", "the URI of who builds")
	flags.StringVar(&r.chart, "chart", "config/chart", "the folder of the chart")
	flags.StringVar(&r.licence, "licence", "LICENSE", "the file with the licence")
	flags.StringVar(&r.output, "output", "dist", "the folder of the release, which has the image, manifests and bills of materials already")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case !semver.IsValid(r.version):
		return fmt.Errorf("%q is not a version such as v1.2.3", r.version)
	case strings.HasSuffix(r.version, "-dirty"):
		return errors.New("the tree has changes that are in no commit: nobody could make this release again")
	}
	return r.write(flags.Args())
}

// write writes the release. Plugins are PLATFORM=PROGRAM.
func (r release) write(plugins []string) error {
	var archives []pluginArchive
	for _, pair := range plugins {
		platform, program, _ := strings.Cut(pair, "=")
		archive, err := r.packPlugin(platform, program)
		if err != nil {
			return fmt.Errorf("%s: %w", pair, err)
		}
		archives = append(archives, archive)
	}
	if err := r.writeKrewManifest(archives); err != nil {
		return err
	}
	if err := r.packChart(); err != nil {
		return err
	}
	if err := r.writeProvenance(); err != nil {
		return err
	}
	return r.writeChecksums()
}

// path is that of a file of the release.
func (r release) path(name string) string { return filepath.Join(r.output, name) }
