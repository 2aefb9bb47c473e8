package main

import (
	"encoding/json"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"numberfleet.dev/numberfleet/internal/doctor"
)

// A cluster without an operator is not well: the findings are for people and for programs, and the exit code says so.
func TestDoctorOfAClusterWithoutAnOperator(t *testing.T) {
	of := []string{"doctor", "--kubeconfig", cluster(t).kubeconfig}
	code, stdout, stderr := play(t, "", of...)
	if code != exitNo || stderr != "" || !strings.HasPrefix(stdout, "ERROR    Namespace numberfleet-system has no Deployment of the operator.") ||
		!strings.Contains(stdout, "\n         $ kubectl get deployments -A -l app.kubernetes.io/name=numberfleet\n") || !strings.Contains(stdout, "\n16 checks: 2 errors, 0 warnings") {
		t.Errorf("code %d, %s\n%s", code, stderr, stdout)
	}
	for format, read := range map[string]func([]byte, any) error{
		"json": json.Unmarshal,
		"yaml": func(content []byte, to any) error { return yaml.UnmarshalStrict(content, to) },
	} {
		code, stdout, stderr := play(t, "", append(of, "-o", format)...)
		var report doctor.Report
		if err := read([]byte(stdout), &report); err != nil || code != exitNo || stderr != "" || report.Healthy() || report.Findings[0].Check != "operator" {
			t.Errorf("%s: code %d, %v, %s\n%s", format, code, err, stderr, stdout)
		}
	}
}
