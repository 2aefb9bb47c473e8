package simulate

import (
	"strings"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/config/policies"
)

func TestRefusals(t *testing.T) {
	const unknown = "line 2: data.portfolio: is not in the fleet: a PhoneNumber must name it in spec.business.portfolio, or a BusinessPortfolio"
	for _, test := range []struct{ kind, data, want string }{
		{"limit.reported", `"portfolio":"acme"`, unknown},
		{"verification.reported", `"portfolio":"acme","business":"Verified"`, unknown},
		{"message.received", `"number":"+15550100001","user":"alice"`, "line 2: data.user: must be a phone number with its country code"},
		{"feedback.received", `"number":"+15550100001","user":"US.u","kind":"Shout","reason":"Spam"`, "line 2: data.kind: is not known"},
		{"template.reported", `"template":"t","state":"Paused","number":"1"`, "line 2: data.number: must be in E.164"},
		{"quality.reported", `"number":"+15550100001"`, "line 2: data.rating: is missing"},
	} {
		var s script
		s.add(day(2), "message.received", first, `"user":"US.u"`)
		s.add(day(3), test.kind, "", test.data)
		if _, err := s.run(t, Config{}); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", test.kind, err, test.want)
		}
	}

	var s script
	s.add(day(2).Add(time.Second/2), "message.received", first, `"user":"US.u"`)
	s.add(day(2), "message.received", second, `"user":"US.u"`)
	if _, err := s.run(t, Config{}); err == nil || err.Error() != "line 2: time: lies before that of an event above: events must be in order of time" {
		t.Errorf("out of order: %v", err)
	}
}

func TestFleetRefusals(t *testing.T) {
	const head = "apiVersion: whatsapp.numberfleet.dev/v1alpha1\nkind: PhoneNumber\nmetadata: {name: a}\n"
	const portfolio = "apiVersion: whatsapp.numberfleet.dev/v1alpha1\nkind: BusinessPortfolio\nmetadata: {name: acme}\n"
	for _, test := range []struct{ manifest, want string }{
		{"a: 1", "document 1: kind: is missing"},
		{"apiVersion: whatsapp.numberfleet.dev/v1\nkind: PhoneNumber", "document 1: apiVersion: must be whatsapp.numberfleet.dev/v1alpha1"},
		{"apiVersion: whatsapp.numberfleet.dev/v1alpha1\nkind: PhoneNumbr", `document 1, PhoneNumbr "": kind: is not known`},
		{head + "spec: {phoneNumber: +44777}", `document 1, PhoneNumber "a": spec.phoneNumber: Invalid value: must be text, and YAML takes it for a number: quote it`},
		{head + `spec: {phoneNumber: "44777"}`, `document 1, PhoneNumber "a": spec.phoneNumber: Invalid value: phoneNumber must be in E.164`},
		{head + `spec: {phoneNumber: "+15550100001", verified: true}`, `document 1, PhoneNumber "a": spec.verified: Forbidden: there is no such field`},
		{head + `spec: {phoneNumber: "+15550100001", verification: Sure}`, `document 1, PhoneNumber "a": spec.verification: Unsupported value: "Sure"`},
		{head + `spec: {phoneNumber: "+15550100001", business: {humanEscalationPaths: [Email, HelpCentre]}}`,
			`document 1, PhoneNumber "a": spec.business.humanEscalationPaths[1]: Invalid value: a help centre is no direct way to a human`},
		{"apiVersion: v1\nkind: List\nitems: {a: 1}", "document 1: items: must be a list"},
		{"apiVersion: v1\nkind: List\nitems: [a]", "document 1, items[0]: must be a manifest"},
		{"- a", "document 1: must be a manifest"},
		{head + "metadata: {name: b}", "document 1: "},
		{head + `spec: {phoneNumber: "+15550100001", activity: Suspended}`, `document 1, PhoneNumber "a": spec.activity: is Suspended`},
		{head + "spec: {phoneNumber: \"+15550100001\"}\n---\n" + head + `spec: {phoneNumber: "+15550100001"}`,
			`document 2, PhoneNumber "a": spec.phoneNumber: is that of document 1, PhoneNumber "a" already`},
		{portfolio + "spec: {verification: Sure}", `document 1, BusinessPortfolio "acme": spec.verification: Unsupported value: "Sure"`},
		{portfolio + "spec: {verified: true}", `document 1, BusinessPortfolio "acme": [spec.verified: Forbidden: there is no such field`},
		{portfolio + "spec: {activity: Suspended}", `document 1, BusinessPortfolio "acme": spec.activity: is Suspended`},
		{portfolio + "---\n" + portfolio, `document 2, BusinessPortfolio "acme": metadata.name: is that of document 1, BusinessPortfolio "acme" already`},
		{strings.Replace(portfolio, "name: acme", "generateName: a", 1), `document 1, BusinessPortfolio "": metadata.name: is missing`},
		{strings.Replace(portfolio, "name: acme", "uid: a", 1), `document 1, BusinessPortfolio "": metadata.name: Required value`},
		{strings.Replace(portfolio, "BusinessPortfolio\nmetadata: {name: acme}", "MessageTemplate\nspec: {}", 1), `document 1, MessageTemplate "": [metadata.name: Required value`},
	} {
		_, err := ReadFleet(strings.NewReader(test.manifest))
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "44777") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s:\n got %v\nwant %s", test.manifest, err, test.want)
		}
	}
}

func TestPolicyRefusals(t *testing.T) {
	manifest, _ := policies.Manifest("quality-based")
	for _, test := range []struct{ old, new, want string }{
		{"kind: MessagingPolicy", "kind: PhoneNumber", "kind: must be MessagingPolicy"},
		{"name: quality-based", "generateName: a", "metadata.name: is missing"},
		{"scope: Number", "scope: Fleet", `spec.scope: Unsupported value: "Fleet"`},
		{"measure: UniqueUsers", "measure: Users", `spec.counting.measure: Unsupported value: "Users"`},
		{"scope: Number", "scopes: Number", "[spec.scopes: Forbidden: there is no such field"},
	} {
		changed := strings.Replace(string(manifest), test.old, test.new, 1)
		if _, err := ReadPolicy([]byte(changed)); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", test.new, err, test.want)
		}
	}
}
