// Package policies holds the shipped policies, as they stand in this folder.
package policies

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed *.yaml
var files embed.FS

const extension = ".yaml"

// Names are the names of the shipped policies, in order.
func Names() []string {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil // it is part of the program
	}
	var names []string
	for _, entry := range entries {
		if name := strings.TrimSuffix(entry.Name(), extension); name != "kustomization" {
			names = append(names, name)
		}
	}
	return names
}

// Manifest is the MessagingPolicy of that name, in YAML; false if none ships.
func Manifest(name string) ([]byte, bool) {
	if name == "kustomization" {
		return nil, false
	}
	content, err := files.ReadFile(name + extension)
	return content, err == nil
}
