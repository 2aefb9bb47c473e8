package graph

import (
	"slices"
	"testing"
)

func TestMetasWordsInOurs(t *testing.T) {
	type word struct {
		in    string
		want  string
		known bool
	}
	for name, test := range map[string]struct {
		read  func(string) (string, bool)
		words []word
	}{
		"status": {func(s string) (string, bool) { return Status(s).Connection() }, []word{
			{"PENDING", "Pending", true}, {"CONNECTED", "Connected", true}, {"FLAGGED", "Flagged", true}, {"RESTRICTED", "Restricted", true},
			{"RATE_LIMITED", "Restricted", true}, {"BANNED", "Blocked", true}, {"DISCONNECTED", "Offline", true}, {"MIGRATED", "Offline", true},
			{"DELETED", "Offline", true}, {"UNVERIFIED", "Pending", true},
			{"UNKNOWN", "UNKNOWN", false}, {"LINKED", "LINKED", false}, {"connected", "connected", false}, {"", "", false},
		}},
		"rating": {func(s string) (string, bool) { return Rating(s).Quality() }, []word{
			{"GREEN", "High", true}, {"YELLOW", "Medium", true}, {"RED", "Low", true}, {"NA", "Unknown", true}, {"UNKNOWN", "Unknown", true},
			{"PURPLE", "PURPLE", false}, {"", "", false},
		}},
		"limit": {func(s string) (string, bool) { return Limit(s).Users() }, []word{
			{"TIER_50", "50", true}, {"TIER_250", "250", true}, {"TIER_1K", "1000", true}, {"TIER_2K", "2000", true}, {"TIER_10K", "10000", true},
			{"TIER_100K", "100000", true}, {"TIER_UNLIMITED", "Unlimited", true}, {"UNLIMITED", "Unlimited", true}, {"-1", "Unlimited", true},
			{"2000", "2000", true}, {"TIER_NOT_SET", "", true}, {"", "", true}, {"TIER_HUGE", "TIER_HUGE", false}, {"0", "0", false},
		}},
		"verification": {func(s string) (string, bool) { return Verification(s).Status() }, []word{
			{"verified", "Verified", true}, {"VERIFIED", "Verified", true}, {"Verified", "Verified", true}, {"not_verified", "Unverified", true},
			{"UNVERIFIED", "Unverified", true}, {"NOT_VERIFIED", "Unverified", true}, {"expired", "Unverified", true}, {"revoked", "Unverified", true},
			{"pending", "Pending", true}, {"pending_need_more_info", "Pending", true}, {"pending_submission", "Pending", true},
			{"rejected", "Rejected", true}, {"failed", "Rejected", true}, {"ineligible", "Rejected", true},
			{"on_hold", "on_hold", false}, {"", "", false},
		}},
	} {
		for _, w := range test.words {
			if got, known := test.read(w.in); got != w.want || known != w.known {
				t.Errorf("%s %q: got %q, %v, want %q, %v", name, w.in, got, known, w.want, w.known)
			}
		}
	}
	for name, approved := range map[NameStatus]bool{
		"APPROVED": true, "AVAILABLE_WITHOUT_REVIEW": true, "DECLINED": false, "EXPIRED": false, "PENDING_REVIEW": false, "NONE": false, "NON_EXISTS": false, "": false,
	} {
		if name.Approved() != approved {
			t.Errorf("the name status %q: got %v", name, name.Approved())
		}
	}
	for review, approved := range map[ReviewStatus]bool{"APPROVED": true, "REJECTED": false, "PENDING": false, "DEFERRED": false, "": false} {
		if review.Approved() != approved {
			t.Errorf("the review status %q: got %v", review, review.Approved())
		}
	}
}

func TestReviewsAndHealthInOurWords(t *testing.T) {
	for review, want := range map[ReviewStatus]string{"APPROVED": "Approved", "REJECTED": "Rejected", "PENDING": "Pending", "DEFERRED": "Deferred", "LOST": "LOST", "": ""} {
		if got, known := review.Decision(); got != want || known != (want != string(review)) {
			t.Errorf("the review status %q is %q, %v", review, got, known)
		}
	}
	for health, want := range map[Availability]string{Available: "Available", Limited: "Limited", Blocked: "Blocked", "DEGRADED": "DEGRADED", "": ""} {
		if got, known := health.Sending(); got != want || known != (want != string(health)) {
			t.Errorf("the availability %q is %q, %v", health, got, known)
		}
	}
	health := Health{Entities: []HealthEntity{
		{Type: "PHONE_NUMBER", CanSendMessage: Limited, Info: []string{"The name waits for approval"}},
		{Type: "WABA", CanSendMessage: Available, Info: []string{"of no matter"}},
		{Type: "BUSINESS", CanSendMessage: Blocked, Errors: []HealthError{{Code: "141014", Description: "Banned", Solution: "Appeal"}}},
		{Type: "APP", CanSendMessage: Blocked},
	}}
	want := []string{"PHONE_NUMBER: The name waits for approval", "BUSINESS: Banned (code 141014)", "APP: BLOCKED"}
	if got := health.Hindrances(); !slices.Equal(got, want) {
		t.Errorf("in the way are %q, not %q", got, want)
	}
}

func TestTheHealthOfMessagingIsTheWorstOfItsParts(t *testing.T) {
	parts := func(of ...Availability) []HealthEntity {
		var all []HealthEntity
		for _, a := range of {
			all = append(all, HealthEntity{CanSendMessage: a})
		}
		return all
	}
	for name, test := range map[string]struct {
		health Health
		want   Availability
	}{
		"nothing is told":             {Health{}, ""},
		"only the whole":              {Health{Overall: Limited}, Limited},
		"all available":               {Health{Overall: Available, Entities: parts(Available, Available)}, Available},
		"one limited":                 {Health{Overall: Limited, Entities: parts(Available, Limited)}, Limited},
		"one blocked":                 {Health{Overall: Blocked, Entities: parts(Limited, Blocked, Available)}, Blocked},
		"only calls are blocked":      {Health{Overall: Blocked, Entities: parts(Available, Available)}, Available},
		"a part does not say":         {Health{Overall: Blocked, Entities: parts(Available, "")}, Blocked},
		"a word that is not known":    {Health{Overall: Available, Entities: parts(Available, "DEGRADED")}, "DEGRADED"},
		"it counts less than limited": {Health{Overall: Limited, Entities: parts("DEGRADED", Limited)}, Limited},
	} {
		if got := test.health.Messaging(); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestTheAllowanceOfAnAccount(t *testing.T) {
	for name, test := range map[string]struct {
		numbers []PhoneNumber
		want    int
	}{
		"no number":           {nil, HourlyCalls},
		"none is registered":  {[]PhoneNumber{{Status: "PENDING", Platform: "CLOUD_API"}, {Status: "CONNECTED", Platform: "ON_PREMISE"}}, HourlyCalls},
		"one is registered":   {[]PhoneNumber{{Status: "PENDING"}, {Status: "CONNECTED", Platform: "CLOUD_API"}}, HourlyCallsActive},
		"the platform is not": {[]PhoneNumber{{Status: "CONNECTED"}}, HourlyCallsActive},
	} {
		if got := Allowance(test.numbers); got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
	}
}
