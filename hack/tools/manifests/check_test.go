package main

import (
	"slices"
	"strings"
	"testing"
)

const sound = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: numberfleet-manager, namespace: system}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: numberfleet-ledger, namespace: system}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: numberfleet-manager, namespace: system}
spec:
  selector: {matchLabels: {app: manager}}
  template:
    metadata: {labels: {app: manager}}
    spec:
      serviceAccountName: numberfleet-manager
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: manager
        image: controller
        ports: [{name: metrics, containerPort: 8443}]
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      volumes: [{name: ledger, persistentVolumeClaim: {claimName: numberfleet-ledger}}]
---
apiVersion: v1
kind: Service
metadata: {name: numberfleet-metrics, namespace: system}
spec: {selector: {app: manager}, ports: [{port: 8443, targetPort: metrics}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: numberfleet-role}
rules: [{apiGroups: [""], resources: [events], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: numberfleet-binding}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: numberfleet-role}
subjects: [{kind: ServiceAccount, name: numberfleet-manager, namespace: system}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: policies.example.dev}
spec:
  group: example.dev
  names: {kind: Policy, plural: policies}
  scope: Cluster
  versions: [{name: v1, served: true, storage: true}]
---
apiVersion: example.dev/v1
kind: Policy
metadata: {name: one}
---
apiVersion: v1
kind: Namespace
metadata: {name: system, labels: {pod-security.kubernetes.io/enforce: restricted}}
`

func TestCheck(t *testing.T) {
	for name, tc := range map[string]struct {
		old, new string
		want     []string
	}{
		"sound manifests": {},
		"a pod that may run as root": {
			"runAsNonRoot: true, ", "",
			[]string{"Deployment system/numberfleet-manager: restricted pod security profile: runAsNonRoot != true: " +
				`pod or container "manager" must set securityContext.runAsNonRoot=true`},
		},
		"a namespace that lets any pod in": {
			"enforce: restricted", "enforce: baseline",
			[]string{`Namespace /system: enforces the pod security profile "baseline", not restricted`},
		},
		"a port that nothing listens on": {
			"targetPort: metrics", "targetPort: other",
			[]string{"Service system/numberfleet-metrics: sends to port other, which numberfleet-manager does not have"},
		},
		"a selector without pods": {
			"{selector: {app: manager}", "{selector: {app: other}",
			[]string{"Service system/numberfleet-metrics: selects no pods"},
		},
		"a claim that is missing": {
			"claimName: numberfleet-ledger", "claimName: ledger",
			[]string{"Deployment system/numberfleet-manager: mounts the missing PersistentVolumeClaim ledger"},
		},
		"an account that is missing": {
			"kind: ServiceAccount, name: numberfleet-manager", "kind: ServiceAccount, name: manager",
			[]string{"ClusterRoleBinding /numberfleet-binding: binds the missing ServiceAccount system/manager"},
		},
		"a role that is missing": {
			"name: numberfleet-role}\nsubjects", "name: role}\nsubjects",
			[]string{"ClusterRoleBinding /numberfleet-binding: binds the missing ClusterRole role"},
		},
		"rights without bounds": {
			"verbs: [create]", `verbs: ["*"]`,
			[]string{"ClusterRoleBinding /numberfleet-binding: gives a wildcard through ClusterRole numberfleet-role: " +
				"{[*] [] [events] [] []}"},
		},
		"a prefix on a policy": {
			"name: one", "name: numberfleet-one",
			[]string{"Policy /numberfleet-one: has the operator's name prefix"},
		},
		"a namespace on a policy": {
			"name: one", "name: one, namespace: system",
			[]string{"Policy system/one: is cluster-scoped and has a namespace"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(sound, tc.old) {
				t.Fatalf("the sound manifests do not contain %q", tc.old)
			}
			got, count, err := check(strings.NewReader(strings.Replace(sound, tc.old, tc.new, 1)))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if count != 9 {
				t.Errorf("counted %d objects, want 9", count)
			}
		})
	}
}

func TestCheckRefusesUnknownFields(t *testing.T) {
	_, _, err := check(strings.NewReader(strings.Replace(sound, "serviceAccountName:", "serviceAccount_name:", 1)))
	if err == nil || !strings.Contains(err.Error(), `unknown field "serviceAccount_name"`) {
		t.Errorf("got error %v", err)
	}
}

func TestCheckRefusesNothing(t *testing.T) {
	if _, _, err := check(strings.NewReader("\n---\n")); err == nil {
		t.Error("empty input passed")
	}
}
