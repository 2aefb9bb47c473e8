package controllers_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

func users(n int32) *intstr.IntOrString { return new(intstr.FromInt32(n)) }

func percent(n int) *intstr.IntOrString { return new(intstr.FromString(fmt.Sprintf("%d%%", n))) }

func inCategory(c counts.Category) func(*counts.Operation) {
	return func(o *counts.Operation) { o.Category = c }
}

// budgetLines are the budgets of a status: used, reserved, guaranteed, maximum and remaining.
func budgetLines(all []v1alpha1.BudgetStatus) (lines []string) {
	figure := func(n *int64) string {
		if n == nil {
			return "-"
		}
		return fmt.Sprint(*n)
	}
	for _, b := range all {
		lines = append(lines, fmt.Sprintf("%s %d %d %d %s %s", b.Name, *b.Used, *b.Reserved, *b.Guaranteed, figure(b.Maximum), figure(b.Remaining)))
	}
	return lines
}

// A campaign takes what is guaranteed to nobody, and no more: the logins of the same portfolio go out meanwhile. Status and metrics say how
// much each budget has.
func TestACampaignLeavesWhatIsGuaranteedToLogins(t *testing.T) {
	f := controllertest.NewFleet(t, func(s *v1alpha1.BusinessPortfolioSpec) {
		s.Budgets = []v1alpha1.Budget{
			{Name: "logins", Categories: []v1alpha1.MessageCategory{"Authentication"}, Guaranteed: percent(20)},
			{Name: "campaigns", Categories: []v1alpha1.MessageCategory{"Marketing"}, Maximum: users(220)},
		}
	})
	number := f.Number()
	f.Settle()
	f.Expect("nothing is sent", budgetLines(f.Portfolio.Status.Budgets), []string{"logins 0 0 50 - 250", "campaigns 0 0 0 220 200"})

	campaign := f.Reserve(number, 400)
	if got := controllertest.Granted(campaign); got != 200 {
		t.Errorf("the campaign got %d places, of 250 of which 50 are guaranteed to others", got)
	}
	f.DeliverTo(number.Spec.PhoneNumber, campaign[0].ID)
	if got := controllertest.Granted(f.Reserve(number, 30, inCategory(counts.Authentication))); got != 30 {
		t.Errorf("of 30 logins %d were granted", got)
	}
	f.At(time.Second)
	f.Expect("the campaign has all that is guaranteed to nobody", budgetLines(f.Portfolio.Status.Budgets), []string{"logins 0 30 50 - 20", "campaigns 1 199 0 220 0"})
	f.ExpectFit(f.Portfolio.Status.Conditions, v1alpha1.ReasonGuaranteesFit, "")
	for _, want := range []struct {
		figure, budget string
		value          float64
	}{{"used", "campaigns", 1}, {"reserved", "campaigns", 199}, {"remaining", "campaigns", 0}, {"maximum", "campaigns", 220}, {"guaranteed", "logins", 50}, {"remaining", "logins", 20}} {
		if got := f.Gauges(f.Portfolio.Name, "budget", want.budget)["portfolio_budget_"+want.figure]; got != want.value {
			t.Errorf("the metric %s of %s is %v, not %v", want.figure, want.budget, got, want.value)
		}
	}

	f.Report(number.Spec.PhoneNumber, report.Connection, "Offline")
	f.At(time.Second)
	f.Expect("nothing can be sent", budgetLines(f.Portfolio.Status.Budgets), []string{"logins 0 30 50 - 0", "campaigns 1 199 0 220 0"})
}

