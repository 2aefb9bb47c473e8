// Package gitops_test holds what tools that apply from Git make of the operator's resources: the health checks of config/argocd in the
// interpreter that Argo CD runs them in, and the kstatus library of Flux.
package gitops_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	luajson "layeh.com/gopher-json"
	"sigs.k8s.io/yaml"
)

const folder = "../../config/argocd/whatsapp.numberfleet.dev/_"

// read reads a file in YAML, by way of JSON as Kubernetes does.
func read(t *testing.T, file string, into any) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, file))
	if err == nil {
		content, err = yaml.YAMLToJSON(content)
	}
	if err == nil {
		err = json.Unmarshal(content, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// health is the answer of a check.
type health struct{ Status, Message string }

// check runs the check on an object, with the libraries that Argo CD opens.
func check(t *testing.T, object map[string]any) (answer health) {
	t.Helper()
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			t.Fatal(err)
		}
	}
	state.SetGlobal("obj", luajson.DecodeValue(state, object))
	if err := state.DoFile(filepath.Join(folder, "health.lua")); err != nil {
		t.Fatal(err)
	}
	encoded, err := luajson.Encode(state.Get(-1))
	if err == nil {
		err = json.Unmarshal(encoded, &answer)
	}
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// Every case of Argo CD's own layout, of which none is left out.
func TestArgoCDsHealthOfEveryState(t *testing.T) {
	var cases struct {
		Tests []struct {
			HealthStatus health
			InputPath    string
		}
	}
	read(t, "health_test.yaml", &cases)
	seen := map[string]bool{}
	for _, c := range cases.Tests {
		seen[filepath.Base(c.InputPath)] = true
		var object map[string]any
		read(t, c.InputPath, &object)
		if got := check(t, object); got != c.HealthStatus {
			t.Errorf("%s: it is %+v, want %+v", c.InputPath, got, c.HealthStatus)
		}
	}
	for _, name := range states(t) {
		if !seen[name+".yaml"] {
			t.Errorf("no case is about %s", name)
		}
	}
}

// What Flux waits for, and what it gives up on, is what Argo CD does.
func TestFluxsStatusOfEveryState(t *testing.T) {
	want := map[string]status.Status{
		"new": status.InProgressStatus, "changed": status.InProgressStatus, "waiting": status.InProgressStatus, "pool": status.InProgressStatus,
		"duplicate": status.FailedStatus,
		"connected": status.CurrentStatus, "flagged": status.CurrentStatus, "restricted": status.CurrentStatus, "blocked": status.CurrentStatus,
		"silent": status.CurrentStatus, "suspended": status.CurrentStatus, "portfolio": status.CurrentStatus, "template": status.CurrentStatus,
		"policy": status.CurrentStatus,
	}
	all := states(t)
	if len(all) != len(want) {
		t.Errorf("there are %d states, and %d are expected", len(all), len(want))
	}
	for _, name := range all {
		var object unstructured.Unstructured
		read(t, filepath.Join("testdata", name+".yaml"), &object)
		result, err := status.Compute(&object)
		if err != nil {
			t.Fatal(err)
		}
		if result.Status != want[name] {
			t.Errorf("%s: it is %s (%s), want %s", name, result.Status, result.Message, want[name])
		}
	}
}

// states are the names of all resources in testdata.
func states(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "testdata", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no states: %v", err)
	}
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".yaml"))
	}
	return names
}
