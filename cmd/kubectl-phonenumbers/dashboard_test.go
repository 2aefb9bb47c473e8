package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

// The page names the cluster that is looked at: that of --context, where the kubeconfig has another current one.
func TestDashboardNamesItsCluster(t *testing.T) {
	config, err := clientcmd.LoadFromFile(cluster(t).kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.Contexts["production"] = config.Contexts[config.CurrentContext]
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, kubeconfig); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, stdout := io.Pipe()
	ended := make(chan int)
	go func() {
		code := run(ctx, []string{"dashboard", "--kubeconfig", kubeconfig, "--context", "production"}, strings.NewReader(""), stdout, io.Discard)
		_ = stdout.Close()
		ended <- code
	}()
	said, err := bufio.NewReader(out).ReadString('\n')
	at := regexp.MustCompile(`http://[^ ]+`).FindString(said)
	if err != nil || at == "" {
		t.Fatalf("it says %q, %v", said, err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	get := func(at string) io.Reader {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := browser.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = answer.Body.Close() })
		return answer.Body
	}
	page, _, _ := strings.Cut(at, "?")
	get(at)
	for lines := bufio.NewScanner(get(page + "api/stream")); ; {
		if !lines.Scan() {
			t.Fatalf("the stream ends before it names the cluster: %v", lines.Err())
		}
		if notes, ok := strings.CutPrefix(lines.Text(), `data: {"cluster":`); ok {
			if !strings.HasPrefix(notes, `"production"`) {
				t.Errorf("it names the cluster %s", notes)
			}
			break
		}
	}
	stop()
	if code := <-ended; code != exitDone {
		t.Errorf("it ends with %d", code)
	}
}
