package chart

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	manager    = "Deployment/numberfleet-controller-manager"
	container  = ".spec.template.spec.containers[0]"
	arguments  = container + ".args"
	required   = "image: {repository: numberfleet}\n"
	replicated = "config: {ledger: {engine: Log, log: {servers: ['tls://nats:4222'], secretFile: /secret}}}\n"
)

// cases say of each value what it changes: with these values there is, in an object that is printed, at a path, a text which is not there with
// the defaults and these values only. An object or text that must go is written with an exclamation mark before it.
var cases = []struct{ value, values, with, object, path, text string }{
	{"image.repository", "image: {repository: registry.example.com/it}", "", manager, container + ".image", "registry.example.com/it:dev"},
	{"image.tag", "image: {repository: it, tag: v1}", "", manager, container + ".image", "it:v1"},
	{"image.digest", "image: {repository: it, digest: 'sha256:" + strings.Repeat("0a", 32) + "'}", "", manager, container + ".image", "it@sha256:0a0a"},
	{"image.pullPolicy", "image: {repository: it, pullPolicy: Always}", "", manager, container + ".imagePullPolicy", "Always"},
	{"imagePullSecrets", "imagePullSecrets: [{name: pull}]", "", manager, ".spec.template.spec.imagePullSecrets", `[{"name":"pull"}]`},
	{"replicas", "replicas: 5", replicated, manager, ".spec.replicas", "5"},

	{"webhook.credentials.secret", "webhook: {credentials: {secret: mine}}", "", manager, arguments, "--webhook-credentials=/etc/numberfleet/secrets/mine"},
	{"webhook.certificate.secret", "webhook: {certificate: {secret: mine}}", "", manager, arguments, "--webhook-cert-path=/etc/numberfleet/secrets/mine"},
	{"webhook.certificate.secret", "webhook: {certificate: {secret: mine}}", "", "Service/numberfleet-webhook", ".spec.ports[0]", `"port":443`},
	{"webhook.service.type", "webhook: {service: {type: LoadBalancer}}", "", "Service/numberfleet-webhook", ".spec.type", "LoadBalancer"},
	{"webhook.service.annotations", "webhook: {service: {annotations: {a: b}}}", "", "Service/numberfleet-webhook", ".metadata.annotations", `"a":"b"`},
	{"webhook.ingress.enabled", "webhook: {ingress: {enabled: true}}", "webhook: {ingress: {host: h.example.com}}", "Ingress/numberfleet-webhook", ".spec.rules[0].http.paths[0].path", "/webhooks/whatsapp"},
	{"webhook.ingress.host", "webhook: {ingress: {host: h.example.com}}", "webhook: {ingress: {enabled: true, host: other}}", "Ingress/numberfleet-webhook", ".spec.rules[0].host", "h.example.com"},
	{"webhook.ingress.className", "webhook: {ingress: {className: nginx}}", "webhook: {ingress: {enabled: true, host: h}}", "Ingress/numberfleet-webhook", ".spec.ingressClassName", "nginx"},
	{"webhook.ingress.annotations", "webhook: {ingress: {annotations: {a: b}}}", "webhook: {ingress: {enabled: true, host: h}}", "Ingress/numberfleet-webhook", ".metadata.annotations", `"a":"b"`},
	{"webhook.ingress.tls.secret", "webhook: {ingress: {tls: {secret: cert}}}", "webhook: {ingress: {enabled: true, host: h}}", "Ingress/numberfleet-webhook", ".spec.tls", `[{"hosts":["h"],"secretName":"cert"}]`},
	{"webhook.httpRoute.enabled", "webhook: {httpRoute: {enabled: true}}", "webhook: {httpRoute: {parentRefs: [{name: g}]}}", "HTTPRoute/numberfleet-webhook", ".spec.rules[0].matches[0].path.value", "/webhooks/whatsapp"},
	{"webhook.httpRoute.annotations", "webhook: {httpRoute: {annotations: {a: b}}}", "webhook: {httpRoute: {enabled: true, parentRefs: [{name: g}]}}", "HTTPRoute/numberfleet-webhook", ".metadata.annotations", `"a":"b"`},
	{"webhook.httpRoute.parentRefs", "webhook: {httpRoute: {parentRefs: [{name: gateway}]}}", "webhook: {httpRoute: {enabled: true, parentRefs: [{name: g}]}}", "HTTPRoute/numberfleet-webhook", ".spec.parentRefs", `[{"name":"gateway"}]`},
	{"webhook.httpRoute.hostnames", "webhook: {httpRoute: {hostnames: [h.example.com]}}", "webhook: {httpRoute: {enabled: true, parentRefs: [{name: g}]}}", "HTTPRoute/numberfleet-webhook", ".spec.hostnames", `["h.example.com"]`},

	{"audiences", "audiences: [mine, yours]", "", manager, arguments, "--events-audiences=mine,yours"},
	{"events.enabled", "events: {enabled: false}", "", "!Service/numberfleet-events", ".kind", "Service"},
	{"events.certificate.secret", "events: {certificate: {secret: mine}}", "", manager, arguments, "--events-cert-path=/etc/numberfleet/secrets/mine"},
	{"events.service.type", "events: {service: {type: NodePort}}", "", "Service/numberfleet-events", ".spec.type", "NodePort"},
	{"events.service.annotations", "events: {service: {annotations: {a: b}}}", "", "Service/numberfleet-events", ".metadata.annotations", `"a":"b"`},
	{"guard.enabled", "guard: {enabled: false}", "", "!Service/numberfleet-guard", ".kind", "Service"},
	{"guard.certificate.secret", "guard: {certificate: {secret: mine}}", "", manager, arguments, "--guard-cert-path=/etc/numberfleet/secrets/mine"},
	{"guard.service.type", "guard: {service: {type: NodePort}}", "", "Service/numberfleet-guard", ".spec.type", "NodePort"},
	{"guard.service.annotations", "guard: {service: {annotations: {a: b}}}", "", "Service/numberfleet-guard", ".metadata.annotations", `"a":"b"`},
	{"scaler.enabled", "scaler: {enabled: false}", "", "!Service/numberfleet-scaler", ".kind", "Service"},
	{"scaler.certificate.secret", "scaler: {certificate: {secret: mine}}", "", manager, arguments, "--scaler-cert-path=/etc/numberfleet/secrets/mine"},
	{"scaler.clientCA", "scaler: {clientCA: {configMap: keda, key: ca.crt}}", "", manager, arguments, "--scaler-client-ca-file=/etc/numberfleet/configmaps/keda/ca.crt"},
	{"scaler.service.type", "scaler: {service: {type: NodePort}}", "", "Service/numberfleet-scaler", ".spec.type", "NodePort"},
	{"scaler.service.annotations", "scaler: {service: {annotations: {a: b}}}", "", "Service/numberfleet-scaler", ".metadata.annotations", `"a":"b"`},
	{"metrics.enabled", "metrics: {enabled: false}", "", manager, arguments, "--metrics-bind-address=0"},
	{"metrics.certificate.secret", "metrics: {certificate: {secret: mine}}", "", manager, arguments, "--metrics-cert-path=/etc/numberfleet/secrets/mine"},
	{"metrics.service.type", "metrics: {service: {type: NodePort}}", "", "Service/numberfleet-metrics", ".spec.type", "NodePort"},
	{"metrics.service.annotations", "metrics: {service: {annotations: {a: b}}}", "", "Service/numberfleet-metrics", ".metadata.annotations", `"a":"b"`},
	{"metrics.serviceMonitor.enabled", "metrics: {serviceMonitor: {enabled: true}}", "", "ServiceMonitor/numberfleet", ".spec.endpoints[0].path", "/metrics"},
	{"metrics.serviceMonitor.labels", "metrics: {serviceMonitor: {labels: {release: main}}}", "metrics: {serviceMonitor: {enabled: true}}", "ServiceMonitor/numberfleet", ".metadata.labels.release", "main"},
	{"metrics.serviceMonitor.interval", "metrics: {serviceMonitor: {interval: 45s}}", "metrics: {serviceMonitor: {enabled: true}}", "ServiceMonitor/numberfleet", ".spec.endpoints[0].interval", "45s"},
	{"metrics.serviceMonitor.numbers", "metrics: {serviceMonitor: {numbers: false}}", "metrics: {serviceMonitor: {enabled: true}}", "ServiceMonitor/numberfleet", ".spec.endpoints[0].params.exclude", "numbers"},
	{"metrics.prometheusRule.enabled", "metrics: {prometheusRule: {enabled: true}}", "", "PrometheusRule/numberfleet", ".spec.groups[*].rules[*].alert", "NumberfleetRestricted"},
	{"metrics.prometheusRule.labels", "metrics: {prometheusRule: {labels: {release: main}}}", "metrics: {prometheusRule: {enabled: true}}", "PrometheusRule/numberfleet", ".metadata.labels.release", "main"},
	{"metrics.prometheusRule.runbookURL", "metrics: {prometheusRule: {runbookURL: 'https://runbooks.example.com'}}", "metrics: {prometheusRule: {enabled: true}}", "PrometheusRule/numberfleet", ".spec.groups[*].rules[*].annotations.runbook_url", "https://runbooks.example.com#numberfleetrestricted"},
	{"metrics.dashboards.enabled", "metrics: {dashboards: {enabled: true}}", "", "ConfigMap/numberfleet-dashboards", ".metadata.labels.grafana_dashboard", "1"},
	{"metrics.dashboards.labels", "metrics: {dashboards: {labels: {team: fleet}}}", "metrics: {dashboards: {enabled: true}}", "ConfigMap/numberfleet-dashboards", ".metadata.labels.team", "fleet"},
	{"metrics.dashboards.annotations", "metrics: {dashboards: {annotations: {grafana_folder: Fleet}}}", "metrics: {dashboards: {enabled: true}}", "ConfigMap/numberfleet-dashboards", ".metadata.annotations.grafana_folder", "Fleet"},

	{"certManager.enabled", "certManager: {enabled: true}", "", "Certificate/numberfleet-guard", ".spec", `"issuerRef":{"kind":"Issuer","name":"numberfleet-ca"}`},
	{"certManager.issuerRef", "certManager: {issuerRef: {kind: ClusterIssuer, name: company}}", "certManager: {enabled: true}", "Certificate/numberfleet-guard", ".spec.issuerRef", `{"kind":"ClusterIssuer","name":"company"}`},
	{"networkPolicy.enabled", "networkPolicy: {enabled: true}", "", "NetworkPolicy/numberfleet", ".spec.policyTypes", `["Ingress"]`},
	{"networkPolicy.from.webhook", "networkPolicy: {from: {webhook: [{ipBlock: {cidr: 10.0.0.0/8}}]}}", "networkPolicy: {enabled: true}", "NetworkPolicy/numberfleet", `.spec.ingress[?(@.ports[0].port=="webhook")].from`, "ipBlock"},
	{"networkPolicy.from.events", "networkPolicy: {from: {events: [{podSelector: {}}]}}", "networkPolicy: {enabled: true}", "NetworkPolicy/numberfleet", `.spec.ingress[?(@.ports[0].port=="events")].from`, "podSelector"},
	{"networkPolicy.from.guard", "networkPolicy: {from: {guard: [{podSelector: {}}]}}", "networkPolicy: {enabled: true}", "NetworkPolicy/numberfleet", `.spec.ingress[?(@.ports[0].port=="guard")].from`, "podSelector"},
	{"networkPolicy.from.scaler", "networkPolicy: {from: {scaler: [{podSelector: {}}]}}", "networkPolicy: {enabled: true}", "NetworkPolicy/numberfleet", `.spec.ingress[?(@.ports[0].port=="scaler")].from`, "podSelector"},
	{"networkPolicy.from.metrics", "networkPolicy: {from: {metrics: []}}", "networkPolicy: {enabled: true}", "NetworkPolicy/numberfleet", `.spec.ingress[*].ports[0].port`, "!metrics"},

	{"persistence.size", "persistence: {size: 50Gi}", "", "PersistentVolumeClaim/numberfleet-ledger", ".spec.resources.requests.storage", "50Gi"},
	{"persistence.storageClassName", "persistence: {storageClassName: fast}", "", "PersistentVolumeClaim/numberfleet-ledger", ".spec.storageClassName", "fast"},
	{"persistence.annotations", "persistence: {annotations: {a: b}}", "", "PersistentVolumeClaim/numberfleet-ledger", ".metadata.annotations", `"a":"b"`},
	{"persistence.existingClaim", "persistence: {existingClaim: mine}", "", manager, `.spec.template.spec.volumes[?(@.name=="ledger")].persistentVolumeClaim.claimName`, "mine"},
	{"podDisruptionBudget.enabled", "podDisruptionBudget: {enabled: false}", replicated, "!PodDisruptionBudget/numberfleet-controller-manager", ".kind", "PodDisruptionBudget"},
	{"crds.upgrade", "crds: {upgrade: false}", "", "!Job/numberfleet-crds", ".kind", "Job"},
	{"rbac.aggregate", "rbac: {aggregate: false}", "", "ClusterRole/numberfleet-phonenumber-viewer-role", ".metadata.labels", "!aggregate-to-view"},
	{"standingReader.enabled", "standingReader: {enabled: false}", "", "!ServiceAccount/numberfleet-standing-reader", ".kind", "ServiceAccount"},
	{"serviceAccount.annotations", "serviceAccount: {annotations: {a: b}}", "", "ServiceAccount/numberfleet-controller-manager", ".metadata.annotations", `"a":"b"`},

	{"resources", "resources: {limits: {memory: 4Gi}}", "", manager, container + ".env", `{"name":"GOMEMLIMIT","value":"3686MiB"}`},
	{"commonLabels", "commonLabels: {team: messaging}", "", "ConfigMap/numberfleet-config", ".metadata.labels.team", "messaging"},
	{"commonAnnotations", "commonAnnotations: {a: b}", "", "ConfigMap/numberfleet-config", ".metadata.annotations", `{"a":"b"}`},
	{"podLabels", "podLabels: {team: messaging}", "", manager, ".spec.template.metadata.labels.team", "messaging"},
	{"podAnnotations", "podAnnotations: {a: b}", "", manager, ".spec.template.metadata.annotations.a", "b"},
	{"nodeSelector", "nodeSelector: {disk: fast}", "", manager, ".spec.template.spec.nodeSelector", `{"disk":"fast"}`},
	{"tolerations", "tolerations: [{key: k, operator: Exists}]", "", manager, ".spec.template.spec.tolerations", `[{"key":"k","operator":"Exists"}]`},
	{"affinity", "affinity: {podAntiAffinity: {}}", "", manager, ".spec.template.spec.affinity", `{"podAntiAffinity":{}}`},
	{"topologySpreadConstraints", "topologySpreadConstraints: [{maxSkew: 1, topologyKey: rack, whenUnsatisfiable: ScheduleAnyway, labelSelector: {}}]", replicated, manager, ".spec.template.spec.topologySpreadConstraints[*].topologyKey", "rack"},
	{"priorityClassName", "priorityClassName: system-cluster-critical", "", manager, ".spec.template.spec.priorityClassName", "system-cluster-critical"},
	{"extraArgs", "extraArgs: [--status-refresh-qps=20]", "", manager, arguments, "--status-refresh-qps=20"},
	{"extraEnv", "extraEnv: [{name: A, value: b}]", "", manager, container + ".env", `{"name":"A","value":"b"}`},
	{"extraVolumes", "extraVolumes: [{name: more, emptyDir: {}}]", "", manager, ".spec.template.spec.volumes[*].name", "more"},
	{"extraVolumeMounts", "extraVolumeMounts: [{name: more, mountPath: /more}]", "extraVolumes: [{name: more, emptyDir: {}}]", manager, container + ".volumeMounts[*].mountPath", "/more"},
}

