package config

import (
	"strings"
	"testing"
	"time"
)

const (
	withPrometheus    = "apiVersion: config.numberfleet.dev/v1alpha1\nkind: OperatorConfiguration\nprometheus:\n"
	completeNamespace = `  namespaces:
  - name: shop
    url: https://prometheus.example.com/tenant
    tokenFile: /etc/numberfleet/prometheus/token
    caFile: /etc/numberfleet/prometheus/ca.crt
    label: phone_number_id
    holds: PhoneNumberID
    queries:
      used: sum by (phone_number_id) (increase(sent_total[$window]))
`
)

func TestPrometheus(t *testing.T) {
	config, err := Parse([]byte(withPrometheus + "  periodSeconds: 30\n" + completeNamespace + "  - {name: quiet, url: 'http://prometheus.monitoring:9090'}\n"))
	if err != nil {
		t.Fatal(err)
	}
	p := config.Prometheus
	want := PrometheusNamespace{
		Name: "shop", URL: "https://prometheus.example.com/tenant", TokenFile: "/etc/numberfleet/prometheus/token", CAFile: "/etc/numberfleet/prometheus/ca.crt",
		Label: "phone_number_id", Holds: HoldsPhoneNumberID, Queries: PrometheusQueries{Used: "sum by (phone_number_id) (increase(sent_total[$window]))"},
	}
	if p.Period() != 30*time.Second || len(p.Namespaces) != 2 || p.Namespaces[0] != want {
		t.Errorf("it is read as %+v", p)
	}
	if left := p.Namespaces[1]; left.Label != "number" || left.Holds != HoldsPhoneNumber {
		t.Errorf("what is left out is %+v", left)
	}
	if config, err := Parse([]byte(withPrometheus + "  namespaces: []\n")); err != nil || config.Prometheus.Period() != time.Minute {
		t.Errorf("the period that is left out is %s, %v", config.Prometheus.Period(), err)
	}
}

func TestMistakesAboutPrometheusAreNamed(t *testing.T) {
	namespace := func(fields string) string { return "namespaces: [{name: shop, url: 'https://p', " + fields + "}]" }
	for name, c := range map[string]struct{ text, want string }{
		"an unknown field":       {"period: 5", `unknown field "prometheus.period"`},
		"too often":              {"periodSeconds: 1", "prometheus.periodSeconds: Invalid value: 1: must be 15 to 3600"},
		"too seldom":             {"periodSeconds: 4000", "must be 15 to 3600"},
		"no name":                {"namespaces: [{url: 'https://p'}]", "prometheus.namespaces[0].name: Required value"},
		"no namespace":           {"namespaces: [{name: Shop, url: 'https://p'}]", `prometheus.namespaces[0].name: Invalid value: "Shop"`},
		"a namespace twice":      {"namespaces: [{name: a, url: 'https://p'}, {name: a, url: 'https://p'}]", "prometheus.namespaces[1].name: Duplicate value"},
		"no URL":                 {"namespaces: [{name: shop}]", "prometheus.namespaces[0].url: Invalid value: \"(not shown)\": must be written like"},
		"a secret in the URL":    {"namespaces: [{name: shop, url: 'https://me:hunter2@p'}]", "without credentials, query and fragment"},
		"a query in the URL":     {"namespaces: [{name: shop, url: 'https://p/?token=hunter2'}]", "without credentials, query and fragment"},
		"another scheme":         {"namespaces: [{name: shop, url: 'file:///hunter2'}]", "must be written like https://prometheus.example.com"},
		"a token in the clear":   {"namespaces: [{name: shop, url: 'http://p', tokenFile: /t}]", "must be https, or on this machine"},
		"the token itself":       {namespace("tokenFile: hunter2"), `prometheus.namespaces[0].tokenFile: Invalid value: "(not shown)": must be the absolute path`},
		"a relative certificate": {namespace("caFile: ca.crt"), `prometheus.namespaces[0].caFile: Invalid value: "ca.crt": must be the absolute path`},
		"a long label":           {namespace("label: " + strings.Repeat("x", maxLabel+1)), "prometheus.namespaces[0].label: Invalid value"},
		"what it holds":          {namespace("holds: Number"), `prometheus.namespaces[0].holds: Unsupported value: "Number": supported values: "PhoneNumber", "PhoneNumberID", "Name"`},
		"a long query":           {namespace("queries: {used: '" + strings.Repeat("x", maxQuery+1) + "'}"), "prometheus.namespaces[0].queries.used: Too long: may not be more than 4096 bytes"},
		"another query":          {namespace("queries: {conversations: x}"), `unknown field "prometheus.namespaces[0].queries.conversations"`},
		"too many":               {"namespaces: [" + strings.Repeat("{name: a, url: 'https://p'},", maxSampled+1) + "]", "prometheus.namespaces: Too many"},
	} {
		_, err := Parse([]byte(withPrometheus + "  " + c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error is %v, not %s", name, err, c.want)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows a secret: %v", name, err)
		}
	}
	if _, err := Parse([]byte(withPrometheus + "  namespaces: [{name: shop, url: 'http://[::1]:9090', tokenFile: /t}]\n")); err != nil {
		t.Errorf("a token cannot be sent on this machine: %v", err)
	}
}
