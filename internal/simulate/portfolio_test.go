package simulate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Under a policy whose limits belong to numbers, portfolios share nothing, and a report about one is told to all its numbers.
func TestPortfoliosWhereLimitsBelongToNumbers(t *testing.T) {
	fleet := &Fleet{
		Numbers: []Number{{PhoneNumber: first, Portfolio: "acme", HumanEscalation: true}, {PhoneNumber: second, Portfolio: "acme", HumanEscalation: true}},
		// What it declares is not for numbers.
		Portfolios: []Portfolio{{Name: "acme", ID: "4711", Verification: v1alpha1.Verified}},
	}
	var s script
	s.add(day(2), "message.delivered", first, `"user":"US.u","messageID":"m","template":"promo"`)
	s.add(day(3), "template.reported", first, `"template":"promo","rating":"Low"`)
	s.add(day(4), "verification.reported", "", `"portfolio":"acme","business":"Verified"`)
	s.add(day(5), "limit.reported", "", `"portfolio":"4711","limit":250`)
	result, err := s.run(t, Config{Policy: shipped(t, "meta-2023"), Fleet: fleet})
	if err != nil {
		t.Fatal(err)
	}
	const want = `03 00:00:00 o QualityChanged
04 00:00:00 1 VerificationChanged
04 00:00:00 1 TierUpgraded
04 00:00:00 2 VerificationChanged
04 00:00:00 2 TierUpgraded
05 00:00:00 1 LimitReported
05 00:00:00 2 LimitReported`
	if got := told(result); got != want || len(result.Portfolios) != 0 {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A number that the fleet does not have is a portfolio of its own, beside those of the fleet; so are all without a fleet.
func TestNumbersWithoutAPortfolioAreTheirOwn(t *testing.T) {
	fleet := &Fleet{Numbers: []Number{{PhoneNumber: first, Portfolio: "acme", HumanEscalation: true}}}
	var s script
	for i := range 250 {
		s.add(day(2), "message.delivered", second, fmt.Sprintf(`"user":"US.u%d","messageID":"m%d"`, i, i))
	}
	for _, config := range []Config{{Fleet: fleet}, {}} {
		config.Policy = shipped(t, "meta-2025")
		result, err := s.run(t, config)
		if err != nil {
			t.Fatal(err)
		}
		last := result.Final[len(result.Final)-1]
		if got := told(result); got != "02 00:00:00 2 Restricted" || last.Subject != second || last.State != v1alpha1.StateRestricted || last.Used != 250 {
			t.Errorf("got %s, %+v", got, result.Final)
		}
		if config.Fleet != nil && (len(result.Final) != 2 || result.Final[0].Used != 0 || result.Final[0].State != v1alpha1.StateConnected) {
			t.Errorf("got %+v", result.Final)
		}
	}
}

// A portfolio has its verification from its manifest, else from its numbers; a manifest without numbers is one as well.
func TestVerificationOfPortfolios(t *testing.T) {
	for _, test := range []struct {
		manifest, number, flag v1alpha1.Verification
		tier                   string
	}{
		{"", "", "", "250"},
		{"", "", v1alpha1.Verified, "2K"},
		{"", v1alpha1.Verified, "", "2K"},
		{"", v1alpha1.Unverified, v1alpha1.Verified, "250"},
		{v1alpha1.Verified, v1alpha1.Unverified, "", "2K"},
		{v1alpha1.Unverified, v1alpha1.Verified, v1alpha1.Verified, "250"},
		{v1alpha1.VerificationPending, v1alpha1.Verified, "", "250"},
	} {
		fleet := &Fleet{
			Numbers:    []Number{{PhoneNumber: first, Portfolio: "acme", Verification: test.number}},
			Portfolios: []Portfolio{{Name: "acme", Verification: test.manifest}, {Name: "empty", ID: "1"}},
		}
		var s script
		s.add(day(2), "verification.reported", "", `"portfolio":"1","business":"Verified"`)
		result, err := s.run(t, Config{Policy: shipped(t, "meta-2025"), Fleet: fleet, Verification: test.flag})
		if err != nil || result.Final[0].Tier.Name != test.tier || len(result.Portfolios) != 2 || result.Portfolios[1].Tier.Name != "2K" {
			t.Errorf("%+v: got %+v, %v", test, result, err)
		}
		if got := told(result); got != "02 00:00:00 y VerificationChanged\n02 00:00:00 y TierUpgraded" {
			t.Errorf("%+v: got %s", test, got)
		}
	}
}

// Whose quality a template counts for: that of the number it is reported with, of those that send it, of those that the fleet
// says send it; and where nothing says it, of the only portfolio that there is.
func TestWhoseTemplateItIs(t *testing.T) {
	numbers := []Number{{PhoneNumber: first, Portfolio: "acme", HumanEscalation: true}, {PhoneNumber: second, Portfolio: "beta", HumanEscalation: true}}
	for name, test := range map[string]struct {
		fleet      Fleet
		event      string
		acme, beta v1alpha1.QualityRating
	}{
		"reported with a number": {Fleet{Numbers: numbers}, `"number":"` + second + `",`, v1alpha1.QualityUnknown, v1alpha1.QualityLow},
		"nothing says it":        {Fleet{Numbers: numbers}, "", v1alpha1.QualityUnknown, v1alpha1.QualityUnknown},
		"only one":               {Fleet{Numbers: numbers[:1]}, "", v1alpha1.QualityLow, ""},
		"declared": {Fleet{Numbers: numbers, Templates: []Template{{Names: []string{"x", "promo"}, Numbers: []string{first}}}}, "",
			v1alpha1.QualityLow, v1alpha1.QualityUnknown},
		"declared and reported": {Fleet{Numbers: numbers, Templates: []Template{{Names: []string{"promo"}, Numbers: []string{first}}}},
			`"number":"` + second + `",`, v1alpha1.QualityLow, v1alpha1.QualityLow},
	} {
		t.Run(name, func(t *testing.T) {
			var s script
			s.add(day(2), "template.reported", "", test.event+`"template":"promo","rating":"Low"`)
			result, err := s.run(t, Config{Policy: shipped(t, "meta-2025"), Fleet: &test.fleet})
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range []v1alpha1.QualityRating{test.acme, test.beta} {
				if want != "" && result.Portfolios[i].Quality != want {
					t.Errorf("%s is %s, not %s", result.Portfolios[i].Subject, result.Portfolios[i].Quality, want)
				}
			}
			if len(result.Templates) != 1 || result.Templates[0].State != v1alpha1.TemplatePaused {
				t.Errorf("got %+v", result.Templates)
			}
		})
	}
}

// A template that is blocked makes the way free for whoever sent it, at that instant.
func TestABlockedTemplateNoLongerCounts(t *testing.T) {
	policy := smallWith(t, ".*PerThousand.*", "", "pauseHours: .*", "blockAfterHours: 24")
	for _, fleet := range []*Fleet{nil, {Numbers: []Number{{PhoneNumber: first, Portfolio: "x1", HumanEscalation: true}}}} {
		var s script
		s.add(day(2), "template.reported", first, `"template":"t","rating":"Low"`)
		for i := range 5 {
			s.add(day(2).Add(time.Hour), "message.delivered", first, fmt.Sprintf(`"user":"US.u%d","messageID":"m%d"`, i, i))
		}
		result, err := s.run(t, Config{Policy: policy, Fleet: fleet, Until: day(3).Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		const want = "02 00:00:00 t QualityChanged\n02 00:00:00 t TemplateFlagged\n03 00:00:00 t TemplateBlocked\n03 00:00:00 1 UpgradePending"
		if got := told(result); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

func TestFleetOfPortfoliosAndTemplates(t *testing.T) {
	const group = "apiVersion: whatsapp.numberfleet.dev/v1alpha1\n"
	fleet, err := ReadFleet(strings.NewReader(strings.Join([]string{
		group + `kind: MessageTemplate
metadata: {name: order-update-en, namespace: shop}
spec: {templateName: order_update, language: en, whatsAppBusinessAccountID: "77"}`,
		group + `kind: PhoneNumber
metadata: {name: a, namespace: shop}
spec: {phoneNumber: "+15550100001", business: {portfolio: acme, whatsAppBusinessAccountID: "77"}}`,
		group + `kind: PhoneNumber
metadata: {name: b, namespace: shop}
spec: {phoneNumber: "+15550100002", business: {portfolio: acme, whatsAppBusinessAccountID: "77"}}`,
		group + `kind: PhoneNumber
metadata: {name: b, namespace: elsewhere}
spec: {phoneNumber: "+15550100003", business: {whatsAppBusinessAccountID: "77"}}`,
		group + `kind: MessageTemplate
metadata: {name: promo, namespace: shop}
spec: {templateName: promo, language: en, whatsAppBusinessAccountID: "77", phoneNumberNames: [b]}`,
		group + `kind: MessageTemplate
metadata: {name: anywhere}
spec: {templateName: anywhere, language: en, whatsAppBusinessAccountID: "77", phoneNumberNames: [b, nobody]}`,
		group + `kind: BusinessPortfolio
metadata: {name: acme}
spec: {portfolioID: "4711", verification: Verified}`,
	}, "\n---\n")))
	if err != nil {
		t.Fatal(err)
	}
	const templates = "[{[order_update order-update-en] [+15550100001 +15550100002]} {[promo] [+15550100002]} {[anywhere] [+15550100002 +15550100003]}]"
	var got []string
	for _, t := range fleet.Templates {
		got = append(got, fmt.Sprint("{", t.Names, " ", t.Numbers, "}"))
	}
	if got := fmt.Sprint(got); got != templates {
		t.Errorf("got %s, want %s", got, templates)
	}
	if p := fleet.Portfolios; len(p) != 1 || p[0].Name != "acme" || p[0].ID != "4711" || p[0].Verification != v1alpha1.Verified {
		t.Errorf("got %+v", p)
	}
}

// At one instant, numbers come first, then templates, then the portfolios that they make fit or unfit; and all events come before
// any deadline.
func TestOrderAtAnInstant(t *testing.T) {
	fleet := &Fleet{Numbers: []Number{
		{PhoneNumber: first, Portfolio: "acme", Verification: v1alpha1.Verified, HumanEscalation: true},
		{PhoneNumber: second, Portfolio: "acme", HumanEscalation: true},
	}}
	var s script
	s.add(day(2), "template.reported", first, `"template":"promo","rating":"Low"`)
	s.add(day(2).Add(time.Minute), "template.reported", first, `"template":"promo","rating":"High"`)
	for i := range 1000 {
		at := day(2).Add(time.Hour)
		s.add(at, "message.delivered", []string{first, second}[i%2], fmt.Sprintf(`"user":"US.u%d","messageID":"m%d"`, i, i))
	}
	// 6 hours later: the upgrade is due. In the same second, after a delivery, a template and a number fall.
	due := day(2).Add(7 * time.Hour)
	s.add(due, "message.delivered", first, `"user":"US.u1","messageID":"again"`)
	s.add(due, "template.reported", "", `"template":"promo","rating":"Low"`)
	s.add(due.Add(time.Second/2), "quality.reported", second, `"rating":"Medium"`)
	result, err := s.run(t, Config{Policy: shipped(t, "meta-2025"), Fleet: fleet, Until: day(3)})
	if err != nil {
		t.Fatal(err)
	}
	const want = `02 00:00:00 o QualityChanged
02 00:00:00 o TemplatePaused
02 00:01:00 o QualityChanged
02 01:00:00 e UpgradePending
02 03:00:00 o TemplateResumed
02 07:00:00 o QualityChanged
02 07:00:00 o TemplatePaused
02 07:00:00 2 QualityChanged
02 07:00:00 e UpgradeCancelled
02 13:00:00 o TemplateResumed`
	if got := told(result); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
