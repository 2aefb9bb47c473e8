package directory

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/report"
)

func TestDirectory(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	direct, err := client.New(controllertest.APIServer, client.Options{Scheme: controllertest.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	cached, err := cache.New(controllertest.APIServer, cache.Options{Scheme: controllertest.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	if err := lookup.SetupIndexes(ctx, cached); err != nil {
		t.Fatal(err)
	}
	if err := SetupIndexes(ctx, cached); err != nil {
		t.Fatal(err)
	}
	directory := Directory{Reader: cached}
	if _, err := directory.Namespace(ctx, "+15550109901"); err == nil {
		t.Error("before the cache is there, nothing can be told")
	}

	for _, subject := range []report.Subject{report.ParseSubject("+15550109901"), report.NumberIDSubject("9907"), report.PortfolioSubject("99001")} {
		if _, err := directory.Accounts(ctx, subject); err == nil {
			t.Errorf("before the cache is there, nobody can tell whose %s is", subject)
		}
	}

	number := func(namespace, name, e164, account string) client.Object {
		return &v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: e164, Business: v1alpha1.Business{WhatsAppBusinessAccountID: account}}}
	}
	within := func(namespace, name, e164, account, id, portfolio string) client.Object {
		n := number(namespace, name, e164, account).(*v1alpha1.PhoneNumber)
		n.Spec.PhoneNumberID, n.Spec.Business.Portfolio = id, portfolio
		return n
	}
	template := func(namespace, name, at, language, account string) client.Object {
		return &v1alpha1.MessageTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec: v1alpha1.MessageTemplateSpec{TemplateName: at, Language: language, WhatsAppBusinessAccountID: account}}
	}
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "directory-a"}}, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "directory-b"}},
		number("directory-a", "one", "+15550109901", "71"), number("directory-b", "same", "+15550109901", ""), number("directory-b", "two", "+15550109902", ""),
		&v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: "directory-named"}, Spec: v1alpha1.BusinessPortfolioSpec{PortfolioID: "99001"}},
		&v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: "directory-without"}},
		within("directory-a", "seven", "+15550109907", "71", "9907", "directory-named"), within("directory-b", "eight", "+15550109908", "73", "9908", "directory-named"),
		within("directory-b", "nine", "+15550109909", "71", "9909", "directory-named"),
		template("directory-a", "en", "directory_sale", "en", "71"), template("directory-a", "fr", "directory_sale", "fr", "71"),
		template("directory-a", "other", "directory_sale", "en", "72"), template("directory-b", "en", "directory_only", "en", "73"),
	} {
		if err := direct.Create(ctx, o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = direct.Delete(context.Background(), o) })
	}
	go func() { _ = cached.Start(ctx) }()
	for _, o := range []client.Object{&v1alpha1.PhoneNumber{}, &v1alpha1.BusinessPortfolio{}, &v1alpha1.MessageTemplate{}} {
		if _, err := cached.GetInformer(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	cached.WaitForCacheSync(ctx)

	for e164, want := range map[string][]string{"+15550109902": {"directory-b"}, "+15550109903": {""}, "+15550109901": {"directory-a", "directory-b"}} {
		// Two resources of one second: the UID decides.
		if got, err := directory.Namespace(ctx, e164); err != nil || !slices.Contains(want, got) {
			t.Errorf("%s is in %q, %v", e164, got, err)
		}
	}
	for name, want := range map[string]report.Subject{
		"directory-named": report.PortfolioSubject("99001"), "directory-without": {}, "directory-none": {}, "99002": report.PortfolioSubject("99002"),
		"123456789012345678901234567890123": {},
	} {
		if got, err := directory.Portfolio(ctx, name); err != nil || got != want {
			t.Errorf("portfolio %s is %q, %v", name, got, err)
		}
	}
	if err := direct.Delete(ctx, number("directory-b", "same", "", "")); err != nil {
		t.Fatal(err)
	}
	if !rig.Eventually(ctx, func() bool { got, _ := directory.Namespace(ctx, "+15550109901"); return got == "directory-a" }) {
		got, err := directory.Namespace(ctx, "+15550109901")
		t.Errorf("with one of the two gone, the number is in %q, %v", got, err)
	}
	for subject, want := range map[report.Subject][]string{
		report.ParseSubject("+15550109901"): {"71"}, report.ParseSubject("+15550109902"): nil, report.ParseSubject("+15550109903"): nil,
		report.NumberIDSubject("9908"): {"73"}, report.NumberIDSubject("9900"): nil,
		report.PortfolioSubject("99001"): {"71", "73"}, report.PortfolioSubject("99002"): nil,
		report.AccountSubject("71"): nil, report.TemplateSubject("71", "directory_sale", "en"): nil,
	} {
		got, err := directory.Accounts(ctx, subject)
		if slices.Sort(got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s belongs to %q, %v", subject, got, err)
		}
	}
	for _, test := range []struct {
		name, number string
		want         []report.Subject
	}{
		{"directory_sale", "+15550109901", []report.Subject{report.TemplateSubject("71", "directory_sale", "en"), report.TemplateSubject("71", "directory_sale", "fr")}},
		{"directory_sale", "", nil}, // of two accounts
		{"directory_sale", "+15550109902", nil},
		{"directory_sale", "+15550109903", nil},
		{"directory_only", "", []report.Subject{report.TemplateSubject("73", "directory_only", "en")}},
		{"directory_only", "+15550109902", []report.Subject{report.TemplateSubject("73", "directory_only", "en")}},
		{"directory_only", "+15550109901", nil},
		{"directory_none", "", nil},
	} {
		got, err := directory.Templates(ctx, test.name, test.number)
		byID := func(a, b report.Subject) int { return strings.Compare(a.ID, b.ID) }
		slices.SortFunc(got, byID)
		slices.SortFunc(test.want, byID)
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("template %s of %q is %q, %v", test.name, test.number, got, err)
		}
	}
	// What a number sends is of its namespace and its account, in the order of the languages.
	for of, want := range map[report.Subject][]string{report.NumberIDSubject("9907"): {"71 en", "71 fr"}, report.NumberIDSubject("9909"): nil} {
		sender, err := directory.Number(ctx, of)
		if err != nil || sender == nil {
			t.Fatalf("%s is %v, %v", of, sender, err)
		}
		sent, err := directory.Sent(ctx, sender.Namespace, sender.Spec.Business.WhatsAppBusinessAccountID, "directory_sale")
		var got []string
		for _, t := range sent {
			got = append(got, t.Spec.WhatsAppBusinessAccountID+" "+t.Spec.Language)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s sends %q, %v", of, got, err)
		}
	}
	if nobody, err := directory.Number(ctx, report.NumberIDSubject("9999")); err != nil || nobody != nil {
		t.Errorf("a number that there is none of is %v, %v", nobody, err)
	}
}
