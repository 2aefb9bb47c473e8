package webhook

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/secret"
	"numberfleet.dev/numberfleet/internal/server/servertest"
)

// mount is a directory as kubelet mounts a Secret: the files are links through ..data to a directory of one version.
type mount struct {
	t       *testing.T
	dir     string
	version int
}

func newMount(t *testing.T, files map[string]string) *mount {
	t.Helper()
	m := &mount{t: t, dir: t.TempDir()}
	m.publish(files)
	for _, name := range []string{config.AppSecretKey, config.PreviousAppSecretKey, config.VerifyTokenKey} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(m.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// publish puts another version there, in one step.
func (m *mount) publish(files map[string]string) {
	m.t.Helper()
	m.version++
	version := "..version" + strings.Repeat("x", m.version)
	if err := os.Mkdir(filepath.Join(m.dir, version), 0o700); err != nil {
		m.t.Fatal(err)
	}
	for name, content := range files {
		servertest.Write(m.t, filepath.Join(m.dir, version), name, content)
	}
	next := filepath.Join(m.dir, "..data_tmp")
	if err := os.Symlink(version, next); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(m.dir, "..data")); err != nil {
		m.t.Fatal(err)
	}
}

func watch(t *testing.T, c *Credentials) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { c.Watch(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	if !rig.Eventually(t.Context(), is) {
		t.Fatalf("not within %s: %s", rig.Patience, what)
	}
}

func TestASecretIsRotatedWithoutARestart(t *testing.T) {
	f := newFixture(t)
	m := newMount(t, map[string]string{config.AppSecretKey: "old\n", config.VerifyTokenKey: token})
	c := NewCredentials(m.dir, f.log)
	f.apps[DefaultPath].credentials = c
	watch(t, c)

	body := delivered(1)
	code := func(secret string) int { return f.do(signed(body, secret)).Code }
	expect := func(step, secret string, want int) {
		t.Helper()
		eventually(t, step, func() bool { return code(secret) == want })
	}
	expect("the old secret is right", "old", 200)
	expect("the new secret is wrong yet", "new", 401)

	m.publish(map[string]string{config.AppSecretKey: "new", config.PreviousAppSecretKey: "old\r\n", config.VerifyTokenKey: token})
	expect("the new secret is right", "new", 200)
	expect("the old secret is right still", "old", 200)

	m.publish(map[string]string{config.AppSecretKey: "new", config.VerifyTokenKey: token})
	expect("the old secret is wrong", "old", 401)
	expect("the new secret is right", "new", 200)
}

func TestADirectoryThatComesLateIsRead(t *testing.T) {
	f := newFixture(t)
	dir := filepath.Join(t.TempDir(), "later")
	c := NewCredentials(dir, f.log)
	watch(t, c)
	if c.get().verifyBody(nil, new(signature)) || c.get().verifyToken("") {
		t.Error("nothing is accepted without secrets")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	servertest.Write(t, dir, config.AppSecretKey, appSecret)
	servertest.Write(t, dir, config.VerifyTokenKey, token)
	eventually(t, "the secrets are read", func() bool { return len(c.get().keys) == 1 && c.get().verifyToken(token) })
}

func TestWhatIsMissingIsRefused(t *testing.T) {
	body := delivered(1)
	for name, test := range map[string]struct {
		files     map[string]string
		post, get int
	}{
		"all there":              {map[string]string{config.AppSecretKey: appSecret, config.VerifyTokenKey: token}, 200, 200},
		"no app secret":          {map[string]string{config.VerifyTokenKey: token}, 503, 200},
		"an empty app secret":    {map[string]string{config.AppSecretKey: "\n", config.VerifyTokenKey: token}, 503, 200},
		"only the previous one":  {map[string]string{config.PreviousAppSecretKey: appSecret, config.VerifyTokenKey: token}, 503, 200},
		"no verify token":        {map[string]string{config.AppSecretKey: appSecret}, 200, 403},
		"an empty verify token":  {map[string]string{config.AppSecretKey: appSecret, config.VerifyTokenKey: ""}, 200, 403},
		"nothing":                {nil, 503, 403},
		"a file that is no file": {map[string]string{config.AppSecretKey: strings.Repeat("x", secret.MaxSize+1), config.VerifyTokenKey: token}, 503, 200},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.logs.Reset()
			dir := t.TempDir()
			for file, content := range test.files {
				servertest.Write(t, dir, file, content)
			}
			f.apps[DefaultPath].credentials = NewCredentials(dir, f.log)
			f.apps[DefaultPath].credentials.read()
			f.apps[DefaultPath].credentials.read()
			if w := f.do(signed(body, appSecret)); w.Code != test.post {
				t.Errorf("a POST got %d", w.Code)
			}
			if receives := f.Receives(metatest.Account); receives != (test.post == http.StatusOK) {
				t.Errorf("it says that it receives: %v", receives)
			}
			get := httptest.NewRequest(http.MethodGet, DefaultPath+"?hub.mode=subscribe&hub.challenge=1&hub.verify_token="+test.files[config.VerifyTokenKey], nil)
			if w := f.do(get); w.Code != test.get {
				t.Errorf("a GET got %d", w.Code)
			}
			if strings.Count(f.logs.String(), "\n") > 1 {
				t.Errorf("what has not changed is logged again\n%s", f.logs)
			}
			if strings.Contains(f.logs.String(), appSecret) || strings.Contains(f.logs.String(), token) {
				t.Errorf("a secret is in the logs\n%s", f.logs)
			}
		})
	}
}

func FuzzSignature(f *testing.F) {
	f.Add("sha256=" + strings.Repeat("0f", 32))
	f.Add("sha256=")
	f.Add("sha1=00")
	f.Fuzz(func(t *testing.T, header string) {
		if s, ok := parseSignature(header); ok && (len(header) != 71 || s == signature{} && strings.Trim(header[7:], "0") != "") {
			t.Fatalf("%q", header)
		}
	})
}

// Whatever is in a secret's file, nothing panics, and what is too long or nothing opens no door.
func FuzzCredentials(f *testing.F) {
	f.Add([]byte("s3cr3t\n"), []byte(""), []byte("t0ken\r\n"))
	f.Add([]byte("\n"), []byte("before"), []byte(" "))
	f.Add(bytes.Repeat([]byte("x"), secret.MaxSize+1), []byte("\x00"), []byte("\xff"))
	f.Fuzz(func(t *testing.T, app, previous, verify []byte) {
		dir := t.TempDir()
		servertest.Write(t, dir, config.AppSecretKey, string(app))
		servertest.Write(t, dir, config.PreviousAppSecretKey, string(previous))
		servertest.Write(t, dir, config.VerifyTokenKey, string(verify))
		got := NewCredentials(dir, logr.Discard()).get()
		usable := func(name string) string {
			is, _ := secret.Read(filepath.Join(dir, name))
			return is
		}
		if (len(got.keys) > 0) != (usable(config.AppSecretKey) != "") {
			t.Fatalf("%d keys of %q", len(got.keys), app)
		}
		if is := usable(config.VerifyTokenKey); got.verifyToken("") || got.verifyToken(is) != (is != "") {
			t.Fatalf("the verify token %q", verify)
		}
		var zero signature
		if got.verifyBody(nil, &zero) {
			t.Fatal("no signature is one")
		}
	})
}
