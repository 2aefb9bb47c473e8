package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// packChart packs the Helm chart, with the version of the release and the image that belongs to it.
func (r release) packChart() error {
	var files []file
	err := filepath.WalkDir(r.chart, func(name string, entry fs.DirEntry, err error) error { // in the order of their names
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(r.chart, name)
		if err != nil {
			return err
		}
		f, err := readFile(name, path.Join("numberfleet", filepath.ToSlash(relative)), 0o644)
		if err != nil {
			return err
		}
		switch relative {
		case "Chart.yaml":
			f.content, err = set(f.content, `^version: .*$`, "version: "+r.chartVersion())
			if err == nil {
				f.content, err = set(f.content, `^appVersion: .*$`, "appVersion: "+r.version)
			}
		case "values.yaml":
			if r.repository != "" {
				f.content, err = set(f.content, `^  repository: ""$`, "  repository: "+r.repository)
			}
		}
		files = append(files, f)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return writeArchive(r.path("numberfleet-"+r.chartVersion()+".tgz"), files, writeTarball)
}

// chartVersion is the version as Helm writes versions: without a v.
func (r release) chartVersion() string { return strings.TrimPrefix(r.version, "v") }

// set puts a line in the place of the one that matches.
func set(content []byte, pattern, line string) ([]byte, error) {
	lines := regexp.MustCompile("(?m)"+pattern).FindAllIndex(content, -1)
	if len(lines) != 1 {
		return nil, fmt.Errorf("%d lines match %s, not one", len(lines), pattern)
	}
	return bytes.Join([][]byte{content[:lines[0][0]], content[lines[0][1]:]}, []byte(line)), nil
}
