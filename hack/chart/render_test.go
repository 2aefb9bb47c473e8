package chart

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/jsonpath"

	"numberfleet.dev/numberfleet/hack/rig"
)

// render is what the chart prints for some values, of which the later ones stand above the earlier ones, or why it prints nothing. What hooks and
// tests are is there too.
func render(t *testing.T, values ...string) ([]*unstructured.Unstructured, error) {
	t.Helper()
	arguments := []string{"template", "numberfleet", chart, "--namespace", rig.Namespace}
	for i, content := range values {
		file := filepath.Join(t.TempDir(), fmt.Sprintf("%d.yaml", i))
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, "--values", file)
	}
	out, err := rig.Output(t.Context(), os.Getenv("HELM"), arguments...)
	if err != nil {
		return nil, err
	}
	return rig.Parse(out)
}

// mustRender is what the chart prints for values that it takes.
func mustRender(t *testing.T, values ...string) []*unstructured.Unstructured {
	t.Helper()
	objects, err := render(t, values...)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// look reads an object that was printed, written as Kind/name, at a path in JSONPath. It is empty where there is none.
func look(t *testing.T, objects []*unstructured.Unstructured, where, path string) string {
	t.Helper()
	kind, name, _ := strings.Cut(where, "/")
	for _, object := range objects {
		if object.GetKind() != kind || object.GetName() != name {
			continue
		}
		query := jsonpath.New(where).AllowMissingKeys(true)
		if err := query.Parse("{" + path + "}"); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		var out strings.Builder
		if err := query.Execute(&out, object.Object); err != nil {
			t.Fatalf("%s %s: %v", where, path, err)
		}
		return out.String()
	}
	return ""
}
