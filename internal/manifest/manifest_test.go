package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig/apiserver"
)

const api = "apiVersion: whatsapp.numberfleet.dev/v1alpha1\n"

// of makes a manifest of a kind; what it has of metadata and spec goes before what every one has.
func of(kind, text string) string {
	if !strings.Contains(text, "metadata:") {
		text = "metadata: {name: a}\n" + text
	}
	return api + "kind: " + kind + "\n" + text
}

func number(spec string) string { return of("PhoneNumber", "spec: {"+spec+"}") }

func policy(t *testing.T, old, changed string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "policies", "quality-based.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(content), old) {
		t.Fatalf("the policy has no %q", old)
	}
	return strings.Replace(string(content), old, changed, 1)
}

// What is taken here, an API server takes, and what is refused here, it refuses; and nobody reads a value in an error that may be a
// phone number.
func TestTheAPIServerSaysTheSame(t *testing.T) {
	env := &envtest.Environment{}
	config, err := apiserver.Start(env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = env.Stop() })
	server, err := client.New(config, client.Options{Scheme: runtime.NewScheme()})
	if err != nil {
		t.Fatal(err)
	}
	const good, quote = `phoneNumber: "+15550100001"`, "quote it"
	business := func(text string) string { return number(good + ", business: {" + text + "}") }
	for _, test := range []struct{ name, manifest, want string }{
		{"a number", number(good), ""},
		{"all that a number may have", business(`portfolio: acme, whatsAppBusinessAccountID: "102290129340398", humanEscalationPaths: [Email, PhoneCall]`), ""},
		{"a number as kubectl prints it", of("PhoneNumber", "metadata: {name: a, generation: 2, labels: {team: x}}\nspec: {"+good+"}\nstatus: {state: Nonsense}"), ""},
		{"a name that is made", of("PhoneNumber", "metadata: {generateName: a-}\nspec: {"+good+"}"), ""},
		{"a value that is null", number(good + ", verification: null"), ""},
		{"a number without quotes", number("phoneNumber: +15550100001"), "spec.phoneNumber: Invalid value: must be text, and YAML takes it for a number: " + quote},
		{"an id without quotes", business("whatsAppBusinessAccountID: 102290129340398"), "spec.business.whatsAppBusinessAccountID: Invalid value: must be text, and YAML takes it for a number: " + quote},
		{"an id as a spreadsheet writes it", business("whatsAppBusinessAccountID: 1.02e+14"), quote},
		{"the same in quotes", business(`whatsAppBusinessAccountID: "1.02e+14"`), "Meta's id in digits"},
		{"a boolean", number(good + ", policyName: true"), "YAML takes it for a boolean: " + quote},
		{"a name without quotes", of("PhoneNumber", "metadata: {name: 7}\nspec: {"+good+"}"), quote},
		{"no E.164", number(`phoneNumber: "15550100001"`), "phoneNumber must be in E.164"},
		{"spaces", number(`phoneNumber: "+1 555 010 0001"`), "phoneNumber must be in E.164"},
		{"no number", number(""), "spec"},
		{"no spec", of("PhoneNumber", ""), "spec"},
		{"no name", of("PhoneNumber", "metadata: {}\nspec: {"+good+"}"), "metadata.name: Required value"},
		{"a name that is none", of("PhoneNumber", "metadata: {name: A_b}\nspec: {"+good+"}"), "metadata.name"},
		{"a label that is none", of("PhoneNumber", "metadata: {name: a, labels: {a: b c}}\nspec: {"+good+"}"), "metadata.labels"},
		{"an unknown field", number(good + ", verified: true"), "spec.verified: Forbidden: there is no such field"},
		{"an unknown field of metadata", of("PhoneNumber", "metadata: {name: a, owner: b}\nspec: {"+good+"}"), "metadata.owner"},
		{"an unknown field beside", of("PhoneNumber", "spec: {"+good+"}\nspce: {}"), "spce"},
		{"an unknown verification", number(good + ", verification: Sure"), "spec.verification"},
		{"paths without quotes", business("humanEscalationPaths: [Email, yes]"), quote},
		{"an indirect channel", business("humanEscalationPaths: [Email, HelpCentre]"), "a help centre is no direct way to a human"},
		{"a path twice", business("humanEscalationPaths: [Email, Email]"), "spec.business.humanEscalationPaths[1]: Duplicate value"},
		{"a portfolio", of("BusinessPortfolio", `spec: {portfolioID: "4711", verification: Verified}`), ""},
		{"a portfolio of nothing", of("BusinessPortfolio", ""), ""},
		{"a portfolio without quotes", of("BusinessPortfolio", "spec: {portfolioID: 4711}"), quote},
		{"a portfolio in a namespace", of("BusinessPortfolio", `metadata: {name: a, namespace: b}`), ""},
		{"a template", of("MessageTemplate", `spec: {templateName: promo, language: en_US, whatsAppBusinessAccountID: "77"}`), ""},
		{"a template without its language", of("MessageTemplate", `spec: {templateName: promo, whatsAppBusinessAccountID: "77"}`), "spec.language: Required value"},
		{"a language that YAML reads as no", of("MessageTemplate", `spec: {templateName: promo, language: no, whatsAppBusinessAccountID: "77"}`), quote},
		{"a policy", policy(t, "scope: Number", "scope: Number"), ""},
		{"a policy of no scope", policy(t, "scope: Number", "scope: Fleet"), "spec.scope: Unsupported value"},
		{"a policy of another measure", policy(t, "measure: UniqueUsers", "measure: Users"), "spec.counting.measure: Unsupported value"},
		{"a policy with text for a number", policy(t, "limit: 1000", "limit: many"), "limit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			object, err := Parse([]byte(test.manifest))
			if err != nil {
				t.Fatal(err)
			}
			there := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(object)}
			if there.GetNamespace() == "" && there.GetKind() != "BusinessPortfolio" && there.GetKind() != "MessagingPolicy" {
				_ = unstructured.SetNestedField(there.Object, "default", "metadata", "namespace")
			}
			said := server.Create(t.Context(), there, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
			err = Decode(object, new(unstructured.Unstructured))
			switch {
			case (err == nil) != (said == nil):
				t.Errorf("here: %v; there: %v", err, said)
			case (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want):
				t.Errorf("got %v, want %s", err, test.want)
			case err != nil && (strings.Contains(err.Error(), "15550100001") || strings.Contains(err.Error(), "102290129340398") && !strings.Contains(test.manifest, "1.02e+14")):
				t.Errorf("the error has the value: %v", err)
			}
		})
	}
}

