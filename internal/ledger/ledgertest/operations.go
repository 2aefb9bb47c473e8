package ledgertest

import (
	"encoding/binary"
	"time"

	"pgregory.net/rapid"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

// someSettings are of one limit, sender, template or pool.
func someSettings(t *rapid.T, numbers []string, now time.Time) (s counts.Settings) {
	removed := rapid.IntRange(0, 9).Draw(t, "removed") == 0
	switch rapid.IntRange(0, 5).Draw(t, "setting") {
	case 5:
		pool := counts.PoolSetting{Name: somePool(t), Removed: removed}
		if !removed {
			pool = somePoolSetting(t, pool.Name, numbers)
		}
		s.Pools = []counts.PoolSetting{pool}
	case 0:
		template := counts.TemplateSetting{Name: someTemplateName(t), Removed: removed}
		if !removed {
			template.Category, template.Obstacle = someCategory(t), someObstacle(t, now)
		}
		s.Templates = []counts.TemplateSetting{template}
	case 1, 2:
		sender := counts.SenderSetting{Number: someOf(t, numbers), Removed: removed}
		if !removed {
			sender.Namespace, sender.Account, sender.Obstacle = someOf(t, namespaces), someOf(t, accounts), someObstacle(t, now)
			sender.Quality = someOf(t, []v1alpha1.QualityRating{v1alpha1.QualityHigh, v1alpha1.QualityLow})
		}
		s.Senders = []counts.SenderSetting{sender}
	default:
		subject := someOf(t, append([]string{counts.PortfolioKey("one"), counts.PortfolioKey("two")}, numbers...))
		limit := counts.LimitSetting{Subject: subject, Removed: removed}
		if !removed {
			limit = someLimit(t, subject, now)
		}
		s.Limits = []counts.LimitSetting{limit}
	}
	return s
}

var (
	namespaces = []string{"auth", "shop"}
	accounts   = []string{"1", "2", ""}
	templates  = []counts.Template{{}, {Name: "code", Language: "en", Account: "1"}, {Name: "news", Language: "en", Account: "2"}}
)

func someOf[T any](t *rapid.T, all []T) T { return rapid.SampledFrom(all).Draw(t, "one of") }

// someLimit is so small that it is reached.
func someLimit(t *rapid.T, subject string, now time.Time) counts.LimitSetting {
	l := counts.LimitSetting{
		Subject: subject, Limit: rapid.Int64Range(0, 4).Draw(t, "limit"), Window: 24 * time.Hour,
		Measure:  rapid.SampledFrom([]v1alpha1.Measure{v1alpha1.MeasureUniqueUsers, v1alpha1.MeasureConversations}).Draw(t, "of"),
		Obstacle: someObstacle(t, now), ReleaseUnconfirmed: rapid.Bool().Draw(t, "release"), Shadow: rapid.IntRange(0, 9).Draw(t, "shadow") == 0,
	}
	for _, name := range []string{"first", "second", "third"}[:rapid.IntRange(0, 3).Draw(t, "budgets")] {
		l.Budgets = append(l.Budgets, counts.BudgetSetting{
			Name: name, Guaranteed: someAmount(t), Maximum: someAmount(t),
			Namespaces: rapid.SampledFrom([][]string{nil, namespaces[:1], namespaces[1:]}).Draw(t, "namespaces"),
			Categories: rapid.SampledFrom([][]counts.Category{nil, {counts.Marketing}, {counts.Utility, counts.NoCategory}}).Draw(t, "categories"),
		})
	}
	return l
}

func somePool(t *rapid.T) string { return counts.PoolName(someOf(t, namespaces), "all") }

func somePoolSetting(t *rapid.T, name string, numbers []string) counts.PoolSetting {
	p := counts.PoolSetting{
		Name: name, Strategy: someOf(t, []counts.Strategy{counts.Sticky, counts.LeastUsed, counts.Weighted}),
		MinimumQuality: someOf(t, []v1alpha1.QualityRating{"", v1alpha1.QualityMedium}),
		Categories:     someOf(t, [][]counts.Category{nil, nil, {counts.Marketing, counts.NoCategory}}),
	}
	for _, number := range numbers {
		p.Members = append(p.Members, counts.PoolMember{Number: number, Weight: someOf(t, []uint32{0, 1, 5})})
	}
	return p
}

func someAmount(t *rapid.T) counts.Amount {
	return rapid.SampledFrom([]counts.Amount{{}, {}, {Set: true, N: 1}, {Set: true, N: 2}, {Set: true, N: 50, Percent: true}}).Draw(t, "amount")
}

// someObstacle is mostly none.
func someObstacle(t *rapid.T, now time.Time) counts.Obstacle {
	return rapid.SampledFrom([]counts.Obstacle{
		{}, {}, {}, {}, {}, {}, {Reason: v1alpha1.RoomBlocked, Replies: true}, {Reason: v1alpha1.RoomAccountRestricted, Until: now.Unix() + 60},
		{Reason: v1alpha1.RoomLimitReached},
	}).Draw(t, "obstacle")
}

func someTemplateName(t *rapid.T) string {
	template := someOf(t, templates[1:])
	return counts.TemplateName(someOf(t, namespaces), report.TemplateSubject(someOf(t, accounts[:2]), template.Name, template.Language).String())
}

func someCategory(t *rapid.T) counts.Category {
	return rapid.SampledFrom([]counts.Category{counts.NoCategory, counts.NoCategory, counts.Marketing, counts.Utility, counts.Service}).Draw(t, "category")
}

// someOperation is about a few reservations.
func someOperation(t *rapid.T, numbers []string, people uint64) counts.Operation {
	id := counts.ReservationID{0, byte(rapid.IntRange(1, 20).Draw(t, "reservation"))}
	o := counts.Operation{ID: id, Kind: rapid.SampledFrom([]counts.OperationKind{counts.Reserve, counts.Reserve, counts.Reserve, counts.Confirm, counts.Release}).Draw(t, "operation")}
	switch o.Kind {
	case counts.Reserve:
		o.Number, o.User = rapid.SampledFrom(numbers).Draw(t, "number"), counts.UserKey(rapid.Uint64Range(1, people).Draw(t, "user"))
		o.Template, o.Category, o.Free = someOf(t, templates), someCategory(t), rapid.IntRange(0, 9).Draw(t, "free") == 0
		if rapid.IntRange(0, 3).Draw(t, "from a pool") == 0 {
			o.Number, o.Pool = "", somePool(t)
		}
		o.TTL = rapid.SampledFrom([]uint32{0, 60, 600, 7200, day}).Draw(t, "ttl")
		if rapid.IntRange(0, 5).Draw(t, "again") == 0 {
			o.Key = rapid.Uint64Range(1, 3).Draw(t, "key")
		}
	case counts.Confirm:
		o.Message = counts.MessageKey(rapid.Uint64Range(1, 30).Draw(t, "message"))
	case counts.Release:
	}
	return o
}

// someMessage is one of two that may be sent under a reservation, and under no other.
func someMessage(t *rapid.T, of counts.ReservationID) counts.MessageKey {
	return 1000 + 2*counts.MessageKey(binary.BigEndian.Uint16(of[:])) + counts.MessageKey(rapid.Uint64Range(0, 1).Draw(t, "message"))
}
