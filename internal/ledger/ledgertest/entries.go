package ledgertest

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

const (
	number = "+15550100001"
	day    = 24 * 60 * 60 // seconds
)

// begin is the time at which tests begin.
var begin = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

// someWindows are windows that make the edges of events meet.
func someWindows(t *rapid.T) counts.Windows {
	length := rapid.SampledFrom([]time.Duration{24 * time.Hour, time.Hour, 72 * time.Hour, time.Second, 0})
	return counts.Windows{
		Service: length.Draw(t, "service"), Conversation: length.Draw(t, "conversation"), CountReached: rapid.Bool().Draw(t, "reach"),
	}
}

// someTime is often the same as others, or apart from them by a window.
func someTime(t *rapid.T, from, to int64) int64 {
	at := from + rapid.Int64Range(0, (to-from)/3600).Draw(t, "hour")*3600
	return min(to, at+rapid.SampledFrom([]int64{0, 0, 0, 1, 1800}).Draw(t, "second"))
}

// someComplaint is one of a few.
func someComplaint(t *rapid.T) counts.Complaint {
	return rapid.SampledFrom([]counts.Complaint{
		counts.NewComplaint(v1alpha1.FeedbackBlock, v1alpha1.FeedbackSpam), counts.NewComplaint(v1alpha1.FeedbackBlock, v1alpha1.FeedbackOther),
		counts.NewComplaint(v1alpha1.FeedbackArchive, v1alpha1.FeedbackNoLongerNeeded),
	}).Draw(t, "did")
}

// someWord has some entries be a reply, of a category or of a chat.
func someWord(t *rapid.T, e *counts.Entry) {
	e.Reply = e.Kind == counts.Delivered && rapid.IntRange(0, 5).Draw(t, "reply") == 0
	if e.Kind == counts.Delivered {
		e.Category = rapid.SampledFrom([]counts.Category{counts.NoCategory, counts.NoCategory, counts.Marketing, counts.Authentication}).Draw(t, "category")
	}
	if (e.Kind == counts.Delivered || e.Kind == counts.Replied || e.Kind == counts.Received) && rapid.IntRange(0, 3).Draw(t, "in chat") == 0 {
		e.Chat = counts.ChatKey(rapid.Uint64Range(1, 2).Draw(t, "chat"))
	}
}

// someNumbers are one to three.
func someNumbers(t *rapid.T) []string {
	return []string{number, "+15550100002", "+15550100003"}[:rapid.IntRange(1, 3).Draw(t, "numbers")]
}

// someRecord is a record of any kind, with a clock that may be behind those before it.
func someRecord(t *rapid.T, numbers []string, now time.Time) *counts.Record {
	ids := rapid.SampledFrom([]string{brazilianID, "7002"})
	names := append(slices.Clone(numbers), report.NumberIDSubject(brazilianID).String(), report.NumberIDSubject("7002").String(), brazilianDisplayed)
	name := rapid.SampledFrom(names)
	r := &counts.Record{}
	switch rapid.IntRange(0, 14).Draw(t, "record") {
	case 0:
		r.Windows = []counts.NumberWindows{{Number: name.Draw(t, "configured"), Windows: someWindows(t)}}
	case 1:
		members := rapid.SliceOfDistinct(rapid.SampledFrom(numbers), rapid.ID).Draw(t, "members")
		r.Portfolios = []counts.Portfolio{{Name: rapid.SampledFrom([]string{"one", "two"}).Draw(t, "portfolio"), Numbers: members}}
	case 2:
		r.Claims = []counts.Claim{{ID: ids.Draw(t, "id"), Number: rapid.SampledFrom(append(slices.Clone(numbers), brazilian)).Draw(t, "claimed")}}
	case 3:
		r.Clock = now.UnixMilli()
		r.Displays = []counts.Display{{ID: ids.Draw(t, "id"), Number: brazilianDisplayed}}
	case 4:
		r.Clock = now.UnixMilli()
		for range rapid.IntRange(1, 3).Draw(t, "reports") {
			r.Reports = append(r.Reports, report.Report{
				Subject: report.ParseSubject(name.Draw(t, "reported")), Kind: rapid.SampledFrom([]report.Kind{report.Quality, report.Limit}).Draw(t, "kind"),
				At: someTime(t, now.Add(-counts.Kept).Unix(), now.Unix()), Value: rapid.SampledFrom([]string{"Low", "250"}).Draw(t, "value"),
			})
		}
	case 5, 6:
		r.Settings = someSettings(t, append(slices.Clone(numbers), name.Draw(t, "set")), now)
	case 7, 8, 9:
		r.Clock = now.UnixMilli()
		for range rapid.IntRange(1, 4).Draw(t, "operations") {
			r.Operations = append(r.Operations, someOperation(t, names, 8))
		}
	default:
		r.Clock = now.UnixMilli()
		for range rapid.IntRange(1, 12).Draw(t, "entries") {
			r.Entries = append(r.Entries, someEntry(t, names, 8, someTime(t, now.Add(-counts.Kept-counts.Lateness).Unix(), now.Unix()+3600)))
		}
	}
	return r
}

// someEntry is one of any kind, of so many users who are one with each other now and then.
func someEntry(t *rapid.T, numbers []string, people uint64, at int64) counts.Entry {
	e := counts.Entry{
		Number: rapid.SampledFrom(numbers).Draw(t, "number"),
		Kind: rapid.SampledFrom([]counts.Kind{counts.Delivered, counts.Delivered, counts.Delivered, counts.Received, counts.Received,
			counts.Complained, counts.AliasLinked, counts.Replied, counts.Failed}).Draw(t, "kind"),
		User: counts.UserKey(rapid.Uint64Range(1, people).Draw(t, "user")),
		At:   at,
	}
	if rapid.IntRange(0, 9).Draw(t, "alias") == 0 || e.Kind == counts.AliasLinked {
		e.Alias = counts.UserKey(rapid.Uint64Range(1, people).Draw(t, "of"))
	}
	if e.Kind != counts.Received && e.Kind != counts.AliasLinked {
		e.Message = counts.MessageKey(rapid.Uint64Range(1, 30).Draw(t, "message"))
	}
	if e.Kind == counts.Complained {
		e.Complaint = someComplaint(t)
	}
	someWord(t, &e)
	return e
}
