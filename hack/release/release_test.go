package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	intoto "github.com/in-toto/attestation/go/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

const (
	version = "v1.2.3"
	commit  = "0f3c9a0f3c9a0f3c9a0f3c9a0f3c9a0f3c9a0f3c"
	digest  = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
)

// makeRelease makes a release of two small programs and the repository's chart, and returns its folder.
func makeRelease(t *testing.T, flags ...string) (string, error) {
	t.Helper()
	folder := t.TempDir()
	output := filepath.Join(folder, "dist")
	if err := os.Mkdir(output, 0o755); err != nil {
		t.Fatal(err)
	}
	index, err := json.Marshal(ocispec.Index{Manifests: []ocispec.Descriptor{{
		Digest: "sha256:" + digest, Annotations: map[string]string{"io.containerd.image.name": "registry.example.com/numberfleet:" + version},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	var image bytes.Buffer
	archive := tar.NewWriter(&image)
	if err := errors.Join(archive.WriteHeader(&tar.Header{Name: "index.json", Size: int64(len(index))}), second(archive.Write(index)), archive.Close()); err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{
		filepath.Join(output, "numberfleet_"+version+".oci.tar"): image.Bytes(),
		filepath.Join(output, "crds.yaml"):                       []byte("kind: CustomResourceDefinition\n"),
		filepath.Join(folder, "kubectl-phonenumbers"):            []byte("a program of Linux"),
		filepath.Join(folder, "kubectl-phonenumbers.exe"):        []byte("a program of Windows"),
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return output, run(append([]string{
		"--version", version, "--commit", commit, "--output", output, "--chart", "../../config/chart", "--licence", "../../LICENSE",
		"--source", "https://git.example.com/numberfleet", "--downloads", "https://git.example.com/downloads", "--builder", "https://git.example.com/builder",
		"--repository", "registry.example.com/numberfleet",
	}, append(flags, "linux/amd64="+folder+"/kubectl-phonenumbers", "windows/amd64="+folder+"/kubectl-phonenumbers.exe")...))
}

func second(_ int, err error) error { return err }

func released(t *testing.T) string {
	t.Helper()
	output, err := makeRelease(t)
	if err != nil {
		t.Fatal(err)
	}
	return output
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// unpack reads a tarball.
func unpack(t *testing.T, content []byte) map[string]string {
	t.Helper()
	unpacked, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for archive := tar.NewReader(unpacked); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		file, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(file)
	}
}

// The same files make the same release, byte for byte.
func TestTheSameFilesMakeTheSameBytes(t *testing.T) {
	if once, again := read(t, released(t), checksums), read(t, released(t), checksums); !bytes.Equal(once, again) {
		t.Errorf("%s\nand then\n%s", once, again)
	}
}

// sha256sum takes the checksums, and they cover every file.
func TestTheChecksumsCoverEveryFile(t *testing.T) {
	output := released(t)
	check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", checksums)
	check.Dir = output
	said, err := check.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	files, err := os.ReadDir(output)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() != checksums && !strings.Contains(string(said), f.Name()+": OK\n") {
			t.Errorf("%s is not among them:\n%s", f.Name(), said)
		}
	}
}

// krew's own check takes the manifest, and krew installs the plugin by it: from the archive of each platform, whose checksum it compares.
func TestKrewInstallsThePlugin(t *testing.T) {
	output := released(t)
	manifest := filepath.Join(output, "phonenumbers.yaml")
	krew := func(platform string, tool ...string) {
		command := exec.CommandContext(t.Context(), "go", append([]string{"tool"}, tool...)...)
		command.Env = append(os.Environ(), "KREW_ROOT="+filepath.Join(output, platform), "KREW_OS="+platform, "KREW_ARCH=amd64")
		if said, err := command.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", tool, err, said)
		}
	}
	krew("linux", "validate-krew-manifest", "--skip-install", "--manifest", manifest)
	krew("linux", "krew", "install", "--manifest", manifest, "--archive", filepath.Join(output, "kubectl-phonenumbers_v1.2.3_linux_amd64.tar.gz"))
	krew("windows", "krew", "install", "--manifest", manifest, "--archive", filepath.Join(output, "kubectl-phonenumbers_v1.2.3_windows_amd64.zip"))
	if program := read(t, output, "linux", "bin", "kubectl-phonenumbers"); string(program) != "a program of Linux" {
		t.Errorf("for Linux it is %s", program)
	}
	if program := read(t, output, "windows", "bin", "kubectl-phonenumbers.exe"); string(program) != "a program of Windows" {
		t.Errorf("for Windows it is %s", program)
	}
}

// An archive of the plugin has the program under the name that krew's manifest says, and the licence: a zip for Windows, else a tarball.
func TestAnArchiveHasTheProgramAndTheLicence(t *testing.T) {
	output := released(t)
	if files := unpack(t, read(t, output, "kubectl-phonenumbers_v1.2.3_linux_amd64.tar.gz")); files["kubectl-phonenumbers"] != "a program of Linux" || files["LICENSE"] == "" {
		t.Errorf("it has %v", files)
	}
	archive, err := zip.OpenReader(filepath.Join(output, "kubectl-phonenumbers_v1.2.3_windows_amd64.zip"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = archive.Close() })
	if files := archive.File; len(files) != 2 || files[0].Name != "kubectl-phonenumbers.exe" || files[0].Mode() != 0o755 || files[1].Name != "LICENSE" {
		t.Errorf("it has %v", files)
	}
}

// The chart has the version of the release, without its v as Helm has it, and the image that was released.
func TestTheChartHasTheVersionAndTheImage(t *testing.T) {
	files := unpack(t, read(t, released(t), "numberfleet-1.2.3.tgz"))
	for file, line := range map[string]string{
		"numberfleet/Chart.yaml":  "\nversion: 1.2.3\nappVersion: v1.2.3\n",
		"numberfleet/values.yaml": "\n  repository: registry.example.com/numberfleet\n",
	} {
		if !strings.Contains(files[file], line) {
			t.Errorf("%s has no %q:\n%s", file, line, files[file])
		}
	}
}

// The provenance is an in-toto statement about every other file and about the image, by the digest that it has in registries.
func TestTheProvenanceNamesEveryFileAndTheImage(t *testing.T) {
	output := released(t)
	var statement intoto.Statement
	if err := protojson.Unmarshal(read(t, output, provenance), &statement); err != nil {
		t.Fatal(err)
	}
	if err := statement.Validate(); err != nil {
		t.Error(err)
	}
	digests := map[string]string{}
	for _, subject := range statement.GetSubject() {
		digests[subject.GetName()] = subject.GetDigest()["sha256"]
	}
	if of := digests["registry.example.com/numberfleet:v1.2.3"]; of != digest {
		t.Errorf("the image is %q", of)
	}
	for line := range strings.Lines(string(read(t, output, checksums))) {
		if sum, name, _ := strings.Cut(strings.TrimSpace(line), "  "); name != provenance && digests[name] != sum {
			t.Errorf("%s is %q, not %s", name, digests[name], sum)
		}
	}
	made := statement.GetPredicate().AsMap()["buildDefinition"].(map[string]any)["resolvedDependencies"].([]any)[0].(map[string]any)
	if made["uri"] != "git+https://git.example.com/numberfleet@"+commit {
		t.Errorf("it was made of %v", made)
	}
}

// What nobody could make again is not released: a tree with changes that are in no commit, or a version that is none.
func TestOnlyAVersionOfACommitIsReleased(t *testing.T) {
	for _, version := range []string{"v1.2.3-dirty", "dev", "1.2.3", ""} {
		if _, err := makeRelease(t, "--version", version); err == nil {
			t.Errorf("%q is released", version)
		}
	}
}