// Guarantees that are more together than the limit are cut from the last on, and the resource says which. They fit once the limit has risen.
func TestGuaranteesThatDoNotFitAreCut(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("taqnyat", func(n *v1alpha1.PhoneNumber) {
		n.Spec.Budgets = []v1alpha1.Budget{{Name: "first", Guaranteed: users(200)}, {Name: "second", Guaranteed: percent(40)}, {Name: "third", Guaranteed: users(5)}}
	})
	b.Evaluate(number)
	b.ExpectFit(number.Status.Conditions, v1alpha1.ReasonGuaranteesExceedLimit,
		"The budgets guarantee more together than the limit of 250: second has 50 users instead of 100, third has 0 users instead of 5. Lower what is guaranteed.")
	b.Report(number.Spec.PhoneNumber, report.Limit, "1000")
	b.Evaluate(number)
	b.ExpectFit(number.Status.Conditions, v1alpha1.ReasonGuaranteesFit, "")
	lines := budgetLines(number.Status.Budgets)
	if want := []string{"first 0 0 200 - 595", "second 0 0 400 - 795", "third 0 0 5 - 400"}; !slices.Equal(lines, want) {
		t.Errorf("%q, not %q", lines, want)
	}
	b.Report(number.Spec.PhoneNumber, report.Limit, "Unlimited")
	b.Evaluate(number)
	b.ExpectFit(number.Status.Conditions, v1alpha1.ReasonGuaranteesFit, "")
	if *number.Status.Budgets[0].Guaranteed != 0 || number.Status.Budgets[0].Remaining != nil {
		t.Errorf("%q where there is no limit", budgetLines(number.Status.Budgets))
	}
}

// A number that shares the limit of a portfolio says that its budgets are not used.
func TestBudgetsOfANumberThatSharesALimitAreNotUsed(t *testing.T) {
	f := controllertest.NewFleet(t)
	number := f.Number(func(n *v1alpha1.PhoneNumber) { n.Spec.Budgets = []v1alpha1.Budget{{Name: "none", Maximum: users(0)}} })
	f.Settle()
	f.ExpectFit(number.Status.Conditions, v1alpha1.ReasonLimitShared, "the budgets of the number are not used")
	if got := f.Why(number); got != counts.Reserved || len(number.Status.Budgets) > 0 {
		t.Errorf("%s, with the budgets %q", got, budgetLines(number.Status.Budgets))
	}
	number.Spec.Budgets = nil
	f.Must(f.Client.Update(f.Ctx, number))
	f.Settle()
	f.ExpectFit(number.Status.Conditions, "", "")
}

// Deliveries that nobody reserved are charged to the budget of their number's namespace and of their category, beyond its maximum too. A
// portfolio without numbers has budgets of which nothing remains.
func TestDeliveriesThatNobodyReservedAreCharged(t *testing.T) {
	f := controllertest.NewFleet(t)
	f.Portfolio.Spec.Budgets = []v1alpha1.Budget{
		{Name: "elsewhere", Namespaces: []string{"elsewhere"}, Maximum: users(9)},
		{Name: "here", Namespaces: []string{f.Namespace}, Categories: []v1alpha1.MessageCategory{"Utility"}, Maximum: users(2)},
	}
	f.Must(f.Client.Update(f.Ctx, f.Portfolio))
	f.Settle()
	f.Expect("no numbers", budgetLines(f.Portfolio.Status.Budgets), []string{"elsewhere 0 0 0 9 0", "here 0 0 0 2 0"})

	number := f.Number()
	f.Settle()
	now := f.FakeClock.Now()
	var batch counts.Batch
	for i, category := range []counts.Category{counts.Utility, counts.Utility, counts.Utility, counts.Marketing} {
		batch.Entries = append(batch.Entries, counts.Entry{Number: number.Spec.PhoneNumber, Kind: counts.Delivered, Category: category,
			User: counts.UserKey(i + 1001), Message: counts.MessageKey(i + 1001), At: now.Unix()})
	}
	_, err := f.Ledger.Append(f.Ctx, batch, now)
	f.Must(err)
	f.Settle()
	f.Expect("three of Utility, one of Marketing", budgetLines(f.Portfolio.Status.Budgets), []string{"elsewhere 0 0 0 9 9", "here 3 0 0 2 0"})
	if why := f.Why(number, inCategory(counts.Utility)); why != string(v1alpha1.RoomBudgetReached) {
		t.Errorf("a message of the budget: %s", why)
	}
	if why := f.Why(number, inCategory(counts.Marketing)); why != counts.Reserved {
		t.Errorf("a message of none: %s", why)
	}
}