// leaves are the paths of all values of the schema but those of the operator's configuration.
func leaves(t *testing.T) (all []string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(chart, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	type schema struct {
		Description          string
		Properties           map[string]json.RawMessage
		AdditionalProperties any // false, or what further ones are
	}
	var walk func(path string, raw json.RawMessage)
	walk = func(path string, raw json.RawMessage) {
		var s schema
		if err := json.Unmarshal(raw, &s); err != nil {
			t.Fatal(err)
		}
		// An object of the chart's own has fields; one that is passed on, such as the resources of a container, has a description and no default.
		if s.Properties == nil || slices.Contains([]string{"resources", "certManager.issuerRef"}, path) {
			if s.Description == "" && path != "global" {
				t.Errorf("%s has no description", path)
			}
			all = append(all, path)
			return
		}
		if closed, is := s.AdditionalProperties.(bool); !is || closed {
			t.Errorf("%s may have fields that it does not have", path)
		}
		for name, field := range s.Properties {
			walk(strings.TrimPrefix(path+"."+name, "."), field)
		}
	}
	walk("", content)
	return slices.DeleteFunc(all, func(path string) bool { return path == "global" || strings.HasPrefix(path, "config.") })
}

func TestEveryValueChangesWhatItSays(t *testing.T) {
	var tested []string
	for _, c := range cases {
		tested = append(tested, c.value)
		t.Run(c.value, func(t *testing.T) {
			t.Parallel()
			with := mustRender(t, required, c.with, c.values)
			without := mustRender(t, required, c.with)
			object, goes := strings.CutPrefix(c.object, "!")
			text, lost := strings.CutPrefix(c.text, "!")
			if goes || lost {
				with, without = without, with
			}
			if found := look(t, with, object, c.path); !strings.Contains(found, text) {
				t.Errorf("%s has %q at %s, and not %q", object, found, c.path, text)
			}
			if found := look(t, without, object, c.path); strings.Contains(found, text) {
				t.Errorf("the value changes nothing: %s has %q at %s anyway", object, found, c.path)
			}
		})
	}
	all := leaves(t)
	slices.Sort(all)
	slices.Sort(tested)
	tested = slices.Compact(tested) // some have two
	if !slices.Equal(all, tested) {
		t.Errorf("the schema has\n%s\nand there are cases of\n%s", strings.Join(all, "\n"), strings.Join(tested, "\n"))
	}
}

func TestAWrongValueIsRefusedByName(t *testing.T) {
	for _, c := range []struct{ values, named string }{
		{"image: {repo: it}", "additional properties 'repo' not allowed"},
		{"image: {pullPolicy: Sometimes}", "/image/pullPolicy"},
		{"image: {digest: latest}", "/image/digest"},
		{"image: {repository: ''}", "image.repository: the name of the operator's image"},
		{"replicas: -1", "/replicas"},
		{"webhook: {ingress: {enabled: 'yes'}}", "/webhook/ingress/enabled"},
		{"webhook: {ingress: {enabled: true}}", "webhook.ingress.host: the name that Meta posts to is required"},
		{"webhook: {httpRoute: {enabled: true}}", "webhook.httpRoute.parentRefs: the Gateway is required"},
		{"events: {service: {type: ExternalName}}", "/events/service/type"},
		{"persistence: {size: 10 GB}", "/persistence/size"},
		{"resources: {limits: {memory: 1GB}}", "resources.limits.memory: 1GB must be a quantity"},
		{"resources: {limit: {memory: 1Gi}}", "additional properties 'limit' not allowed"},
		{"metrics: {serviceMonitor: {interval: often}}", "/metrics/serviceMonitor/interval"},
		{"commonLabels: {a: 1}", "/commonLabels/a"},
		{"extraArgs: --verbose", "/extraArgs"},
		{"config: {ledger: {engine: Redis}}", "/config/ledger/engine"},
		{"config: {notifications: {receivers: [{name: a, email: {hots: a}}]}}", "additional properties 'hots' not allowed"},
		{"config: {notifications: {receivers: [{name: a, reasons: [Annoyed]}]}}", "/config/notifications/receivers/0/reasons/0"},
		{"config: {graphAPI: {accounts: [{id: 1}]}}", "/config/graphAPI/accounts/0/id"},
		{"config: {graphAPI: {accounts: [{id: '1', tokenFile: {secret: a}}]}}", "/config/graphAPI/accounts/0/tokenFile"},
		{"config: {webhooks: {apps: [{name: a, credentials: token}]}}", "/config/webhooks/apps/0/credentials"},
		{"unheardOf: true", "additional properties 'unheardOf' not allowed"},
	} {
		t.Run(c.values, func(t *testing.T) {
			t.Parallel()
			if _, err := render(t, required, c.values); err == nil || !strings.Contains(err.Error(), c.named) {
				t.Errorf("it is answered with %v, and not with %q", err, c.named)
			}
		})
	}
}
