package secret

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"numberfleet.dev/numberfleet/internal/degraded"
)

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What editors, shells and forms put around a secret is no part of it; what stands within is.
func TestASecretIsWhatStandsInTheFile(t *testing.T) {
	for content, want := range map[string]string{
		"s3cret": "s3cret", "s3cret\n": "s3cret", "\ufeff s3cret\r\n\r\n": "s3cret", "\u200bs3cret\u00a0\t": "s3cret", "a b": "a b", "\"q\"": "\"q\"",
		"\xff\xfes\x003\x00\r\x00\n\x00": "s3", // as PowerShell writes it
		"\xf6\x01":                       "\xf6\x01",
	} {
		if got, err := Read(file(t, content)); got != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", content, got, err, want)
		}
	}
}

// What is no secret is said without the path, and without what stands there.
func TestWhatIsNoSecretIsAnError(t *testing.T) {
	for _, content := range []string{"", "\n", "\ufeff", " \u200b\r\n", "\xff\xfe"} {
		if got, err := Read(file(t, content)); got != "" || !errors.Is(err, ErrEmpty) {
			t.Errorf("%q: got %q, %v", content, got, err)
		}
	}
	if _, err := Read(file(t, strings.Repeat("x", MaxSize+1))); err == nil || err.Error() != "has more than 65536 bytes" {
		t.Errorf("a long one: got %v", err)
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), "none") {
		t.Errorf("a missing one: got %v", err)
	}
	if _, err := Read(t.TempDir()); err == nil || strings.Contains(err.Error(), "/") {
		t.Errorf("a folder: got %v", err)
	}
}

// What people put where a secret belongs is doubted; what Meta and others give out is not.
func TestDoubt(t *testing.T) {
	for secret, want := range map[string]string{
		"7dfb5b2a9c6c0e6f4e0f1a2b3c4d5e6f": "", "EAAG9zC0ZBpZC0BO1": "", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln": "", "correct-horse": "",
		"https://hooks.slack.com/services/T0/B0/x": "", "secretive": "", "xx": "",
		`"7dfb5b2a"`: "has quotes around it", "'a'": "has quotes around it",
		"<app secret>": "looks like a placeholder", "changeme": "looks like a placeholder", "CHANGE_ME": "looks like a placeholder",
		"your-token": "looks like a placeholder", "xxxx": "looks like a placeholder", "${APP_SECRET}": "looks like a placeholder",
		"{{ .Values.secret }}": "looks like a placeholder", "TODO": "looks like a placeholder",
		"two words": "has white space or control characters within", "two\nlines": "has white space or control characters within",
		"a\ufeffb": "has white space or control characters within", "geheimniß": "has characters beyond ASCII",
	} {
		if got := Doubt(secret); got != want {
			t.Errorf("%q: got %q, want %q", secret, got, want)
		}
	}
}

// Which secrets are of no use, or are doubted, is in the log once and in metrics, by the field and never by the value.
func TestAWatcherTellsWhichSecretsAreOfNoUse(t *testing.T) {
	good, empty, doubted, missing := file(t, "s3cret"), file(t, "\n"), file(t, `"pr1vate"`), filepath.Join(t.TempDir(), "missing")
	var log strings.Builder
	registry := prometheus.NewRegistry()
	files := []File{{Field: "a", Path: good}, {Field: "b", Path: empty}, {Field: "c", Path: doubted}, {Field: "d", Path: missing}, {Field: "e", Path: missing, Optional: true}, {Field: "f", Path: missing, Certificate: true}}
	logger := funcr.New(func(_, args string) { log.WriteString(args + "\n") }, funcr.Options{})
	w := NewWatcher(files, degraded.NewReporter(registry, logger), registry, logger)
	metrics := func(missingB string, suspiciousC string) {
		t.Helper()
		want := `# HELP numberfleet_degraded Whether the operator lacks something that it is configured with: 1 then. The reason is SecretMissing, CertificateMissing, LogNotSynced or LogRecovered, and the field is the flag or the field of the configuration that names it. The log says what is wrong.
# TYPE numberfleet_degraded gauge
numberfleet_degraded{field="a",reason="SecretMissing"} 0
numberfleet_degraded{field="b",reason="SecretMissing"} ` + missingB + `
numberfleet_degraded{field="c",reason="SecretMissing"} 0
numberfleet_degraded{field="d",reason="SecretMissing"} 1
numberfleet_degraded{field="e",reason="SecretMissing"} 0
numberfleet_degraded{field="f",reason="CertificateMissing"} 1
# HELP numberfleet_secret_suspicious Whether the secret of a field is likely not the one that was meant, such as a placeholder, or one with quotes around it or white space within: 1 then. It is used all the same. The log says what it is.
# TYPE numberfleet_secret_suspicious gauge
numberfleet_secret_suspicious{field="a"} 0
numberfleet_secret_suspicious{field="b"} 0
numberfleet_secret_suspicious{field="c"} ` + suspiciousC + `
numberfleet_secret_suspicious{field="d"} 0
numberfleet_secret_suspicious{field="e"} 0
`
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	}
	metrics("1", "1")
	w.check()
	told := log.String()
	for _, of := range []string{`"field"="b"`, `"field"="c"`, `"field"="d"`, `"field"="f"`, "is empty", "has quotes around it"} {
		if strings.Count(told, of) != 1 {
			t.Errorf("%s is told %d times:\n%s", of, strings.Count(told, of), told)
		}
	}
	if strings.Contains(told, "pr1vate") || strings.Contains(told, "s3cret") || strings.Contains(told, `"field"="a"`) || strings.Contains(told, `"field"="e"`) {
		t.Errorf("it tells too much:\n%s", told)
	}

	log.Reset()
	for path, content := range map[string]string{empty: "s3cret", doubted: "pr1vate"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.check()
	metrics("0", "0")
	if strings.Count(log.String(), "Nothing speaks against a secret any more") != 1 || strings.Count(log.String(), "The operator has what it lacked") != 1 {
		t.Errorf("got\n%s", log.String())
	}
}
