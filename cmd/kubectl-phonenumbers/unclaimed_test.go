package main

import (
	"bytes"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"numberfleet.dev/numberfleet/internal/unclaimed"
)

func TestUnclaimedListsWhatTheOperatorTold(t *testing.T) {
	list := func(data map[string]string, output outputFormat) (string, error) {
		api := fake.NewClientBuilder()
		if data != nil {
			api.WithObjects(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: unclaimed.ConfigMap}, Data: data})
		}
		var out bytes.Buffer
		err := listUnclaimed(t.Context(), api.Build(), "ops", output, &out)
		return out.String(), err
	}
	two := map[string]string{unclaimed.Key: `[{"key":"a","number":"…1009","numberID":"100000000000017","account":"102290129340398","updates":214,"firstTime":"2026-11-28T15:02:11Z","lastTime":"2026-11-28T15:58:40Z"},` +
		`{"key":"b","updates":1,"numberID":"7","firstTime":"2026-11-28T15:02:11Z","lastTime":"2026-11-28T15:02:11Z"}]`}
	want := strings.Join([]string{
		"NUMBER  ID               ACCOUNT          UPDATES  FIRST                 LAST",
		"…1009   100000000000017  102290129340398  214      2026-11-28T15:02:11Z  2026-11-28T15:58:40Z",
		"-       7                -                1        2026-11-28T15:02:11Z  2026-11-28T15:02:11Z",
		"",
	}, "\n")
	if got, err := list(two, "table"); err != nil || got != want {
		t.Errorf("got\n%s%v", got, err)
	}
	if got, err := list(two, "json"); err != nil || !strings.HasPrefix(got, "{\n  \"items\": [") || !strings.Contains(got, `"numberID": "100000000000017"`) {
		t.Errorf("got\n%s%v", got, err)
	}
	if got, err := list(two, "yaml"); err != nil || !strings.HasPrefix(got, "items:\n- ") || !strings.Contains(got, `numberID: "100000000000017"`) {
		t.Errorf("got\n%s%v", got, err)
	}
	if got, err := list(nil, "json"); err != nil || got != "{\n  \"items\": []\n}\n" {
		t.Errorf("got\n%s%v", got, err)
	}
	for _, data := range []map[string]string{nil, {}, {unclaimed.Key: "[]"}} {
		if got, err := list(data, "table"); err != nil || !strings.HasPrefix(got, "Nothing is told in namespace ops") {
			t.Errorf("got %s%v", got, err)
		}
	}
	if _, err := list(map[string]string{unclaimed.Key: "{"}, "table"); err == nil || !strings.Contains(err.Error(), "not what the operator wrote") {
		t.Errorf("got %v", err)
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"unclaimed", "-o", "xml"}, nil, &stdout, &stderr); code != exitUsage || stderr.String() != "Error: --output: must be table, json or yaml\n" {
		t.Errorf("got %d %s", code, &stderr)
	}
}
