// Package crd holds the CustomResourceDefinitions, as they stand in this folder.
package crd

import (
	"embed"
	"io/fs"
)

//go:embed bases/*.yaml
var files embed.FS

// All are the CustomResourceDefinitions, in YAML.
func All() ([][]byte, error) {
	names, err := fs.Glob(files, "bases/*.yaml")
	if err != nil {
		return nil, err
	}
	all := make([][]byte, len(names))
	for i, name := range names {
		if all[i], err = files.ReadFile(name); err != nil {
			return nil, err
		}
	}
	return all, nil
}
