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
	const want = "[{notifications.receivers[0].email.passwordFile /a false} {notifications.receivers[1].slack.urlFile /b false} " +
		"{notifications.receivers[2].cloudEvents.urlFile /c false} {notifications.receivers[2].cloudEvents.tokenFile /d false} " +
		"{graphAPI.accounts[0].tokenFile /e false} {graphAPI.accounts[0].appSecretFile /g false} " +
		"{guard.accounts[0].tokenFile /h false} {guard.accounts[0].appSecretFile /i false} {prometheus.namespaces[1].tokenFile /f false} " +
		"{ledger.log.secretFile /j false}]"
	if got := fmt.Sprint(c.Secrets()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
