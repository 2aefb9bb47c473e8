package chart

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"numberfleet.dev/numberfleet/internal/config"
)

// complete are values with every field of the operator's configuration.
const complete = `
config:
  policies: {shipped: Leave}
  notifications:
    receivers:
    - name: ops-mail
      reasons: [Flagged]
      namespaces: [shop]
      email:
        host: smtp.example.com
        port: 587
        from: numberfleet@example.com
        to: [ops@example.com]
        tls: StartTLS
        username: numberfleet
        passwordFile: {secret: smtp.example.com, key: password}
        caFile: {configMap: authorities, key: ca.crt}
    - name: chat
      slack: {url: "https://chat.example.com", caFile: /etc/ssl/mine.crt}
    - name: chat-2
      slack: {urlFile: {secret: chat, key: url}}
    - name: broker
      cloudEvents: {url: "https://broker.example.com", tokenFile: {secret: broker, key: token}, caFile: {configMap: authorities, key: ca.crt}}
    - name: broker-2
      cloudEvents: {urlFile: {secret: broker, key: url}}
  graphAPI:
    version: v26.0
    baseURL: https://graph.example.com
    periodMinutes: 30
    accounts:
    - {id: "102290129340398", tokenFile: {secret: graph, key: token}, appSecretFile: {secret: graph, key: app-secret}}
  guard:
    authentication: Inject
    accounts:
    - {id: "102290129340398", tokenFile: {secret: graph, key: sender}, appSecretFile: {secret: graph, key: app-secret}}
    bounds: [Throughput]
  webhooks:
    apps:
    - {name: shop, credentials: {secret: shop-app}, accounts: ["102290129340398"], appID: "7"}
  prometheus:
    periodSeconds: 30
    namespaces:
    - name: shop
      url: https://prometheus.example.com
      tokenFile: {secret: prometheus, key: token}
      caFile: {configMap: authorities, key: ca.crt}
      label: sender
      holds: PhoneNumberID
      queries: {used: a, uniqueUsers: b, messages: c}
  ledger:
    engine: Log
    log:
      servers: ["tls://nats.nats.svc:4222"]
      next: main-3
      secretFile: {secret: numberfleet-log, key: secret}
      credentialsFile: {secret: numberfleet-log, key: creds}
      caFile: {secret: numberfleet-log-tls, key: ca.crt}
      certificateFile: {secret: numberfleet-log-tls, key: tls.crt}
      keyFile: {secret: numberfleet-log-tls, key: tls.key}
      instance: main-2
      cluster: west
      replicas: 5
      retentionDays: 40
      requireSync: false
      backup:
        bucket: fleet
        prefix: production/
        endpoint: https://s3.example.com
        region: eu-central-1
        pathStyle: false
        caFile: {configMap: authorities, key: ca.crt}
        accessKeyIDFile: {secret: numberfleet-backup, key: access-key-id}
        secretAccessKeyFile: {secret: numberfleet-backup, key: secret-access-key}
        encryption: aws:kms
        kmsKeyID: alias/fleet
        everyMinutes: 30
`

// What references to Secrets and ConfigMaps are in the file: paths of what is mounted.
func resolved(node any) any {
	switch node := node.(type) {
	case map[string]any:
		for kind, folder := range map[string]string{"secret": "secrets", "configMap": "configmaps"} {
			if name, is := node[kind].(string); is {
				key, _ := node["key"].(string)
				return filepath.Join("/etc/numberfleet", folder, name, key)
			}
		}
		all := map[string]any{}
		for name, field := range node {
			all[name] = resolved(field)
		}
		return all
	case []any:
		var all []any
		for _, element := range node {
			all = append(all, resolved(element))
		}
		return all
	}
	return node
}

// paths are those of all fields in a document, without the numbers of elements.
func paths(node any, path string, into map[string]bool) {
	switch node := node.(type) {
	case map[string]any:
		for name, field := range node {
			paths(field, path+"."+name, into)
		}
	case []any:
		for _, element := range node {
			paths(element, path, into)
		}
		return
	}
	into[path] = true
}

