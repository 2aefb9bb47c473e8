package rules

import (
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// Rule 6. A verification raises the tier at once to the start tier of verified businesses, if that is higher. A lost verification lowers
// nothing. Meta's review may take the raise back: see increase.
var verification = rule[*evaluation]{
	number:   v1alpha1.RuleVerification,
	name:     "Verification",
	sentence: `seeds/002: "A business starts with 1,000 business-initiated conversations per phone number when it completes the business verification."`,
	reports:  reports{report.Verification: (*evaluation).reportVerification},
	apply:    (*evaluation).declaredVerification,
	explain: func(e *evaluation, x *explanation) {
		if start := e.p.startVerified; e.s.Verification != v1alpha1.Verified && Above(start.Limit, e.s.Tier.Limit) {
			x.say(verificationTopic, v1alpha1.RuleVerification, "The verification of the business raises the limit to %s (tier %s) at once.", FormatLimit(start.Limit), start.Name)
		}
	},
}

func (e *evaluation) setVerification(to v1alpha1.Verification, at time.Time, source v1alpha1.Source) {
	s := &e.s
	before := s.Verification
	s.VerificationSource = source
	if to == before {
		return
	}
	s.Verification, s.VerificationSince = to, at
	e.emit(v1alpha1.RuleVerification, at, v1alpha1.ReasonVerificationChanged, "", "", fmt.Sprintf("the business is %s, it was %s", to, before))
	if start := e.p.Start(to); s.ConcludedTier != (Tier{}) && Above(start.Limit, s.ConcludedTier.Limit) {
		e.setConcluded(start, s.ConcludedSince) // what Meta reports of the limit still shows
	}
	if start := e.p.Start(to); to == v1alpha1.Verified && Above(start.Limit, s.Tier.Limit) {
		e.moveTier(v1alpha1.RuleVerification, start, at, v1alpha1.FromVerification, "the business is verified")
		e.clearIncrease()
	}
}

// declaredVerification takes the verification that the resource declares, unless Meta has reported one. It holds from now on: when it
// was changed is not known.
func (e *evaluation) declaredVerification() {
	if e.now.Before(e.until) {
		return
	}
	declared := e.f.Verification
	if declared == "" {
		declared = v1alpha1.Unverified
	}
	if e.s.VerificationSource != v1alpha1.FromReport {
		e.setVerification(declared, e.now, v1alpha1.FromPolicy)
	}
}
