package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// What is about people or secret in the cluster of the test, in all the ways in which it stands there.
var personal = []string{
	"+15550109001", "15550109001", "+15550109002", "15550109002", "15550199777", "US.13491208655302741918", "wamid.HBgLMTU1NTAxOTk3NzcVAgA",
	"Zahnarztpraxis", "Dr. Weber", "weber@example.com", "call him back", "s3cr3t-of-the-app", "EAAGm0PX4ZCpsBAKZCexample", "hunter2hunter2",
	"hooks.slack.example.com", "nats.weber.example", "xoxb-in-the-environment", "left-in-an-annotation",
}

// A report has what helps, and nothing about people and no secret: every file of it is searched for all that the cluster has of either.
func TestReport(t *testing.T) {
	c := cluster(t)
	const namespace = "report-system"
	in := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: namespace, Name: name} }
	number := &v1alpha1.PhoneNumber{ObjectMeta: in("weber"), Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: "+15550109001", PhoneNumberID: "106540352242922",
		DisplayName: "Zahnarztpraxis", Business: v1alpha1.Business{Name: "Dr. Weber"},
		Appeal: v1alpha1.Appeal{State: v1alpha1.AppealOpen, OpenedTime: metav1.Now(), Note: "call him back"}}}
	number.Annotations = map[string]string{"example.com/note": "left-in-an-annotation"}
	labels := map[string]string{"app.kubernetes.io/name": "numberfleet"}
	operator := &appsv1.Deployment{ObjectMeta: in("manager"), Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "manager", Image: "numberfleet:v1",
			Args: []string{"--leader-elect"}, Env: []corev1.EnvVar{{Name: "TOKEN", Value: "xoxb-in-the-environment"}}}}}}}}
	operator.Labels = labels
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		number, operator,
		&corev1.Secret{ObjectMeta: in("numberfleet-webhook"), Data: map[string][]byte{"app-secret": []byte("s3cr3t-of-the-app\n"), "token": []byte("EAAGm0PX4ZCpsBAKZCexample"), "password": []byte("hunter2hunter2")}},
		&corev1.ConfigMap{ObjectMeta: in("numberfleet-config"), Data: map[string]string{"config.yaml": "kind: OperatorConfiguration\nnotifications:\n  receivers:\n" +
			"  - {name: team, slack: {url: 'https://hooks.slack.example.com/T0/B0/x'}}\n  - {name: doctor, email: {host: mail.example.com, from: Dr. Weber, to: [weber@example.com]}}\nledger: {engine: Log, log: {servers: ['tls://nats.weber.example:4222']}}\n",
			"other": "weber@example.com"}},
		&corev1.Event{ObjectMeta: in("flagged"), InvolvedObject: corev1.ObjectReference{APIVersion: v1alpha1.GroupVersion.String(), Kind: "PhoneNumber", Namespace: namespace, Name: "weber"},
			Reason: "Flagged", Message: "as 15550109001 wrote to +15550199777 (US.13491208655302741918) in wamid.HBgLMTU1NTAxOTk3NzcVAgA with s3cr3t-of-the-app"},
	} {
		if err := c.api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	number.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "False", Reason: "DuplicateNumber", Message: "+15550109002 is that of Bearer hunter2hunter2", LastTransitionTime: metav1.Now()}}
	number.Status.DisplayName = v1alpha1.Statement{Value: "Zahnarztpraxis", ReportedTime: metav1.Now()}
	if err := c.api.Status().Update(t.Context(), number); err != nil {
		t.Fatal(err)
	}

	code, stdout, stderr := play(t, "", "report", "--kubeconfig", c.kubeconfig, "--operator-namespace", namespace, "--file", "-")
	if code != exitDone || stderr != "" {
		t.Fatalf("code %d, %s", code, stderr)
	}
	files := unpack(t, stdout)
	for name, content := range files {
		for _, text := range personal {
			if strings.Contains(content, text) {
				t.Errorf("%s has %q:\n%s", name, text, content)
			}
		}
	}
	for name, want := range map[string][]string{
		"README.txt":                 {"Nothing here is about people or secret"},
		"versions.yaml":              {"plugin: ", "server: v1."},
		"findings.yaml":              {"check: resources", "PhoneNumber/report-system/weber"},
		"unread.txt":                 {""},
		"resources/phonenumber.yaml": {"name: weber", "106540352242922", "reason: DuplicateNumber", "-02 is that of"},
		"events.yaml":                {"reason: Flagged", "-01 wrote to number-", "-77 (user-", " in message-", " with (secret)"},
		"operator/deployments.yaml":  {"image: numberfleet:v1", "- --leader-elect", "name: TOKEN"},
		"operator/configuration/numberfleet-config-config.yaml": {"name: team", "url: text-"},
	} {
		for _, text := range want {
			if content, ok := files[name]; !ok || !strings.Contains(content, text) {
				t.Errorf("%s has no %q:\n%s", name, text, content)
			}
		}
	}
	masked := func(file string, after ...string) string {
		rest := files[file]
		for _, text := range after {
			_, rest, _ = strings.Cut(rest, text)
		}
		return strings.Trim(strings.Fields(rest)[0], `"`)
	}
	if a, b := masked("resources/phonenumber.yaml", "name: weber\n", "phoneNumber: "), masked("events.yaml", "as "); a != b || !strings.HasPrefix(a, "number-") || !strings.HasSuffix(a, "-01") {
		t.Errorf("one number is %s here and %s there", a, b)
	}
}