// A resource has its defaults as the API server sets them, and no status.
func TestAResourceHasItsDefaults(t *testing.T) {
	object, err := Parse([]byte(number(`phoneNumber: "+15550100001"`) + "\nstatus: {state: Blocked}"))
	if err != nil {
		t.Fatal(err)
	}
	var is v1alpha1.PhoneNumber
	if err := Decode(object, &is); err != nil || is.Spec.PhoneNumber != "+15550100001" || is.Status.State != "" {
		t.Errorf("got %+v, %v", is, err)
	}
}

// Samples and policies that ship are taken, and what is no manifest is refused before anything is asked of it.
func TestParse(t *testing.T) {
	for _, bad := range []string{"- a", "text", "{", "a: 1\na: 2", "a: b: c"} {
		if object, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%q: got %v", bad, object)
		}
	}
	for _, nothing := range []string{"", "# comment", "---", "null"} {
		if object, err := Parse([]byte(nothing)); err != nil || object != nil {
			t.Errorf("%q: got %v, %v", nothing, object, err)
		}
	}
	if err := Decode(map[string]any{"kind": "Nothing"}, &v1alpha1.PhoneNumber{}); err == nil || err.Error() != `kind: "Nothing" is not known` {
		t.Errorf("an unknown kind: %v", err)
	}
}

// Whatever is decoded, nothing panics, and what is taken is a resource.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(number(`phoneNumber: "+15550100001"`)))
	f.Add([]byte(number("phoneNumber: +1")))
	f.Add([]byte(of("MessageTemplate", "spec: {templateName: [], language: no}")))
	f.Add([]byte("kind: PhoneNumber\nmetadata: 7\nspec: [null]"))
	f.Add([]byte("kind: BusinessPortfolio\nmetadata: {labels: {a: {}}}\nstatus: 1"))
	f.Fuzz(func(t *testing.T, content []byte) {
		object, err := Parse(content)
		if err != nil || object == nil {
			return
		}
		var is v1alpha1.PhoneNumber
		if object["kind"] == "PhoneNumber" && Decode(object, &is) == nil && is.Spec.PhoneNumber == "" {
			t.Fatalf("%q is taken", content)
		}
	})
}
