package bucket_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"numberfleet.dev/numberfleet/hack/rig/s3"
	"numberfleet.dev/numberfleet/internal/ledger/bucket"
)

// newServer runs an S3 server until the test ends.
func newServer(t *testing.T) *s3.Server {
	t.Helper()
	server, err := s3.New(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	return server
}

func openTest(t *testing.T, o bucket.Options) *bucket.Bucket {
	t.Helper()
	b, err := bucket.Open(o)
	must(t, err)
	return b
}

// Objects of all sizes come back as they were written, with their metadata, below the prefix of the bucket, and are listed until they are removed.
func TestObjects(t *testing.T) {
	o := newServer(t).Options()
	o.Prefix = "production/"
	b := openTest(t, o)
	contents := map[string][]byte{"a/empty": {}, "a/small": []byte("content"), "a/large": make([]byte, 33<<20), "b/other": []byte("x")}
	_, _ = rand.Read(contents["a/large"]) // never fails
	for name, content := range contents {
		must(t, b.Write(t.Context(), name, map[string]string{"Position": name}, bytes.NewReader(content), int64(len(content))))
	}
	names, err := b.List(t.Context(), "a/")
	must(t, err)
	if !slices.Equal(names, []string{"a/empty", "a/large", "a/small"}) {
		t.Errorf("the objects are %q", names)
	}
	for name, want := range contents {
		var content bytes.Buffer
		must(t, b.Read(t.Context(), &content, name))
		metadata, err := b.Metadata(t.Context(), name)
		if must(t, err); !bytes.Equal(content.Bytes(), want) || metadata["Position"] != name {
			t.Errorf("%s has %d bytes, and the metadata %q", name, content.Len(), metadata)
		}
		must(t, b.Remove(t.Context(), name))
		must(t, b.Remove(t.Context(), name))
	}
	names, err = b.List(t.Context(), "")
	if must(t, err); len(names) > 0 {
		t.Errorf("after that there are %q", names)
	}
}

// An object whose content ends in an error is not there, and neither is one that is shorter than was said.
func TestAHalfObjectIsNotThere(t *testing.T) {
	b := openTest(t, newServer(t).Options())
	broken := errors.New("broken")
	for name, from := range map[string]io.Reader{
		"ends":        bytes.NewReader(make([]byte, 100)),
		"fails":       io.MultiReader(bytes.NewReader(make([]byte, 100)), failing{broken}),
		"fails-later": io.MultiReader(bytes.NewReader(make([]byte, 20<<20)), failing{broken}),
	} {
		size := int64(1000)
		if name == "fails-later" {
			size = 40 << 20
		}
		if err := b.Write(t.Context(), name, nil, from, size); err == nil || name != "ends" && !errors.Is(err, broken) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
	names, err := b.List(t.Context(), "")
	if must(t, err); len(names) > 0 {
		t.Errorf("there are %q", names)
	}
}

type failing struct{ with error }

func (f failing) Read([]byte) (int, error) { return 0, f.with }

// What the server or the files of the key refuse is an error that says why, and nothing of the key. A key that is replaced is used at once.
func TestKeys(t *testing.T) {
	server := newServer(t)
	o := server.Options()
	b := openTest(t, o)
	list := func() error {
		_, err := b.List(t.Context(), "")
		return err
	}
	must(t, list())
	for content, want := range map[string]string{"another-key": "signature", " ": "is empty"} {
		must(t, os.WriteFile(o.SecretAccessKey, []byte(content), 0o600))
		if err := list(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "another-key") {
			t.Errorf("with the key %q the error is %v", content, err)
		}
	}
	must(t, os.WriteFile(o.SecretAccessKey, []byte(s3.SecretAccessKey), 0o600))
	must(t, list())
	must(t, os.Remove(o.AccessKeyID))
	if err := list(); !errors.Is(err, os.ErrNotExist) && (err == nil || !strings.Contains(err.Error(), "no such file")) {
		t.Errorf("without the file of the id the error is %v", err)
	}
}

// A bucket that is not there, and a certificate that is not trusted, are errors. So is a server that is not there, after it was asked again.
func TestServersThatDoNotDo(t *testing.T) {
	server := newServer(t)
	refused := func(name string, o bucket.Options) {
		t.Helper()
		if _, err := openTest(t, o).List(t.Context(), ""); err == nil {
			t.Errorf("%s: there is no error", name)
		}
	}
	o := server.Options()
	another, untrusted := o, o
	another.Name, untrusted.CertificateAuthority = "another", ""
	refused("another bucket", another)
	refused("no trust", untrusted)
	server.Kill()
	refused("no server", o)
}

// What is wrong with a file of certificates is said when the bucket is opened.
func TestCertificatesThatCannotBeRead(t *testing.T) {
	o := bucket.Options{Name: "fleet", Endpoint: "https://localhost", CertificateAuthority: filepath.Join(t.TempDir(), "ca.crt")}
	if _, err := bucket.Open(o); !errors.Is(err, os.ErrNotExist) && (err == nil || !strings.Contains(err.Error(), "certificate authority")) {
		t.Errorf("the error is %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