// Who may not read the operator's namespace gets nothing of another one in its place, and of its events those that they may read.
func TestReportOfANamespace(t *testing.T) {
	c := cluster(t)
	const home, operator = "report-home", "report-operator"
	labels := map[string]string{"app.kubernetes.io/name": "shop"}
	subject := []rbacv1.Subject{{Kind: rbacv1.UserKind, Name: "teammate"}}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: home}}, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operator}},
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: "shop", Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "shop", Image: "shop:v1", Args: []string{"--password=of-the-shop"}}}}},
		&corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: operator, Name: "pulled"}, InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: operator, Name: "manager"}, Reason: "Pulled"},
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: "teammate"}, Rules: []rbacv1.PolicyRule{{Verbs: []string{"list"}, APIGroups: []string{""}, Resources: []string{"pods"}}}},
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: "teammate"}, Subjects: subject, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "teammate"}},
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: operator, Name: "teammate"}, Rules: []rbacv1.PolicyRule{{Verbs: []string{"list"}, APIGroups: []string{"events.k8s.io"}, Resources: []string{"events"}}}},
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: operator, Name: "teammate"}, Subjects: subject, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "teammate"}},
	} {
		if err := c.api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	teammate := filepath.Join(t.TempDir(), "kubeconfig")
	if err := c.writeKubeconfig(teammate, envtest.User{Name: "teammate"}); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := play(t, "", "report", "--kubeconfig", teammate, "-n", home, "--operator-namespace", operator, "--file", "-")
	if code != exitDone || stderr != "" {
		t.Fatalf("code %d, %s", code, stderr)
	}
	files := unpack(t, stdout)
	if pods := files["operator/pods.yaml"]; !strings.Contains(pods, "items: []") {
		t.Errorf("the pods of the operator are\n%s", pods)
	}
	if !strings.Contains(files["unread.txt"], `cannot list resource "pods"`) {
		t.Errorf("what could not be read is\n%s", files["unread.txt"])
	}
	if !strings.Contains(files["events.yaml"], "reason: Pulled") {
		t.Errorf("the Events are\n%s", files["events.yaml"])
	}
}

// unpack are the files of an archive, which are all below one folder.
func unpack(t *testing.T, archive string) map[string]string {
	t.Helper()
	unzipped, err := gzip.NewReader(strings.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	folders := []string{}
	for in := tar.NewReader(unzipped); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		var content bytes.Buffer
		if _, err := content.ReadFrom(in); err != nil {
			t.Fatal(err)
		}
		folder, name, _ := strings.Cut(path.Clean(header.Name), "/")
		files[name] = content.String()
		if !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	if len(folders) != 1 || !strings.HasPrefix(folders[0], "numberfleet-report-") {
		t.Errorf("the folders are %q", folders)
	}
	return files
}