// fieldsOf are the paths of all fields that a schema knows.
func fieldsOf(schema map[string]any, path string, into map[string]bool) {
	into[path] = true
	if items, is := schema["items"].(map[string]any); is {
		schema = items
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, field := range properties {
		fieldsOf(field.(map[string]any), path+"."+name, into)
	}
}

// The value `config` is the operator's configuration: the schema has the fields that the operator reads, and what is printed says what the value
// says, with paths of what is mounted in place of Secrets and ConfigMaps.
func TestTheConfigurationIsTheOperators(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(chart, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema struct{ Properties map[string]map[string]any }
	if err := json.Unmarshal(content, &schema); err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.Unmarshal([]byte(complete), &values); err != nil {
		t.Fatal(err)
	}
	expected := resolved(values["config"]).(map[string]any)
	known, said := map[string]bool{}, map[string]bool{}
	fieldsOf(schema.Properties["config"], "", known)
	paths(expected, "", said)
	if a, b := slices.Sorted(maps.Keys(known)), slices.Sorted(maps.Keys(said)); !slices.Equal(a, b) {
		t.Errorf("the schema has\n%s\nand the values of this test\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}

	objects := mustRender(t, required, complete)
	printed := look(t, objects, "ConfigMap/numberfleet-config", `.data.config\.yaml`)
	var file map[string]any
	if err := yaml.Unmarshal([]byte(printed), &file); err != nil {
		t.Fatal(err)
	}
	expected["apiVersion"], expected["kind"] = config.APIVersion, config.Kind
	if !reflect.DeepEqual(file, expected) {
		t.Errorf("the file is\n%s", printed)
	}
	if _, err := config.Parse([]byte(printed)); err != nil {
		t.Errorf("the operator refuses it: %v", err)
	}
	mounted := look(t, objects, manager, container+".volumeMounts[*].mountPath")
	volumes := look(t, objects, manager, ".spec.template.spec.volumes")
	for _, name := range []string{"smtp.example.com", "chat", "broker", "graph", "shop-app", "prometheus", "numberfleet-log", "numberfleet-log-tls", "numberfleet-backup"} {
		if !slices.Contains(strings.Fields(mounted), "/etc/numberfleet/secrets/"+name) || !strings.Contains(volumes, `"secret":{"optional":true,"secretName":"`+name+`"}`) {
			t.Errorf("the Secret %s is not mounted: %s", name, mounted)
		}
	}
	if !slices.Contains(strings.Fields(mounted), "/etc/numberfleet/configmaps/authorities") {
		t.Errorf("the ConfigMap is not mounted: %s", mounted)
	}
}

// The log of an earlier file of values is taken back with null, where the ledger goes back to a folder.
func TestALogIsTakenBack(t *testing.T) {
	objects := mustRender(t, required, complete, "config: {ledger: {engine: Embedded, log: null}}")
	printed := look(t, objects, "ConfigMap/numberfleet-config", `.data.config\.yaml`)
	if parsed, err := config.Parse([]byte(printed)); err != nil || parsed.Ledger.Log != nil {
		t.Errorf("the operator reads %+v, %v", parsed, err)
	}
	if look(t, objects, "PersistentVolumeClaim/numberfleet-ledger", ".kind") == "" {
		t.Error("there is no volume")
	}
}

// Other values of the configuration make other pods, since the operator reads it when it starts.
func TestAnotherConfigurationMakesNewPods(t *testing.T) {
	const checksum = `.spec.template.metadata.annotations.checksum/config`
	before := look(t, mustRender(t, required), manager, checksum)
	after := look(t, mustRender(t, required, "config: {guard: {bounds: [PairRate]}}"), manager, checksum)
	if before == "" || before == after {
		t.Errorf("the checksum is %q, and then %q", before, after)
	}
}
