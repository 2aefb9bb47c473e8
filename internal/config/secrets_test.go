package config

import (
	"fmt"
	"testing"
)

// Every file with a secret is named by the path of its field; what is no secret, such as certificates, is not among them.
func TestSecretsAreNamedByTheirFields(t *testing.T) {
	c := OperatorConfiguration{
		Notifications: Notifications{Receivers: []Receiver{
			{Email: &Email{PasswordFile: "/a", CAFile: "/no"}},
			{Slack: &Slack{URLFile: "/b"}},
			{CloudEvents: &CloudEvents{URLFile: "/c", TokenFile: "/d"}},
			{CloudEvents: &CloudEvents{URL: "https://example.com"}},
		}},
		GraphAPI:   GraphAPI{Accounts: []Account{{TokenFile: "/e", AppSecretFile: "/g"}}},
		Guard:      Guard{Accounts: []Account{{TokenFile: "/h", AppSecretFile: "/i"}}},
		Prometheus: Prometheus{Namespaces: []PrometheusNamespace{{}, {TokenFile: "/f"}}},
		Ledger:     Ledger{Log: &Log{SecretFile: "/j", CredentialsFile: "/no", KeyFile: "/no"}},
	}
	const want = "[{notifications.receivers[0].email.passwordFile /a} {notifications.receivers[1].slack.urlFile /b} " +
		"{notifications.receivers[2].cloudEvents.urlFile /c} {notifications.receivers[2].cloudEvents.tokenFile /d} " +
		"{graphAPI.accounts[0].tokenFile /e} {graphAPI.accounts[0].appSecretFile /g} " +
		"{guard.accounts[0].tokenFile /h} {guard.accounts[0].appSecretFile /i} {prometheus.namespaces[1].tokenFile /f} " +
		"{ledger.log.secretFile /j}]"
	named := []string{}
	for _, file := range c.Secrets() {
		named = append(named, "{"+file.Field+" "+file.Path+"}")
	}
	if got := fmt.Sprint(named); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
