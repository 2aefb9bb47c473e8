package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// program builds a program for an architecture.
func program(t *testing.T, architecture string, flags ...string) string {
	t.Helper()
	folder := t.TempDir()
	source := filepath.Join(folder, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "manager")
	build := exec.CommandContext(t.Context(), "go", slices.Concat([]string{"build", "-o", file}, flags, []string{source})...)
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+architecture, "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

// archive runs the command, and reads what it writes.
func archive(t *testing.T, args ...string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := run(append([]string{"--output", file, "--name", "registry.example.com/numberfleet:v1", "--label", "org.opencontainers.image.title=numberfleet"}, args...)); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// files reads a tar.
func files(t *testing.T, packed io.Reader) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for r := tar.NewReader(packed); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if all[header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// unpack makes the folder that an archive is of.
func unpack(t *testing.T, packed []byte) v1.ImageIndex {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files(t, bytes.NewReader(packed)) {
		file := filepath.Join(folder, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Fatal(err)
	}
	return index
}

func TestTheSameProgramsMakeTheSameBytes(t *testing.T) {
	amd64, arm64 := program(t, "amd64"), program(t, "arm64")
	first := archive(t, "linux/amd64="+amd64, "linux/arm64="+arm64)
	if !bytes.Equal(first, archive(t, "linux/arm64="+arm64, "linux/amd64="+amd64)) {
		t.Error("two archives of the same programs differ")
	}
}

func TestThereIsAnImageForEachPlatform(t *testing.T) {
	programs := map[string]string{"amd64": program(t, "amd64"), "arm64": program(t, "arm64")}
	written := unpack(t, archive(t, "linux/amd64="+programs["amd64"], "linux/arm64="+programs["arm64"]))
	root, err := written.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(root.Manifests) != 1 || root.Manifests[0].Annotations["io.containerd.image.name"] != "registry.example.com/numberfleet:v1" {
		t.Fatalf("the archive does not say what its image is called: %+v", root.Manifests)
	}
	index, err := written.ImageIndex(root.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 2 {
		t.Fatalf("%d images, %v", len(manifest.Manifests), err)
	}
	for _, descriptor := range manifest.Manifests {
		image, err := index.Image(descriptor.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.OS != "linux" || config.Architecture != descriptor.Platform.Architecture || config.Config.User != "65532:65532" ||
			!slices.Equal(config.Config.Entrypoint, []string{"/manager"}) || config.Config.Labels["org.opencontainers.image.title"] != "numberfleet" {
			t.Errorf("%s: %+v", descriptor.Platform, config)
		}
		content := files(t, mutate.Extract(image))
		want, err := os.ReadFile(programs[config.Architecture])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(content["manager"], want) {
			t.Errorf("%s has another program", descriptor.Platform)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(content["etc/ssl/certs/ca-certificates.crt"]) {
			t.Errorf("%s has no certificates", descriptor.Platform)
		}
	}
}

func TestWhatCannotRunIsRefused(t *testing.T) {
	for _, test := range []struct{ name, program, want string }{
		{"a program of another platform", "linux/amd64=" + program(t, "arm64"), "it is a program for AARCH64"},
		{"a program that needs a loader", "linux/amd64=" + program(t, "amd64", "-buildmode=pie"), "it is not static"},
		{"no program", "linux/amd64=image_test.go", "bad magic number"},
		{"no platform", "a/b/c/d=" + program(t, "amd64"), "too many slashes in platform"},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "image.tar")
			if err := run([]string{"--name", "a:b", "--output", file, test.program}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want: %s", err, test.want)
			}
			if _, err := os.Stat(file); err == nil {
				t.Error("there is an archive")
			}
		})
	}
}

func TestAShortNameIsThatOfDockerHub(t *testing.T) {
	index, err := image{name: "controller:latest"}.build(map[string]string{"linux/amd64": program(t, "amd64")})
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || manifest.Manifests[0].Annotations["io.containerd.image.name"] != "docker.io/library/controller:latest" {
		t.Errorf("%+v, %v", manifest, err)
	}
}
