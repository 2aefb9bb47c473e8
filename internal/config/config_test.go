package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/promquery"
)

const complete = `# Who hears of what.
apiVersion: config.numberfleet.dev/v1alpha1
kind: OperatorConfiguration
notifications:
  receivers:
  - name: ops-mail
    reasons: [Flagged, Restricted]
    namespaces: [shop]
    email:
      host: smtp.example.com
      from: numberfleet <fleet@example.com>
      to: [ops@example.com]
      username: operator
      passwordFile: /etc/numberfleet/notifications/smtp-password
  - name: chat
    slack:
      urlFile: /etc/numberfleet/notifications/slack-url
  - name: broker
    cloudEvents:
      url: https://broker.example.com/events
      tokenFile: /etc/numberfleet/notifications/broker-token
`

func TestACompleteConfiguration(t *testing.T) {
	config, err := Parse([]byte(complete))
	if err != nil {
		t.Fatal(err)
	}
	receivers := config.Notifications.Receivers
	if len(receivers) != 3 || receivers[0].Email.Port != 587 || receivers[0].Email.TLS != StartTLS || receivers[1].Slack.URLFile == "" || receivers[2].CloudEvents.TokenFile == "" {
		t.Errorf("it is read as %+v", receivers)
	}
	if !slices.Equal(receivers[0].Reasons, []v1alpha1.TransitionReason{v1alpha1.ReasonFlagged, v1alpha1.ReasonRestricted}) {
		t.Errorf("the reasons are %q", receivers[0].Reasons)
	}
}

