package config

import (
	"slices"
	"strings"
	"testing"
)

const withApps = `apiVersion: config.numberfleet.dev/v1alpha1
kind: OperatorConfiguration
webhooks:
  apps:
  - name: shop
    credentials: /etc/numberfleet/webhooks/shop
    accounts: ["102290129340398", "102290129340399"]
  - name: hub
    credentials: /etc/numberfleet/webhooks/hub
`

func TestAppsAndTheAccountsTheyMaySpeakAbout(t *testing.T) {
	config, err := Parse([]byte(withApps))
	if err != nil {
		t.Fatal(err)
	}
	apps := config.Webhooks.Apps
	if len(apps) != 2 || apps[0].Name != "shop" || apps[0].Credentials != "/etc/numberfleet/webhooks/shop" ||
		!slices.Equal(apps[0].Accounts, []string{"102290129340398", "102290129340399"}) || apps[1].Accounts != nil {
		t.Errorf("they are read as %+v", apps)
	}
}

func TestMistakesAboutAppsAreNamed(t *testing.T) {
	apps := func(list string) string {
		return "apiVersion: config.numberfleet.dev/v1alpha1\nkind: OperatorConfiguration\nwebhooks: {apps: [" + list + "]}"
	}
	shop := func(more string) string { return apps("{name: shop, credentials: /shop, " + more + "}") }
	for name, c := range map[string]struct{ text, want string }{
		"no name":                  {apps("{credentials: /a}"), "webhooks.apps[0].name: Required value"},
		"a name that is no label":  {apps("{name: shop/a, credentials: /a}"), `webhooks.apps[0].name: Invalid value: "shop/a"`},
		"a name twice":             {apps("{name: a, credentials: /a}, {name: a, credentials: /b}"), `webhooks.apps[1].name: Duplicate value: "a"`},
		"no credentials":           {apps("{name: a}"), "webhooks.apps[0].credentials: Required value"},
		"a secret as credentials":  {apps("{name: a, credentials: s3cret}"), `webhooks.apps[0].credentials: Invalid value: "(not shown)": must be the absolute path of a directory`},
		"credentials twice":        {apps("{name: a, credentials: /a}, {name: b, credentials: /x/../a/}"), "webhooks.apps[1].credentials: Duplicate value"},
		"an empty list":            {shop("accounts: []"), "webhooks.apps[0].accounts: Required value: at least one account; leave the list out"},
		"an account that is no id": {shop(`accounts: ["1", "+15550100001"]`), `webhooks.apps[0].accounts[1]: Invalid value: "+15550100001": must be Meta's id in digits`},
		"an account twice":         {shop(`accounts: ["1", "1"]`), `webhooks.apps[0].accounts[1]: Duplicate value: "1"`},
		"an account without quote": {shop("accounts: [102290129340398]"), "webhooks.apps.accounts of type string"},
		"too many apps":            {apps(strings.Repeat("{name: a, credentials: /a},", 65)), "webhooks.apps: Too many: 65: must have at most 64 items"},
		"too many accounts":        {shop("accounts: [" + strings.Repeat(`"1",`, 1001) + "]"), "webhooks.apps[0].accounts: Too many: 1001: must have at most 1000 items"},
		"an unknown field":         {shop("account: 1"), `unknown field "webhooks.apps[0].account"`},
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
