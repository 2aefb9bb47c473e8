package v1alpha1_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig/apiserver"
)

// api is a client of a real API server with the CRDs: what it refuses, users cannot store.
var api client.Client

func TestMain(m *testing.M) { os.Exit(withAPIServer(m)) }

func withAPIServer(m *testing.M) int {
	env := &envtest.Environment{}
	config, err := apiserver.Start(env)
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the API server:", err)
		return 1
	}
	defer func() { _ = env.Stop() }()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		panic(err)
	}
	if api, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		panic(err)
	}
	return m.Run()
}

func refused(t *testing.T, err error, sentence string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("it was accepted; it must be refused with: %s", sentence)
	case !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err):
		t.Errorf("refused for another reason: %v", err)
	case !strings.Contains(err.Error(), sentence):
		t.Errorf("the message is\n  %v\nwithout\n  %s", err, sentence)
	}
}

func number(change func(*v1alpha1.PhoneNumberSpec)) *v1alpha1.PhoneNumber {
	n := &v1alpha1.PhoneNumber{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", GenerateName: "number-"},
		Spec:       v1alpha1.PhoneNumberSpec{PhoneNumber: "+15550100001"},
	}
	change(&n.Spec)
	return n
}

func TestPhoneNumberIsChecked(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*v1alpha1.PhoneNumberSpec)
		want   string // empty: accepted
	}{
		{"a number alone is enough", func(*v1alpha1.PhoneNumberSpec) {}, ""},
		{"everything that can be said", func(s *v1alpha1.PhoneNumberSpec) {
			*s = v1alpha1.PhoneNumberSpec{
				PhoneNumber: "+4915110000001", PhoneNumberID: "106540352242922", DisplayName: "Bäckerei Öz",
				Business: v1alpha1.Business{Name: "Öz GmbH", Portfolio: "oez", WhatsAppBusinessAccountID: "102290129340398",
					HumanEscalationPaths: []v1alpha1.HumanEscalationPath{"InChatTransfer", "PhoneCall", "Email", "WebSupport", "SupportForm", "StoreVisit"}},
				Verification: v1alpha1.Verified, PolicyName: "meta-2023", Activity: v1alpha1.Suspended,
			}
		}, ""},
		{"no number", func(s *v1alpha1.PhoneNumberSpec) { s.PhoneNumber, s.DisplayName = "", "Acme" }, "spec.phoneNumber: Required value"},
		{"no plus", func(s *v1alpha1.PhoneNumberSpec) { s.PhoneNumber = "15550100001" }, `phoneNumber must be in E.164: a plus, the country code and 7 to 15 digits in all without spaces, like "+15550001111"`},
		{"spaces", func(s *v1alpha1.PhoneNumberSpec) { s.PhoneNumber = "+1 555 010 0001" }, "phoneNumber must be in E.164"},
		{"too many digits", func(s *v1alpha1.PhoneNumberSpec) { s.PhoneNumber = "+1234567890123456" }, "phoneNumber must be in E.164"},
		{"too few digits", func(s *v1alpha1.PhoneNumberSpec) { s.PhoneNumber = "+123456" }, "phoneNumber must be in E.164"},
		{"a country code of zero", func(s *v1alpha1.PhoneNumberSpec) { s.PhoneNumber = "+05550100001" }, "phoneNumber must be in E.164"},
		{"an id that is no number", func(s *v1alpha1.PhoneNumberSpec) { s.PhoneNumberID = "abc" }, "phoneNumberID must be Meta's id in digits, like 106540352242922; quote it in YAML"},
		{"an account id that is no number", func(s *v1alpha1.PhoneNumberSpec) { s.Business.WhatsAppBusinessAccountID = "acme" }, "whatsAppBusinessAccountID must be Meta's id in digits"},
		{"a portfolio with capitals", func(s *v1alpha1.PhoneNumberSpec) { s.Business.Portfolio = "Acme Retail" }, "portfolio must be the name of a BusinessPortfolio"},
		{"social media as a way to a human", func(s *v1alpha1.PhoneNumberSpec) {
			s.Business.HumanEscalationPaths = []v1alpha1.HumanEscalationPath{"SocialMedia"}
		}, "social media accounts are no direct way to a human: users need a login and an account with another service"},
		{"a messenger of another service as a way to a human", func(s *v1alpha1.PhoneNumberSpec) {
			s.Business.HumanEscalationPaths = []v1alpha1.HumanEscalationPath{"PhoneCall", "Telegram"}
		}, "humanEscalationPaths[1]: Invalid value: \"Telegram\": social media accounts are no direct way to a human"},
		{"a help centre as a way to a human", func(s *v1alpha1.PhoneNumberSpec) {
			s.Business.HumanEscalationPaths = []v1alpha1.HumanEscalationPath{"HelpCentre"}
		}, "a help centre is no direct way to a human: it is an indirect channel"},
		{"an app link as a way to a human", func(s *v1alpha1.PhoneNumberSpec) {
			s.Business.HumanEscalationPaths = []v1alpha1.HumanEscalationPath{"AppLink"}
		}, "an app link is no direct way to a human: it is an indirect channel"},
		{"a way to a human that nobody knows", func(s *v1alpha1.PhoneNumberSpec) {
			s.Business.HumanEscalationPaths = []v1alpha1.HumanEscalationPath{"Pigeon"}
		}, "must be InChatTransfer, PhoneCall, Email, WebSupport, SupportForm or StoreVisit"},
		{"an open appeal", func(s *v1alpha1.PhoneNumberSpec) {
			s.Appeal = v1alpha1.Appeal{State: v1alpha1.AppealOpen, OpenedTime: metav1.Unix(1_790_000_000, 0), Note: "Agents answer within the hour."}
		}, ""},
		{"a decision without its time", func(s *v1alpha1.PhoneNumberSpec) {
			s.Appeal = v1alpha1.Appeal{State: v1alpha1.AppealReversed, OpenedTime: metav1.Unix(1_790_000_000, 0)}
		}, "set decidedTime once the appeal is decided, and only then: state is Unchanged or Reversed"},
		{"a decision before the appeal", func(s *v1alpha1.PhoneNumberSpec) {
			s.Appeal = v1alpha1.Appeal{State: v1alpha1.AppealUnchanged, OpenedTime: metav1.Unix(1_790_000_000, 0), DecidedTime: metav1.Unix(1_789_999_999, 0)}
		}, "decidedTime must not lie before openedTime"},
		{"a way to a human twice", func(s *v1alpha1.PhoneNumberSpec) {
			s.Business.HumanEscalationPaths = []v1alpha1.HumanEscalationPath{"Email", "Email"}
		}, "Duplicate value"},
		{"a policy that cannot exist", func(s *v1alpha1.PhoneNumberSpec) { s.PolicyName = "Bad_Name" }, "policyName must be the name of a MessagingPolicy: lower-case letters, digits, '-' and '.', like meta-2023"},
		{"a verification that is none", func(s *v1alpha1.PhoneNumberSpec) { s.Verification = "Yes" }, `supported values: "Verified", "Unverified", "Pending", "Rejected"`},
		{"counts of a Prometheus", func(s *v1alpha1.PhoneNumberSpec) { s.Usage.Source = v1alpha1.UsageFromPrometheus }, ""},
		{"queries of its own", func(s *v1alpha1.PhoneNumberSpec) {
			s.Usage.Queries = v1alpha1.UsageQueries{Used: "sum(increase(sent_total[$window]))", UniqueUsers: "users", Messages: "messages"}
		}, ""},
		{"queries to the ledger", func(s *v1alpha1.PhoneNumberSpec) {
			s.Usage = v1alpha1.UsageSpec{Source: v1alpha1.UsageFromLedger, Queries: v1alpha1.UsageQueries{Used: "used"}}
		}, "queries are asked of a Prometheus: set source to Prometheus, or leave it out"},
		{"a source that is none", func(s *v1alpha1.PhoneNumberSpec) { s.Usage.Source = "Grafana" }, `supported values: "Ledger", "Prometheus"`},
		{"a query that is too long", func(s *v1alpha1.PhoneNumberSpec) { s.Usage.Queries.Used = strings.Repeat("x", 4097) }, "spec.usage.queries.used: Too long"},
		{"an activity that is none", func(s *v1alpha1.PhoneNumberSpec) { s.Activity = "Asleep" }, `supported values: "Active", "Suspended"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := api.Create(t.Context(), number(test.change))
			if test.want != "" {
				refused(t, err, test.want)
			} else if err != nil {
				t.Errorf("it was refused: %v", err)
			}
		})
	}
}

func TestPhoneNumberKeepsItsIdentity(t *testing.T) {
	n := number(func(*v1alpha1.PhoneNumberSpec) {})
	must(t, api.Create(t.Context(), n))
	update := func(change func(*v1alpha1.PhoneNumberSpec)) error {
		changed := n.DeepCopy()
		change(&changed.Spec)
		err := api.Update(context.Background(), changed)
		if err == nil {
			n = changed
		}
		return err
	}
	refused(t, update(func(s *v1alpha1.PhoneNumberSpec) { s.PhoneNumber = "+15550100002" }), "phoneNumber may not be changed: create a new PhoneNumber for another number")
	if err := update(func(s *v1alpha1.PhoneNumberSpec) { s.PhoneNumberID = "1001" }); err != nil {
		t.Errorf("the id may be set once: %v", err)
	}
	const once = "phoneNumberID may be set once and not be changed: create a new PhoneNumber for another number"
	refused(t, update(func(s *v1alpha1.PhoneNumberSpec) { s.PhoneNumberID = "1002" }), once)
	refused(t, update(func(s *v1alpha1.PhoneNumberSpec) { s.PhoneNumberID = "" }), once)
	if err := update(func(s *v1alpha1.PhoneNumberSpec) { s.DisplayName = "Acme" }); err != nil {
		t.Errorf("the rest may change: %v", err)
	}
}

func TestMessagingPolicyIsChecked(t *testing.T) {
	for i, test := range []struct {
		name   string
		change func(*v1alpha1.MessagingPolicySpec)
		want   string // empty: accepted
	}{
		{"a policy", func(*v1alpha1.MessagingPolicySpec) {}, ""},
		{"everything that can be said", func(s *v1alpha1.MessagingPolicySpec) {
			s.Tiers[0].Upgrade = v1alpha1.Upgrade{Measure: v1alpha1.MeasureUniqueUsers, Threshold: new(int64(2000)), WindowHours: 720, MinimumQuality: v1alpha1.QualityHigh}
			s.Counting.ServiceWindowHours = 72
			s.Upgrade.MinimumSpanHours, s.Upgrade.DelayHours, s.Upgrade.AfterFlag = 48, 6, v1alpha1.AfterFlagRestart
			s.Quality.MediumPerThousand, s.Quality.LowPerThousand = 3, 10
			s.Flag = v1alpha1.FlagRules{GraceHours: 168, RecoveryHours: 168}
			s.Block.AfterHours = 720
			s.HumanEscalation = v1alpha1.HumanEscalationRequire
			s.Templates.PauseHours = []int32{3, 6}
		}, ""},
		{"a flag that would lower what a portfolio shares", func(s *v1alpha1.MessagingPolicySpec) {
			s.Scope, s.Flag = v1alpha1.ScopePortfolio, v1alpha1.FlagRules{GraceHours: 168, RecoveryHours: 168}
		}, "leave out flag and block under scope Portfolio"},
		{"a way up on every tier, and none for all", func(s *v1alpha1.MessagingPolicySpec) {
			for i := range s.Tiers[:2] {
				s.Tiers[i].Upgrade = s.Upgrade
			}
			s.Upgrade = v1alpha1.Upgrade{}
		}, ""},
		{"tiers that fall", func(s *v1alpha1.MessagingPolicySpec) { s.Tiers[1].Limit = 500 }, "tiers must be ascending: list them from the lowest limit to the highest"},
		{"two tiers alike", func(s *v1alpha1.MessagingPolicySpec) { s.Tiers[1].Limit = 1000 }, "tiers must be ascending: two tiers have the same limit"},
		{"an unlimited tier below the last", func(s *v1alpha1.MessagingPolicySpec) { s.Tiers[0].Limit = 0 }, "tiers must be ascending: only the last tier may go without a limit"},
		{"two tiers of one name", func(s *v1alpha1.MessagingPolicySpec) { s.Tiers[1].Name = "1" }, "Duplicate value"},
		{"no tiers", func(s *v1alpha1.MessagingPolicySpec) { s.Tiers = nil }, "spec.tiers: Required value"},
		{"an unknown start tier", func(s *v1alpha1.MessagingPolicySpec) { s.Start.Unverified = "gold" }, "start.unverified must be the name of one of the tiers"},
		{"an unknown start tier of the verified", func(s *v1alpha1.MessagingPolicySpec) { s.Start.Verified = "gold" }, "start.verified must be the name of one of the tiers"},
		{"a verified start below the unverified", func(s *v1alpha1.MessagingPolicySpec) {
			s.Start = v1alpha1.StartTiers{Unverified: "2", Verified: "1"}
		}, "start.verified must not be a lower tier than start.unverified"},
		{"zero percent", func(s *v1alpha1.MessagingPolicySpec) { s.Upgrade.ThresholdPercent = new(int32(0)) }, "thresholdPercent must be between 1 and 10000, like 50 for half of the limit or 200 for twice the limit"},
		{"a threshold of zero", func(s *v1alpha1.MessagingPolicySpec) {
			s.Upgrade.ThresholdPercent, s.Upgrade.Threshold = nil, new(int64(0))
		}, "threshold must be between 1 and 1000000000"},
		{"two thresholds", func(s *v1alpha1.MessagingPolicySpec) { s.Upgrade.Threshold = new(int64(10)) }, "set exactly one of thresholdPercent (of the current limit, like 200) and threshold (a count, like 1000)"},
		{"no way up", func(s *v1alpha1.MessagingPolicySpec) { s.Upgrade = v1alpha1.Upgrade{} }, "set upgrade, or an upgrade on every tier but the last"},
		{"a limit window longer than what is kept", func(s *v1alpha1.MessagingPolicySpec) { s.Counting.WindowHours = 721 }, "windowHours must be between 1 and 720: counts are kept for 30 days"},
		{"an upgrade window longer than what is kept", func(s *v1alpha1.MessagingPolicySpec) { s.Upgrade.WindowHours = 1000 }, "windowHours must be between 1 and 720: counts are kept for 30 days"},
		{"a quality window longer than what is kept", func(s *v1alpha1.MessagingPolicySpec) { s.Quality.WindowHours = 1000 }, "windowHours must be between 1 and 720: counts are kept for 30 days"},
		{"a service window of a month", func(s *v1alpha1.MessagingPolicySpec) { s.Counting.ServiceWindowHours = 720 }, "serviceWindowHours must be between 1 and 168"},
		{"a limit on messages", func(s *v1alpha1.MessagingPolicySpec) { s.Counting.Measure = v1alpha1.MeasureMessages }, "measure must be UniqueUsers or Conversations: Meta limits users, not messages"},
		{"an unknown rating as the least", func(s *v1alpha1.MessagingPolicySpec) { s.Upgrade.MinimumQuality = v1alpha1.QualityUnknown }, "minimumQuality must be High, Medium or Low"},
		{"a negative span", func(s *v1alpha1.MessagingPolicySpec) { s.Upgrade.MinimumSpanHours = -1 }, "minimumSpanHours must be between 1 and 720; leave it out for none"},
		{"a span as long as its window", func(s *v1alpha1.MessagingPolicySpec) { s.Upgrade.MinimumSpanHours = 168 }, "minimumSpanHours must be less than windowHours, or it could never be met"},
		{"a negative delay", func(s *v1alpha1.MessagingPolicySpec) { s.Upgrade.DelayHours = -1 }, "delayHours must be between 1 and 720; leave it out to upgrade at once"},
		{"one threshold of feedback", func(s *v1alpha1.MessagingPolicySpec) { s.Quality.LowPerThousand = 5 }, "set mediumPerThousand and lowPerThousand together, or neither"},
		{"thresholds of feedback that cross", func(s *v1alpha1.MessagingPolicySpec) {
			s.Quality.MediumPerThousand, s.Quality.LowPerThousand = 5, 5
		}, "mediumPerThousand must be less than lowPerThousand"},
		{"an endless grace period", func(s *v1alpha1.MessagingPolicySpec) {
			s.Flag = v1alpha1.FlagRules{GraceHours: 9000, RecoveryHours: 168}
		}, "graceHours must be between 1 and 8760"},
		{"an endless recovery", func(s *v1alpha1.MessagingPolicySpec) {
			s.Flag = v1alpha1.FlagRules{GraceHours: 168, RecoveryHours: 9000}
		}, "recoveryHours must be between 1 and 8760"},
		{"a grace period alone", func(s *v1alpha1.MessagingPolicySpec) { s.Flag.GraceHours = 168 }, "spec.flag.recoveryHours: Required value"},
		{"a block after years", func(s *v1alpha1.MessagingPolicySpec) { s.Block.AfterHours = 9000 }, "afterHours must be between 1 and 8760"},
		{"two ways for templates", func(s *v1alpha1.MessagingPolicySpec) {
			s.Templates = v1alpha1.TemplateRules{BlockAfterHours: new(int32(168)), PauseHours: []int32{3}}
		}, "set exactly one of blockAfterHours (flagged so long, then blocked) and pauseHours (paused so long each time, then disabled)"},
		{"templates that block after years", func(s *v1alpha1.MessagingPolicySpec) { s.Templates.BlockAfterHours = new(int32(9000)) }, "blockAfterHours must be between 1 and 8760"},
	} {
		t.Run(test.name, func(t *testing.T) {
			policy := &v1alpha1.MessagingPolicy{
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("policy-%d", i)},
				Spec: v1alpha1.MessagingPolicySpec{
					Scope:    v1alpha1.ScopeNumber,
					Tiers:    []v1alpha1.Tier{{Name: "1", Limit: 1000}, {Name: "2", Limit: 10000}, {Name: "Unlimited"}},
					Start:    v1alpha1.StartTiers{Unverified: "1", Verified: "2"},
					Counting: v1alpha1.Counting{Measure: v1alpha1.MeasureUniqueUsers, WindowHours: 24},
					Upgrade:  v1alpha1.Upgrade{Measure: v1alpha1.MeasureUniqueUsers, ThresholdPercent: new(int32(200)), WindowHours: 168, MinimumQuality: v1alpha1.QualityMedium},
					Quality:  v1alpha1.QualityRules{WindowHours: 24},
				},
			}
			test.change(&policy.Spec)
			err := api.Create(t.Context(), policy)
			if test.want != "" {
				refused(t, err, test.want)
			} else if err != nil {
				t.Errorf("it was refused: %v", err)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
