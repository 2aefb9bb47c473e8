package counts

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// gateSettings and gateOperations have every field of settings and operations.
var (
	gateSettings = Settings{
		Limits: []LimitSetting{
			{
				Subject: number, Limit: 1000, Measure: v1alpha1.MeasureConversations, Window: 24 * time.Hour, ReleaseUnconfirmed: true, Shadow: true, AllowUnreserved: true,
				Obstacle: Obstacle{Reason: v1alpha1.RoomAccountRestricted, Until: begin.Unix(), Replies: true},
				Budgets: []BudgetSetting{
					{
						Name: "logins", Namespaces: []string{"auth", "shop"}, Categories: []Category{Authentication, Utility},
						Guaranteed: Amount{Set: true, N: 20, Percent: true}, Maximum: Amount{Set: true, N: 300},
					},
					{Name: "rest", AllowUnreserved: true},
				},
			},
			{Subject: PortfolioKey("p"), Measure: v1alpha1.MeasureUniqueUsers, Window: Kept, Budgets: []BudgetSetting{{Name: "all", AllowUnreserved: true}}},
			{Subject: PortfolioKey("gone"), Removed: true},
		},
		Senders: []SenderSetting{
			{Number: number, Namespace: "shop", Account: "1", Quality: v1alpha1.QualityLow, Obstacle: Obstacle{Reason: v1alpha1.RoomLimitReached}},
			{Number: "+1", Removed: true},
		},
		Templates: []TemplateSetting{
			{Name: "code", Category: Authentication, Obstacle: Obstacle{Reason: v1alpha1.RoomTemplatePaused, Until: begin.Unix()}},
			{Name: "gone", Removed: true},
		},
		Pools: []PoolSetting{
			{Name: "shop/all", Strategy: Weighted, MinimumQuality: v1alpha1.QualityMedium, Categories: []Category{Utility, Marketing}, Members: []PoolMember{
				{Number: number, Weight: v1alpha1.MostWeight}, {Number: "+1"},
			}},
			{Name: "shop/gone", Removed: true},
		},
	}
	gateOperations = []Operation{
		{Kind: Reserve, ID: ReservationID{1}, Number: number, User: 1, Template: Template{Name: "code", Language: "en_US", Account: "1"}, Category: Utility, TTL: uint32(MostTTL / time.Second), Key: math.MaxUint64},
		{Kind: Reserve, ID: ReservationID{2}, Number: number, User: math.MaxUint64, Free: true},
		{Kind: Reserve, ID: ReservationID{3}, Pool: "shop/all", User: 1, Template: Template{Name: "code"}},
		{Kind: Reserve, ID: ReservationID{4}, Pool: "shop/all", User: 1, Without: []MemberRefusal{{Number: number, Why: Throttled, Until: begin.Unix()}, {Number: "+1", Why: "NotConfigured"}}},
		{Kind: Confirm, ID: ReservationID{1}, Message: 5},
		{Kind: Release, ID: ReservationID{2}},
	}
)

// Settings and operations are read from the journal as they were written.
func TestSettingsAndOperationsAreReadAsWritten(t *testing.T) {
	want := Record{Clock: 1, Settings: gateSettings, Operations: gateOperations}
	var got Record
	for range 2 { // nothing is left of what a record held before
		if err := got.readOne(rowOf(&want)); err != nil {
			t.Fatal(err)
		}
		got.Entries, got.Reports = nil, nil // a record keeps their room
		if !reflect.DeepEqual(got, want) {
			t.Errorf("it is read as\n%+v\nand was\n%+v", got, want)
		}
	}
}