func TestPortsThatAreLeftOutFollowTLS(t *testing.T) {
	for tls, port := range map[TLS]int{StartTLS: 587, Implicit: 465, NoTLS: 25} {
		config := &OperatorConfiguration{Notifications: Notifications{Receivers: []Receiver{{Email: &Email{TLS: tls}}}}}
		if config.complete(); config.Notifications.Receivers[0].Email.Port != port {
			t.Errorf("with TLS %s the port is %d", tls, config.Notifications.Receivers[0].Email.Port)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	const head = "apiVersion: config.numberfleet.dev/v1alpha1\nkind: OperatorConfiguration\n"
	receiver := func(fields string) string {
		return head + "notifications: {receivers: [{name: ops, " + fields + "}]}"
	}
	email := func(fields string) string {
		return receiver("email: {host: h, from: a@example.com, to: [b@example.com], " + fields + "}")
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":              {"", `apiVersion: Unsupported value: "": supported values: "config.numberfleet.dev/v1alpha1"`},
		"another kind":       {"apiVersion: config.numberfleet.dev/v1alpha1\nkind: Receiver", `kind: Unsupported value: "Receiver": supported values: "OperatorConfiguration"`},
		"not YAML":           {"a: [", "is not YAML"},
		"a list":             {"[]", "is not of the form of a configuration"},
		"two documents":      {head + "---\n" + head, "has more than one YAML document"},
		"after the end":      {head + "...\n" + head, "has more than one YAML document"},
		"a key twice":        {head + "kind: OperatorConfiguration\n", `key "kind" already set`},
		"too large":          {strings.Repeat("#", maxSize+1), "at most 1048576"},
		"an unknown field":   {receiver("slack: {url: http://x}, emial: {}"), `unknown field "notifications.receivers[0].emial"`},
		"another case":       {receiver("Slack: {url: http://x}"), `unknown field "notifications.receivers[0].Slack"`},
		"an unknown reason":  {receiver("reasons: [Flaged], slack: {url: http://x}"), `notifications.receivers[0].reasons[0]: Unsupported value: "Flaged": supported values: "TierUpgraded", "TierDowngraded"`},
		"a reason twice":     {receiver("reasons: [Flagged, Flagged], slack: {url: http://x}"), `reasons[1]: Duplicate value: "Flagged"`},
		"no name":            {head + "notifications: {receivers: [{slack: {url: http://x}}]}", "notifications.receivers[0].name: Required value"},
		"a name":             {head + "notifications: {receivers: [{name: Ops Mail, slack: {url: http://x}}]}", `notifications.receivers[0].name: Invalid value: "Ops Mail"`},
		"a name twice":       {head + "notifications: {receivers: [{name: a, slack: {url: http://x}}, {name: a, slack: {url: http://x}}]}", `notifications.receivers[1].name: Duplicate value: "a"`},
		"too many":           {head + "notifications: {receivers: [" + strings.Repeat("{name: a, slack: {url: http://x}},", 17) + "]}", "notifications.receivers: Too many: 17: must have at most 16 items"},
		"a namespace":        {receiver("namespaces: [Shop], slack: {url: http://x}"), `notifications.receivers[0].namespaces[0]: Invalid value: "Shop"`},
		"nothing to send to": {receiver("reasons: []"), "notifications.receivers[0]: Required value: exactly one of email, slack and cloudEvents"},
		"two ways":           {receiver("slack: {url: http://x}, cloudEvents: {url: http://x}"), "exactly one of email, slack and cloudEvents"},
		"no URL":             {receiver("slack: {}"), "slack: Required value: exactly one of url and urlFile"},
		"two URLs":           {receiver("slack: {url: http://x, urlFile: /x}"), "exactly one of url and urlFile"},
		"a URL":              {receiver("slack: {url: hooks.example.com/s3cret}"), "slack.url: Invalid value: \"(not shown)\": must be an absolute URL"},
		"a scheme":           {receiver("cloudEvents: {url: 'ftp://s3cret@x'}"), "cloudEvents.url: Invalid value: \"(not shown)\""},
		"a relative file":    {receiver("slack: {urlFile: url}"), "slack.urlFile: Invalid value: \"url\": must be an absolute path"},
		"a token in clear":   {receiver("cloudEvents: {url: http://x, tokenFile: /token}"), "cloudEvents.tokenFile: Forbidden: the token would be sent in the clear"},
		"no host":            {receiver("email: {from: a@example.com, to: [b@example.com]}"), "email.host: Required value"},
		"a host with a port": {receiver("email: {host: 'smtp://h', from: a@example.com, to: [b@example.com]}"), "email.host: Invalid value"},
		"a port":             {email("port: 70000"), "email.port: Invalid value: 70000: must be 1 to 65535"},
		"a negative port":    {email("port: -1"), "email.port: Invalid value: -1"},
		"TLS":                {email("tls: Maybe"), `email.tls: Unsupported value: "Maybe": supported values: "StartTLS", "Implicit", "None"`},
		"no recipients":      {receiver("email: {host: h, from: a@example.com}"), "email.to: Required value"},
		"a recipient":        {receiver("email: {host: h, from: a@example.com, to: [ops]}"), `email.to[0]: Invalid value: "ops": must be an address`},
		"no password":        {email("username: u"), "email: Required value: username and passwordFile go together"},
		"a clear password":   {email("username: u, passwordFile: /p, tls: None"), "email.username: Forbidden: the password would be sent in the clear"},
		"a word as a port":   {email("port: many"), "email.port of type int"},
	} {
		_, err := Parse([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nshould say\n%s", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: a secret is told: %v", name, err)
		}
	}
}

func TestAFileThatIsNotThereIsNoConfiguration(t *testing.T) {
	for _, name := range []string{"", filepath.Join(t.TempDir(), "config.yaml")} {
		config, found, err := Load(name)
		if err != nil || found || len(config.Notifications.Receivers) != 0 {
			t.Errorf("%q: %v, %t, %v", name, config, found, err)
		}
	}
	name := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(name, []byte(complete), 0o600); err != nil {
		t.Fatal(err)
	}
	if config, found, err := Load(name); err != nil || !found || len(config.Notifications.Receivers) != 3 {
		t.Errorf("%v, %t, %v", config, found, err)
	}
}

// The list here and the enum of the API are the same.
func TestReasonsAreThoseOfTheAPI(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "crd", "bases", "whatsapp.numberfleet.dev_phonenumbers.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var crd map[string]any
	if err := yaml.Unmarshal(content, &crd); err != nil {
		t.Fatal(err)
	}
	schema := crd["spec"].(map[string]any)["versions"].([]any)[0].(map[string]any)["schema"].(map[string]any)["openAPIV3Schema"]
	for _, step := range []string{"status", "history", "", "reason"} {
		if step == "" {
			schema = schema.(map[string]any)["items"]
		} else {
			schema = schema.(map[string]any)["properties"].(map[string]any)[step]
		}
	}
	var want []v1alpha1.TransitionReason
	for _, reason := range schema.(map[string]any)["enum"].([]any) {
		want = append(want, v1alpha1.TransitionReason(reason.(string)))
	}
	if !slices.Equal(Reasons, want) {
		t.Errorf("the reasons are %q here and %q there", Reasons, want)
	}
}

// Whatever is read, the parser does not panic, and what it takes has receivers that can be made.
func FuzzParse(f *testing.F) {
	f.Add([]byte(complete))
	f.Add([]byte("apiVersion: config.numberfleet.dev/v1alpha1\nkind: OperatorConfiguration\n"))
	f.Add([]byte("{\"notifications\":{\"receivers\":[{\"email\":{\"port\":1e9}}]}}"))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte(withApps))
	f.Add([]byte(withPrometheus + "  periodSeconds: 30\n" + completeNamespace))
	f.Add([]byte(withPrometheus + "  namespaces: [{name: shop, url: 'http://[::1%25lo]:9090', label: '', holds: Name}]\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		config, err := Parse(content)
		if err != nil {
			return
		}
		for _, app := range config.Webhooks.Apps {
			if app.Name == "" || strings.Contains(app.Name, "/") || !filepath.IsAbs(app.Credentials) || app.Accounts != nil && len(app.Accounts) == 0 {
				t.Errorf("%q is taken as %+v", content, app)
			}
		}
		for _, r := range config.Notifications.Receivers {
			ways := 0
			for _, set := range []bool{r.Email != nil, r.Slack != nil, r.CloudEvents != nil} {
				if set {
					ways++
				}
			}
			if ways != 1 || r.Name == "" || r.Email != nil && (r.Email.Port < 1 || r.Email.Port > 65535 || len(r.Email.To) == 0) {
				t.Errorf("%q is taken as %+v", content, r)
			}
		}
		if p := config.Prometheus; p.Period() < 15*time.Second || p.Period() > time.Hour {
			t.Errorf("%q has a period of %s", content, p.Period())
		}
		for _, n := range config.Prometheus.Namespaces {
			if _, err := promquery.New(promquery.Options{URL: n.URL}); err != nil || n.Name == "" || n.Label == "" || n.Holds == "" {
				t.Errorf("%q is taken as %+v: %v", content, n, err)
			}
		}
	})
}

// An account's apps are known by their ids only where all of them tell theirs.
func TestTheAppsOfAnAccount(t *testing.T) {
	w := Webhooks{Apps: []WebhookApp{{Name: "a", AppID: "1", Accounts: []string{"2001"}}, {Name: "b", AppID: "2"}, {Name: "c", Accounts: []string{"2002"}}}}
	for account, want := range map[string][]string{"2001": {"1", "2"}, "2003": {"2"}, "2002": nil} {
		if got := w.AppIDs(account); !slices.Equal(got, want) {
			t.Errorf("of %s: %v, want %v", account, got, want)
		}
	}
}
