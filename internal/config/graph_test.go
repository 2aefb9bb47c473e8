package config

import (
	"strings"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/meta/graph"
)

const withGraph = "apiVersion: config.numberfleet.dev/v1alpha1\nkind: OperatorConfiguration\ngraphAPI:\n"

func TestTheGraphAPI(t *testing.T) {
	const account = `  accounts: [{id: "2001", tokenFile: /etc/numberfleet/graph/token, appSecretFile: /etc/numberfleet/graph/app-secret}]` + "\n"
	for name, c := range map[string]struct {
		text string
		want GraphAPI
	}{
		"what is left out": {"  accounts: []\n", GraphAPI{Version: graph.DefaultVersion, BaseURL: graph.DefaultBaseURL, PeriodMinutes: 15}},
		"complete": {"  version: v24.0\n  baseURL: http://127.0.0.1:8080\n  periodMinutes: 60\n" + account,
			GraphAPI{Version: "v24.0", BaseURL: "http://127.0.0.1:8080", PeriodMinutes: 60, Accounts: []Account{{ID: "2001", TokenFile: "/etc/numberfleet/graph/token", AppSecretFile: "/etc/numberfleet/graph/app-secret"}}}},
	} {
		config, err := Parse([]byte(withGraph + c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := config.GraphAPI
		if got.Version != c.want.Version || got.BaseURL != c.want.BaseURL || got.Period() != time.Duration(c.want.PeriodMinutes)*time.Minute {
			t.Errorf("%s: it is read as %+v", name, got)
		}
		if len(got.Accounts) != len(c.want.Accounts) || len(got.Accounts) > 0 && got.Accounts[0] != c.want.Accounts[0] {
			t.Errorf("%s: the accounts are %+v", name, got.Accounts)
		}
	}
}

func TestMistakesAboutTheGraphAPIAreNamed(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"an unknown field":     {"period: 5", `unknown field "graphAPI.period"`},
		"a bare number":        {"version: 26", "is not of the form of a configuration"},
		"a version without v":  {`version: "26.0"`, `graphAPI.version: Invalid value: "26.0": the version "26.0" must be written like v27.0`},
		"a token in the clear": {"baseURL: http://graph.example.com", "graphAPI.baseURL: Invalid value: \"(not shown)\": the base URL must be https"},
		"a secret in the URL":  {"baseURL: https://me:hunter2@graph.example.com", "graphAPI.baseURL: Invalid value: \"(not shown)\": the base URL must be written like"},
		"too often":            {"periodMinutes: 1", "graphAPI.periodMinutes: Invalid value: 1: must be 5 to 1440"},
		"too seldom":           {"periodMinutes: 2000", "must be 5 to 1440"},
		"no id":                {"accounts: [{tokenFile: /t}]", "graphAPI.accounts[0].id: Invalid value"},
		"an id with letters":   {"accounts: [{id: shop, tokenFile: /t}]", "must be Meta's id in digits"},
		"an id of no string":   {"accounts: [{id: 2001, tokenFile: /t}]", "is not of the form of a configuration"},
		"an account twice":     {`accounts: [{id: "1", tokenFile: /t}, {id: "1", tokenFile: /t}]`, "graphAPI.accounts[1].id: Duplicate value"},
		"no token":             {`accounts: [{id: "1"}]`, "graphAPI.accounts[0].tokenFile: Required value"},
		"a relative path":      {`accounts: [{id: "1", tokenFile: EAAx}]`, `graphAPI.accounts[0].tokenFile: Invalid value: "(not shown)": must be the absolute path of a file`},
		"an app secret itself": {`accounts: [{id: "1", tokenFile: /t, appSecretFile: hunter2}]`, `graphAPI.accounts[0].appSecretFile: Invalid value: "(not shown)": must be the absolute path of a file`},
		"the token itself":     {`accounts: [{id: "1", token: EAAx}]`, `unknown field "graphAPI.accounts[0].token"`},
		"too many":             {"accounts: [" + strings.Repeat(`{id: "1", tokenFile: /t},`, maxAccounts+1) + "]", "graphAPI.accounts: Too many"},
	} {
		_, err := Parse([]byte(withGraph + "  " + c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error is %v, not %s", name, err, c.want)
		} else if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "EAAx") {
			t.Errorf("%s: the error shows a secret: %v", name, err)
		}
	}
}
