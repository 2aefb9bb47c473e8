package config

import (
	"reflect"
	"strings"
	"testing"
)

const withGuard = "apiVersion: config.numberfleet.dev/v1alpha1\nkind: OperatorConfiguration\nguard:\n"

func TestTheGuard(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want Guard
	}{
		"what is left out": {"  bounds: []\n", Guard{Authentication: PassThrough, Bounds: []Bound{}}},
		"complete": {"  authentication: Inject\n  accounts: [{id: \"2001\", tokenFile: /etc/numberfleet/guard/token}]\n  bounds: [Throughput, PairRate]\n", Guard{
			Authentication: Inject, Accounts: []Account{{ID: "2001", TokenFile: "/etc/numberfleet/guard/token"}}, Bounds: []Bound{ThroughputBound, PairRateBound},
		}},
	} {
		config, err := Parse([]byte(withGuard + c.text))
		if err != nil || !reflect.DeepEqual(config.Guard, c.want) {
			t.Errorf("%s: it is read as %+v, %v", name, config, err)
		}
	}
}

func TestMistakesAboutTheGuardAreNamed(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"an unknown field":       {"mode: Inject", `unknown field "guard.mode"`},
		"another authentication": {"authentication: None", `guard.authentication: Unsupported value: "None"`},
		"no accounts":            {"authentication: Inject", "guard.accounts: Required value"},
		"accounts of no use":     {`accounts: [{id: "1", tokenFile: /t}]`, "guard.accounts: Forbidden"},
		"an account in letters":  {"authentication: Inject\n  accounts: [{id: shop, tokenFile: /t}]", "guard.accounts[0].id: Invalid value"},
		"the token itself":       {"authentication: Inject\n  accounts: [{id: \"1\", tokenFile: EAAx}]", `guard.accounts[0].tokenFile: Invalid value: "(not shown)"`},
		"another bound":          {"bounds: [Limit]", `guard.bounds[0]: Unsupported value: "Limit"`},
		"a bound twice":          {"bounds: [PairRate, PairRate]", "guard.bounds[1]: Duplicate value"},
	} {
		_, err := Parse([]byte(withGuard + "  " + c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "EAAx") {
			t.Errorf("%s: the error is %v, not %s", name, err, c.want)
		}
	}
}
