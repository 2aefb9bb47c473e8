// Package config reads the operator's configuration: a file that says what flags cannot say well.
package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/textfile"
)

// What a configuration calls itself.
const (
	APIVersion = "config.numberfleet.dev/v1alpha1"
	Kind       = "OperatorConfiguration"
)

// LeaseName names the lease, in the operator's namespace, of the process that leads.
const LeaseName = "manager.numberfleet.dev"

// maxSize bounds the file, in bytes: it is what a ConfigMap can hold.
const maxSize = 1 << 20

// OperatorConfiguration is the file. Secrets are never in it, but in files that it names.
type OperatorConfiguration struct {
	APIVersion    string        `json:"apiVersion"`
	Kind          string        `json:"kind"`
	Notifications Notifications `json:"notifications"`
	GraphAPI      GraphAPI      `json:"graphAPI"`
	Guard         Guard         `json:"guard"`
	Webhooks      Webhooks      `json:"webhooks"`
	Prometheus    Prometheus    `json:"prometheus"`
	Ledger        Ledger        `json:"ledger"`
	Policies      Policies      `json:"policies"`
}

// Notifications say who hears of transitions, besides the Kubernetes Events that are always recorded.
type Notifications struct {
	// Receivers are at most 16: the status of every resource has room for as many.
	Receivers []Receiver `json:"receivers"`
}

// Receiver is one place that transitions are sent to. Exactly one of Email, Slack and CloudEvents is set.
type Receiver struct {
	// Name is a DNS label of at most 63 characters. What was sent is remembered under it: a receiver with another name is
	// another receiver.
	Name string `json:"name"`
	// Reasons that are sent; all where there are none.
	Reasons []v1alpha1.TransitionReason `json:"reasons"`
	// Namespaces whose resources are sent, and the portfolios that have a number there; where there are none, all are.
	Namespaces []string `json:"namespaces"`

	Email       *Email       `json:"email"`
	Slack       *Slack       `json:"slack"`
	CloudEvents *CloudEvents `json:"cloudEvents"`
}

// Email is an SMTP server to send through.
type Email struct {
	// Host is the name or the address of the server, without a port.
	Host string `json:"host"`
	// Port is 1 to 65535; where it is left out 587, or 465 with Implicit TLS, or 25 without TLS.
	Port int `json:"port"`
	// From is the address of the sender, with or without a name.
	From string `json:"from"`
	// To is 1 to 50 addresses.
	To []string `json:"to"`
	// TLS is StartTLS where it is left out.
	TLS TLS `json:"tls"`
	// Username is empty where the server wants no authentication.
	Username string `json:"username"`
	// PasswordFile holds the password of Username.
	PasswordFile string `json:"passwordFile"`
	// CAFile holds the certificates to trust, in PEM; the system's where it is empty.
	CAFile string `json:"caFile"`
}

// TLS is how a connection is encrypted.
type TLS string

// The ways.
const (
	StartTLS TLS = "StartTLS" // must succeed
	Implicit TLS = "Implicit" // from the first byte
	NoTLS    TLS = "None"
)

// Slack is an incoming webhook of Slack, or of what takes the same: Mattermost, Rocket.Chat, Discord under /slack.
type Slack struct {
	// URL of a webhook is a secret with most services: URLFile, a file with nothing but the URL, is meant for them.
	URL string `json:"url"`
	// URLFile holds the URL.
	URLFile string `json:"urlFile"`
	// CAFile holds the certificates to trust, in PEM; the system's where it is empty.
	CAFile string `json:"caFile"`
}

// CloudEvents is an HTTP sink of CloudEvents.
type CloudEvents struct {
	// URL of the sink; or URLFile, a file that holds it.
	URL string `json:"url"`
	// URLFile holds the URL.
	URLFile string `json:"urlFile"`
	// TokenFile holds a bearer token to send along; https only.
	TokenFile string `json:"tokenFile"`
	// CAFile holds the certificates to trust, in PEM; the system's where it is empty.
	CAFile string `json:"caFile"`
}

// Load reads a configuration file. Without a name, or where there is no such file, all is as where it is left out, and found
// is false: its ConfigMap is optional. The errors name fields and what they may be, and never a secret.
func Load(file string) (config *OperatorConfiguration, found bool, err error) {
	config = &OperatorConfiguration{}
	config.complete()
	if file == "" {
		return config, false, nil
	}
	content, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return config, false, nil
	} else if err != nil {
		return nil, false, fmt.Errorf("read the configuration: %w", err)
	}
	if config, err = Parse(content); err != nil {
		return nil, true, fmt.Errorf("configuration %s: %w", file, err)
	}
	return config, true, nil
}

// Parse reads a configuration, strictly: what it does not know it refuses. It sets what was left out.
func Parse(content []byte) (*OperatorConfiguration, error) {
	if len(content) > maxSize {
		return nil, fmt.Errorf("has %d bytes: at most %d are read", len(content), maxSize)
	}
	content = textfile.Decode(content)
	if err := oneDocument(content); err != nil {
		return nil, err
	}
	// By way of JSON, whose strict decoder names the path of a field that it does not know.
	document, err := yaml.YAMLToJSONStrict(content)
	if err != nil {
		return nil, fmt.Errorf("is not YAML: %w", err)
	}
	var config OperatorConfiguration
	unknown, err := json.UnmarshalStrict(document, &config)
	if err != nil {
		return nil, fmt.Errorf("is not of the form of a configuration: %w", err)
	}
	if len(unknown) > 0 {
		return nil, errors.Join(unknown...)
	}
	config.complete()
	if err := validate(&config).ToAggregate(); err != nil {
		return nil, err
	}
	return &config, nil
}

// oneDocument refuses a second document, which the parser would leave unread.
func oneDocument(content []byte) error {
	started, ended := false, false
	for line := range strings.Lines(string(content)) {
		line = strings.TrimRight(line, " \t\r\n")
		begins := line == "---" || strings.HasPrefix(line, "--- ")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if ended || begins && started {
			return errors.New("has more than one YAML document: put everything into one")
		}
		started, ended = true, line == "..."
	}
	return nil
}

func (c *OperatorConfiguration) complete() {
	c.GraphAPI.complete()
	c.Guard.complete()
	c.Prometheus.complete()
	c.Ledger.complete()
	c.Policies.complete()
	for _, receiver := range c.Notifications.Receivers {
		email := receiver.Email
		if email == nil {
			continue
		}
		if email.TLS == "" {
			email.TLS = StartTLS
		}
		if email.Port == 0 {
			email.Port = map[TLS]int{Implicit: 465, NoTLS: 25}[email.TLS]
			if email.Port == 0 {
				email.Port = 587
			}
		}
	}
}
