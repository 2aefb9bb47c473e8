package rules

import (
	"strings"
	"testing"
)

// Each rule of the lists says what it is called and what it follows from, with its source, so that who looks for it finds it.
func TestEachRuleHasItsNameAndItsSource(t *testing.T) {
	type saying struct{ name, sentence string }
	var all []saying
	for _, c := range []chain[*evaluation]{numberRules, memberRules, portfolioRules} {
		for _, r := range c {
			all = append(all, saying{r.name, r.sentence})
		}
	}
	for _, r := range templateRules {
		all = append(all, saying{r.name, r.sentence})
	}
	sentences := map[string]string{}
	for _, is := range all {
		if source, sentence, ok := strings.Cut(is.sentence, ": "); is.name == "" || !ok || source == "" || sentence == "" {
			t.Errorf("a rule is called %q and follows from %q", is.name, is.sentence)
		}
		if other, known := sentences[is.name]; known && other != is.sentence {
			t.Errorf("two rules are called %q", is.name)
		}
		sentences[is.name] = is.sentence
	}
}

// A report is taken by one rule of a list at most: which one decides is not left to their order.
func TestEachReportIsTakenByOneRule(t *testing.T) {
	for name, c := range map[string]chain[*evaluation]{"numbers": numberRules, "members": memberRules, "portfolios": portfolioRules} {
		takes := map[string]string{}
		for _, r := range c {
			for kind := range r.reports {
				if other := takes[string(kind)]; other != "" {
					t.Errorf("of %s, %q and %q take reports of the kind %s", name, other, r.name, kind)
				}
				takes[string(kind)] = r.name
			}
		}
	}
}
