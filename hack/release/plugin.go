package main

import (
	"fmt"
	"path"
	"strings"
)

// plugin is the program that is packed for people's machines.
const plugin = "kubectl-phonenumbers"

// pluginArchive is the plugin for one platform, with the licence.
type pluginArchive struct {
	name     string // of the file
	os, arch string // in Go's words, which are krew's
	program  string // in the archive
}

// packPlugin packs the plugin for one platform, such as linux/amd64.
func (r release) packPlugin(platform, program string) (pluginArchive, error) {
	system, architecture, ok := strings.Cut(platform, "/")
	if !ok {
		return pluginArchive{}, fmt.Errorf("%q is not a platform such as linux/amd64", platform)
	}
	a := pluginArchive{os: system, arch: architecture, program: path.Base(program)}
	write, suffix := writeTarball, "tar.gz"
	if a.os == "windows" {
		write, suffix = writeZip, "zip"
	}
	a.name = fmt.Sprintf("%s_%s_%s_%s.%s", plugin, r.version, a.os, a.arch, suffix)
	packed, err := readFile(program, a.program, 0o755)
	if err != nil {
		return a, err
	}
	licence, err := readFile(r.licence, "LICENSE", 0o644)
	if err != nil {
		return a, err
	}
	return a, writeArchive(r.path(a.name), []file{packed, licence}, write)
}
