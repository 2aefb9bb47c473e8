package bucket_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"numberfleet.dev/numberfleet/internal/ledger/bucket"
)

// A server may answer names that were not asked for. They are none of the bucket's.
func TestNamesThatWereNotAskedFor(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `<ListBucketResult><Name>fleet</Name><IsTruncated>false</IsTruncated>`+
			`<Contents><Key>x</Key></Contents><Contents><Key>production/main/1</Key></Contents></ListBucketResult>`)
	}))
	t.Cleanup(server.Close)
	key := filepath.Join(t.TempDir(), "key")
	must(t, os.WriteFile(key, []byte("key"), 0o600))
	b := openTest(t, bucket.Options{Name: "fleet", Prefix: "production/", Endpoint: server.URL, Region: "us-east-1", PathStyle: true, AccessKeyID: key, SecretAccessKey: key})
	names, err := b.List(t.Context(), "main/")
	must(t, err)
	if !slices.Equal(names, []string{"main/1"}) {
		t.Errorf("the names are %q", names)
	}
}