// Settings and operations that no proposer makes are not read.
func TestImpossibleSettingsAndOperationsAreNotRead(t *testing.T) {
	limit := func(change func(l *LimitSetting)) Record {
		l := LimitSetting{Subject: number, Limit: 1, Measure: v1alpha1.MeasureUniqueUsers, Window: time.Hour}
		change(&l)
		return Record{Settings: Settings{Limits: []LimitSetting{l}}}
	}
	budget := func(change func(b *BudgetSetting)) Record {
		return limit(func(l *LimitSetting) {
			l.Budgets = []BudgetSetting{{Name: "one"}, {Name: "two"}}
			change(&l.Budgets[1])
		})
	}
	sender := func(s SenderSetting) Record { return Record{Settings: Settings{Senders: []SenderSetting{s}}} }
	template := func(s TemplateSetting) Record {
		return Record{Settings: Settings{Templates: []TemplateSetting{s}}}
	}
	reserve := func(change func(o *Operation)) Record {
		o := gateOperations[0]
		change(&o)
		return Record{Operations: []Operation{o}}
	}
	long := strings.Repeat("a", maxName+1)
	for name, test := range map[string]struct {
		record Record
		want   string // in the error; empty where it is read
	}{
		"a limit":                          {limit(func(*LimitSetting) {}), ""},
		"a limit of nothing":               {limit(func(l *LimitSetting) { l.Subject = "" }), "its subject is empty"},
		"a limit with a long name":         {limit(func(l *LimitSetting) { l.Subject = long }), "its subject is empty or too long"},
		"a limit below zero":               {limit(func(l *LimitSetting) { l.Limit = -1 }), "it is negative"},
		"a limit over no time":             {limit(func(l *LimitSetting) { l.Window = 0 }), "its window"},
		"a limit over all that is kept":    {limit(func(l *LimitSetting) { l.Window = Kept }), ""},
		"a limit over more than is kept":   {limit(func(l *LimitSetting) { l.Window = Kept + time.Second }), "its window"},
		"an obstacle before 1970":          {limit(func(l *LimitSetting) { l.Obstacle = Obstacle{Reason: v1alpha1.RoomBlocked, Until: -1} }), "its obstacle"},
		"a long obstacle":                  {limit(func(l *LimitSetting) { l.Obstacle.Reason = v1alpha1.RoomReason(long) }), "its obstacle"},
		"the most budgets":                 {limit(func(l *LimitSetting) { l.Budgets = budgetsOf(maxBudgets) }), ""},
		"too many budgets":                 {limit(func(l *LimitSetting) { l.Budgets = budgetsOf(maxBudgets + 1) }), "more than 32 budgets"},
		"a budget":                         {budget(func(*BudgetSetting) {}), ""},
		"a budget without a name":          {budget(func(b *BudgetSetting) { b.Name = "" }), "its budget 1"},
		"two budgets of one name":          {budget(func(b *BudgetSetting) { b.Name = "one" }), "its budget 1"},
		"a budget of an unknown category":  {budget(func(b *BudgetSetting) { b.Categories = []Category{categories} }), "its budget 1"},
		"a guarantee of everything":        {budget(func(b *BudgetSetting) { b.Guaranteed = Amount{Set: true, N: 100, Percent: true} }), ""},
		"a guarantee of more":              {budget(func(b *BudgetSetting) { b.Guaranteed = Amount{Set: true, N: 101, Percent: true} }), "its budget 1"},
		"a maximum below zero":             {budget(func(b *BudgetSetting) { b.Maximum = Amount{Set: true, N: -1} }), "its budget 1"},
		"a sender":                         {sender(SenderSetting{Number: number}), ""},
		"a sender without a number":        {sender(SenderSetting{Namespace: "a"}), "the sender 0"},
		"a template":                       {template(TemplateSetting{Name: "a"}), ""},
		"a template without a name":        {template(TemplateSetting{Category: Utility}), "the template 0"},
		"a template of unknown category":   {template(TemplateSetting{Name: "a", Category: categories}), "the template 0"},
		"a reservation":                    {reserve(func(*Operation) {}), ""},
		"an operation of no kind":          {reserve(func(o *Operation) { o.Kind = 0 }), "an operation is impossible"},
		"an operation of an unknown kind":  {reserve(func(o *Operation) { o.Kind = Release + 1 }), "an operation is impossible"},
		"a reservation without an id":      {reserve(func(o *Operation) { o.ID = ReservationID{} }), "an operation is impossible"},
		"a reservation of no number":       {reserve(func(o *Operation) { o.Number = "" }), "an operation is impossible"},
		"a reservation of a long number":   {reserve(func(o *Operation) { o.Number = long }), "an operation is impossible"},
		"a reservation for nobody":         {reserve(func(o *Operation) { o.User = 0 }), "an operation is impossible"},
		"a reservation of a long template": {reserve(func(o *Operation) { o.Template.Name = long }), "an operation is impossible"},
		"a reservation of no category":     {reserve(func(o *Operation) { o.Category = categories }), "an operation is impossible"},
		"a reservation of a day":           {reserve(func(o *Operation) { o.TTL = 24 * 60 * 60 }), ""},
		"a reservation of more":            {reserve(func(o *Operation) { o.TTL = 24*60*60 + 1 }), "an operation is impossible"},
		"a confirmation without a message": {Record{Operations: []Operation{{Kind: Confirm, ID: ReservationID{1}}}}, "an operation is impossible"},
		"a release of a free message":      {Record{Operations: []Operation{{Kind: Release, ID: ReservationID{1}, Free: true}}}, "an operation is impossible"},
	} {
		t.Run(name, func(t *testing.T) {
			var got Record
			expectRead(t, got.readOne(rowOf(&test.record)), test.want)
		})
	}
}

func budgetsOf(n int) []BudgetSetting {
	all := make([]BudgetSetting, n)
	for i := range all {
		all[i].Name = string(rune('A' + i))
	}
	return all
}

// An id of a reservation is read as it was written, and nothing else is read as one.
func FuzzParseReservationID(f *testing.F) {
	f.Add(ReservationID{1, 0xab}.String())
	f.Add(ReservationID{}.String())
	f.Add("")
	f.Add("01AB0000000000000000000000000000")
	f.Fuzz(func(t *testing.T, text string) {
		id, ok := ParseReservationID(text)
		if ok && (id == ReservationID{} || id.String() != strings.ToLower(text)) {
			t.Errorf("%q is read as %s", text, id)
		}
		var written ReservationID
		copy(written[:], text)
		if got, ok := ParseReservationID(written.String()); got != written || ok != (written != ReservationID{}) {
			t.Errorf("%s is read as %s, %t", written, got, ok)
		}
	})
}
