package main

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig"
)

// A shell is offered the names that the cluster has, the values that a flag takes, and no file where none is meant.
func TestComplete(t *testing.T) {
	c := cluster(t)
	in := metav1.ObjectMeta{Namespace: "complete"}
	named := func(name string) metav1.ObjectMeta { in.Name = name; return in }
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "complete"}},
		&v1alpha1.PhoneNumber{ObjectMeta: named("bank"), Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: "+15550108001", Business: v1alpha1.Business{Name: "Acme"}}},
		&v1alpha1.PhoneNumber{ObjectMeta: named("shop"), Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: "+15550108002", Business: v1alpha1.Business{Name: "Acme"}}},
		&v1alpha1.NumberPool{ObjectMeta: named("news"), Spec: v1alpha1.NumberPoolSpec{Selector: &metav1.LabelSelector{}}},
		&v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: "complete-acme"}, Spec: v1alpha1.BusinessPortfolioSpec{DisplayName: "Acme"}},
	} {
		if err := c.api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	const onlyThese, noSpace, files = ":4", ":6", ":0"
	for _, test := range []struct {
		words     []string // the last is what was typed of the word to complete
		want      []string
		directive string
	}{
		{[]string{"explain", "-n", "complete", ""}, []string{"bank", "shop"}, onlyThese},
		{[]string{"explain", "-n", "complete", "num"}, []string{"bank", "shop", "numberpool/"}, noSpace},
		{[]string{"explain", "-n", "complete", "numberpool/"}, []string{"numberpool/news"}, onlyThese},
		{[]string{"explain", "-n", "complete", "businessportfolio/"}, []string{"businessportfolio/complete-acme"}, onlyThese},
		{[]string{"explain", "-n", "complete", "bank", ""}, nil, onlyThese},
		{[]string{"explain", "-n", "comp"}, []string{"complete", "default"}, onlyThese},
		{[]string{"explain", "--context", ""}, []string{"envtest"}, onlyThese},
		{[]string{"unclaimed", "-o", ""}, []string{"table", "json", "yaml"}, onlyThese},
		{[]string{"forecast", "--verification", ""}, []string{"Verified", "Unverified"}, onlyThese},
		{[]string{"simulate", "--policy", "net"}, []string{"netcore"}, files},
	} {
		args := slices.Clone(test.words)
		if test.words[0] == "explain" {
			args = slices.Insert(args, 1, "--kubeconfig", c.kubeconfig)
		}
		var code int
		var lines []string
		var stderr string
		rig.Eventually(t.Context(), func() bool { // a shell is offered nothing where the cluster answers late
			var stdout string
			code, stdout, stderr = play(t, "", completing(append([]string{"/usr/bin/" + completeProgram}, args...))...)
			lines = strings.Fields(stdout)
			return len(lines) > len(test.want)
		})
		if code != exitDone || len(lines) == 0 || lines[len(lines)-1] != test.directive {
			t.Errorf("%q: code %d, %q %q", test.words, code, lines, stderr)
		}
		for _, want := range test.want {
			if !slices.Contains(lines, want) {
				t.Errorf("%q: %q is not offered: %q", test.words, want, lines)
			}
		}
		if test.want == nil && len(lines) != 1 {
			t.Errorf("%q: %q are offered", test.words, lines)
		}
	}
}

// A cluster that does not answer offers nothing, and says nothing in the middle of what someone types.
func TestCompleteWithoutACluster(t *testing.T) {
	config := file(t, "config", "{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a}}], clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}]}")
	if code, stdout, _ := play(t, "", "__complete", "explain", "--kubeconfig", config, ""); code != exitDone || stdout != ":4\n" {
		t.Errorf("code %d, %q", code, stdout)
	}
}
