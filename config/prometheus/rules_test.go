// Package prometheus_test holds that every alert fires on the condition that it names and on no other, with promtool.
package prometheus_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// rule is a rule as Prometheus reads it.
type rule struct {
	Alert       string            `json:"alert"`
	Record      string            `json:"record"`
	Expr        string            `json:"expr"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// readRules are all rules.
func readRules(t *testing.T) (rules []rule) {
	t.Helper()
	content, err := os.ReadFile("rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		rules = append(rules, group.Rules...)
	}
	return rules
}

// seriesOf are the series of both replicas, of some minutes; of several with one name those that come later.
func seriesOf(minutes int, all ...map[string]string) map[string]string {
	of := map[string]string{}
	for _, series := range all {
		for name, values := range series {
			for _, replica := range replicas {
				of[strings.Replace(name, "@", fmt.Sprintf("instance=%q", replica), 1)] = strings.Replace(values, "N", strconv.Itoa(minutes), 1)
			}
		}
	}
	return of
}

// Of every fleet that has something wrong the alert about it fires, once for both replicas, says what is wrong, and no other alert fires.
func TestEveryAlertFiresOnItsConditionAndOnNoOther(t *testing.T) {
	rules := readRules(t)
	type object = map[string]any
	var tests []object
	fired := map[string]bool{}
	for i, trigger := range triggers {
		minutes := cmp.Or(trigger.minutes, 120)
		var input, checks []object
		for name, values := range seriesOf(minutes, healthy, trigger.series) {
			input = append(input, object{"series": name, "values": values})
		}
		for _, r := range rules {
			if r.Alert == "" {
				continue
			}
			check := object{"eval_time": fmt.Sprintf("%dm", minutes), "alertname": r.Alert, "exp_alerts": []object{}}
			if r.Alert == trigger.alert {
				fired[r.Alert] = true
				expected := object{"severity": r.Labels["severity"]}
				for name, value := range trigger.labels {
					expected[name] = value
				}
				check["exp_alerts"] = []object{{
					"exp_labels":      expected,
					"exp_annotations": object{"summary": trigger.summary, "runbook_url": "https://numberfleet.dev/docs/alerts.md#" + strings.ToLower(r.Alert)},
				}}
			}
			checks = append(checks, check)
		}
		tests = append(tests, object{"name": fmt.Sprintf("trigger %d: %s", i, trigger.alert), "interval": "1m", "input_series": input, "alert_rule_test": checks})
	}
	for _, r := range rules {
		if r.Alert != "" && !fired[r.Alert] {
			t.Errorf("nothing triggers %s", r.Alert)
		}
	}
	file, err := filepath.Abs("rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	content, err := yaml.Marshal(object{"rule_files": []string{file}, "evaluation_interval": "1m", "tests": tests})
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "tests.yaml")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := filepath.Abs(cmp.Or(os.Getenv("PROMTOOL"), filepath.Join("..", "..", "bin", "promtool")))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), program, "test", "rules", file).CombinedOutput()
	if err != nil {
		t.Errorf("%v; without promtool run make test, or make bin/promtool:\n%s", err, out)
	}
}

var heading = regexp.MustCompile(`(?m)^### (Numberfleet\w+)$`)

// Every alert has a section in the docs, to which its runbook_url leads, and every section is about an alert.
func TestEveryAlertHasARunbook(t *testing.T) {
	rules := readRules(t)
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "alerts.md"))
	if err != nil {
		t.Fatal(err)
	}
	var alerts, sections []string
	for _, r := range rules {
		if r.Alert != "" {
			alerts = append(alerts, r.Alert)
		}
	}
	for _, match := range heading.FindAllSubmatch(page, -1) {
		sections = append(sections, string(match[1]))
	}
	if !slices.Equal(alerts, sections) {
		t.Errorf("the alerts are\n%s\nand the page has\n%s", strings.Join(alerts, "\n"), strings.Join(sections, "\n"))
	}
}
