package main

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
)

const importToken = "EAAGm0PX4ZCpsBAKZCexample"

func standIn(t *testing.T) (meta *graphtest.Server, args []string) {
	t.Helper()
	meta = graphtest.New(clock.RealClock{})
	meta.AddToken(importToken)
	meta.AddBusiness("9001", "Acme")
	meta.AddAccount("2001", "9001", "Acme")
	server := httptest.NewServer(meta)
	t.Cleanup(server.Close)
	return meta, []string{"import", "--account", "2001", "--token-file", file(t, "token", importToken+"\n"), "--base-url", server.URL}
}

func TestImport(t *testing.T) {
	meta, args := standIn(t)
	meta.AddPhoneNumber("1003", "2001", "+1 555-010-0003", "Harbour Hotel")
	meta.AddPhoneNumber("1002", "2001", "+1 555-010-0002", "Acme: Café & Bar")
	meta.AddPhoneNumber("1004", "2001", "+1 555-010-0004", "Harbour hotel!")
	meta.AddPhoneNumber("1001", "2001", "+1 555-010-0001", "東京")
	const want = `apiVersion: whatsapp.numberfleet.dev/v1alpha1
kind: PhoneNumber
metadata:
  name: acme-cafe-bar
  namespace: fleet
spec:
  business:
    portfolio: acme
    whatsAppBusinessAccountID: "2001"
  displayName: 'Acme: Café & Bar'
  phoneNumber: "+15550100002"
  phoneNumberID: "1002"
---
apiVersion: whatsapp.numberfleet.dev/v1alpha1
kind: PhoneNumber
metadata:
  name: harbour-hotel-1003
  namespace: fleet
spec:
  business:
    portfolio: acme
    whatsAppBusinessAccountID: "2001"
  displayName: Harbour Hotel
  phoneNumber: "+15550100003"
  phoneNumberID: "1003"
---
apiVersion: whatsapp.numberfleet.dev/v1alpha1
kind: PhoneNumber
metadata:
  name: harbour-hotel-1004
  namespace: fleet
spec:
  business:
    portfolio: acme
    whatsAppBusinessAccountID: "2001"
  displayName: Harbour hotel!
  phoneNumber: "+15550100004"
  phoneNumberID: "1004"
---
apiVersion: whatsapp.numberfleet.dev/v1alpha1
kind: PhoneNumber
metadata:
  name: number-1001
  namespace: fleet
spec:
  business:
    portfolio: acme
    whatsAppBusinessAccountID: "2001"
  displayName: 東京
  phoneNumber: "+15550100001"
  phoneNumberID: "1001"
`
	for range 2 {
		if code, stdout, stderr := play(t, "", append(args, "--namespace", "fleet", "--portfolio", "acme")...); code != 0 || stdout != want || stderr != "" {
			t.Errorf("code %d, %s\ngot\n%s\nwant\n%s", code, stderr, stdout, want)
		}
	}
}

// What is printed of several pages of numbers is what an API server takes.
func TestWhatIsImportedCanBeApplied(t *testing.T) {
	meta, args := standIn(t)
	names := []string{"Acme", strings.Repeat("Very long ", 20), "", "---", strings.Repeat("é", 200), "Joe's", "Acme 1000"}
	for i := range 230 {
		meta.AddPhoneNumber(fmt.Sprint(1000+i), "2001", fmt.Sprintf("+1 555-020-%04d", i), names[i%len(names)])
	}
	api := client.NewDryRunClient(cluster(t).api)
	code, stdout, stderr := play(t, "", append(args, "-n", "default")...)
	if code != 0 || stderr != "" {
		t.Fatalf("code %d, %s", code, stderr)
	}
	documents := strings.Split(stdout, "---\napiVersion")
	if len(documents) != 230 {
		t.Errorf("there are %d manifests", len(documents))
	}
	for i, document := range documents {
		if i > 0 {
			document = "apiVersion" + document
		}
		var number v1alpha1.PhoneNumber
		if err := yaml.UnmarshalStrict([]byte(document), &number); err != nil {
			t.Fatal(err)
		}
		if err := api.Create(t.Context(), &number); err != nil {
			t.Errorf("%s: %v", number.Name, err)
		}
	}
}

func TestImportRefuses(t *testing.T) {
	meta, args := standIn(t)
	empty := args
	for _, c := range []struct {
		name string
		args []string
		do   func()
		want string
	}{
		{"no numbers", empty, nil, "Error: the account has no phone numbers\n"},
		{"no account", []string{"import", "--token-file", "x"}, nil, "Error: required flag(s) \"account\" not set: kubectl phonenumbers import --account ID --token-file FILE [flags]\n"},
		{"no id", append([]string{"import", "--account", "shop"}, args[3:]...), nil, "Error: --account: an id of Meta's has 1 to 32 digits\n"},
		{"no token", append(append([]string{}, args...), "--token-file", "/nowhere"), nil,
			"Error: phone numbers of the account 2001: the access token could not be read: --token-file: /nowhere: no such file or directory\n"},
		{"in the clear", append(append([]string{}, args...), "--base-url", "http://graph.example.com"), nil,
			"Error: the base URL must be https, for the access token is sent there\n"},
		{"an expired token", args, func() { meta.ExpireToken(importToken) },
			"Error: phone numbers of the account 2001: the access token has expired (HTTP 401, code 190, subcode 463)\n"},
	} {
		if c.do != nil {
			c.do()
		}
		if code, stdout, stderr := play(t, "", c.args...); code == exitDone || stdout != "" || stderr != c.want {
			t.Errorf("%s: code %d, %q, not %q; it prints %q", c.name, code, stderr, c.want, stdout)
		}
	}
	meta.AddToken(importToken)
	meta.AddPhoneNumber("1001", "2001", "+1 555-010-0001", "Acme")
	meta.AddPhoneNumber("1002", "2001", "pending", "Acme")
	code, stdout, stderr := play(t, "", args...)
	if code != 1 || strings.Count(stdout, "kind:") != 1 || stderr != "Error: left out, for Meta shows no phone number of them: 1002\n" {
		t.Errorf("with a number that cannot be read: code %d, %q\n%s", code, stderr, stdout)
	}
}
