//go:build signed

package main

import (
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// The release that make test-release made.
var (
	dist          = os.Getenv("DIST")
	signedVersion = os.Getenv("VERSION")
)

// makes runs a target of the Makefile on a release, with a key.
func makes(t *testing.T, target, dist, key string, variables ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "make", append([]string{"--no-print-directory", "-C", "../..", target,
		"DIST=" + dist, "VERSION=" + signedVersion, "SIGNING_KEY=" + filepath.Join(key, "cosign.key")}, variables...)...)
	command.Env = append(os.Environ(), "COSIGN_PASSWORD=")
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("make %s: %v: %s", target, err, said)
	}
}

// tool runs a program of bin and returns what it says on its standard output.
func tool(t *testing.T, folder, name string, args ...string) (string, error) {
	t.Helper()
	program, err := filepath.Abs(filepath.Join("../../bin", name))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program, args...)
	command.Dir = folder
	command.Env = append(os.Environ(), "COSIGN_PASSWORD=")
	said, err := command.Output()
	return strings.TrimSpace(string(said)), err
}

// newKey makes a pair of keys, cosign.key and cosign.pub in a folder.
func newKey(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if _, err := tool(t, folder, "cosign", "generate-key-pair"); err != nil {
		t.Fatal(err)
	}
	return folder
}

// verify is how the documentation verifies, with a key.
func verify(key, command string, args ...string) []string {
	return append([]string{command, "--key", filepath.Join(key, "cosign.pub"), "--insecure-ignore-tlog"}, args...)
}

// signed is a copy of the release, signed with a key.
func signed(t *testing.T, key string) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(dist)); err != nil {
		t.Fatal(err)
	}
	makes(t, "sign", folder, key)
	return folder
}

// The signature of the checksums is that of the key, and of no other checksums and no other key.
func TestSignedChecksumsAreVerified(t *testing.T) {
	key := newKey(t)
	folder := signed(t, key)
	of := func(key string) error {
		_, err := tool(t, folder, "cosign", verify(key, "verify-blob", "--bundle", "checksums.txt.sigstore.json", checksums)...)
		return err
	}
	if err := of(key); err != nil {
		t.Error(err)
	}
	if of(newKey(t)) == nil {
		t.Error("it is another key's too")
	}
	if err := os.WriteFile(filepath.Join(folder, checksums), append(read(t, folder, checksums), '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	if of(key) == nil {
		t.Error("it is that of other checksums too")
	}
}

// The signed provenance is about every file of the release but the checksums, about the image, and about nothing else.
func TestSignedProvenanceIsVerified(t *testing.T) {
	key := newKey(t)
	folder := signed(t, key)
	of := func(subject ...string) error {
		_, err := tool(t, folder, "cosign", verify(key, "verify-blob-attestation", append([]string{
			"--bundle", "provenance.sigstore.json", "--type", "slsaprovenance1"}, subject...)...)...)
		return err
	}
	for line := range strings.Lines(string(read(t, folder, checksums))) {
		if _, name, _ := strings.Cut(strings.TrimSpace(line), "  "); name != provenance && of(name) != nil {
			t.Errorf("it is not about %s", name)
		}
	}
	image, err := imageOf(filepath.Join(folder, "numberfleet_"+signedVersion+".oci.tar"))
	if err != nil {
		t.Fatal(err)
	}
	if err := of("--digestAlg", "sha256", "--digest", image.GetDigest()["sha256"]); err != nil {
		t.Errorf("it is not about the image: %v", err)
	}
	if of("checksums.txt.sigstore.json") == nil {
		t.Error("it is about what it does not name")
	}
}

// A registry gets the image by the digest that the provenance names, and the chart byte for byte; both are signed there.
func TestSignedImageAndChartArePublished(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	repository := strings.TrimPrefix(server.URL, "http://") + "/numberfleet"
	key := newKey(t)
	makes(t, "publish", dist, key, "REPOSITORY="+repository, "HELMFLAGS=--plain-http")

	image, err := imageOf(filepath.Join(dist, "numberfleet_"+signedVersion+".oci.tar"))
	if err != nil {
		t.Fatal(err)
	}
	if digest, err := tool(t, ".", "crane", "digest", repository+":"+signedVersion); digest != "sha256:"+image.GetDigest()["sha256"] {
		t.Errorf("the image is %q, %v", digest, err)
	}
	pulled, chartVersion := t.TempDir(), strings.TrimPrefix(signedVersion, "v")
	if _, err := tool(t, pulled, "helm", "pull", "--plain-http", "oci://"+repository+"/charts/numberfleet", "--version", chartVersion); err != nil {
		t.Fatal(err)
	}
	chart := "numberfleet-" + chartVersion + ".tgz"
	if string(read(t, pulled, chart)) != string(read(t, dist, chart)) {
		t.Error("the chart is another one")
	}
	for _, reference := range []string{repository + ":" + signedVersion, repository + "/charts/numberfleet:" + chartVersion} {
		if _, err := tool(t, ".", "cosign", verify(key, "verify", reference)...); err != nil {
			t.Errorf("%s: %v", reference, err)
		}
		if _, err := tool(t, ".", "cosign", verify(newKey(t), "verify", reference)...); err == nil {
			t.Errorf("%s is signed by another key too", reference)
		}
	}
}
