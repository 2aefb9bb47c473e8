package meta

import (
	"slices"

	"github.com/valyala/fastjson"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// displayName reads a value of the field phone_number_name_update: how the review of the name that users see ended.
func (r *reader) displayName(value *fastjson.Value) error {
	if err := r.readNumber(value, "display_phone_number"); err != nil {
		return err
	}
	decision, err := r.decision(value)
	if err != nil {
		return err
	}
	reason, err := r.phrase(value, "rejection_reason")
	if err != nil {
		return err
	}
	return r.report(report.Report{Subject: report.ParseSubject(r.number), Kind: report.DisplayName, Value: decision, Reason: reason})
}

// quality reads a value of the field phone_number_quality_update. Today Meta sends it when the throughput changes, with
// ONBOARDING and THROUGHPUT_UPGRADE; the other events are of the years before October 2025.
func (r *reader) quality(value *fastjson.Value) error {
	if err := r.readNumber(value, "display_phone_number"); err != nil {
		return err
	}
	written := value.Get("event")
	name, ok := text(written)
	if !ok || name == "" {
		return r.badValue("event", "a string that is not empty", written)
	}
	at, err := r.entryTime()
	if err != nil {
		return err
	}
	if err := r.count(1); err != nil {
		return err
	}
	say := func(event string, kind report.Kind, reported string) {
		r.u.Reports = append(r.u.Reports, report.Report{Subject: report.ParseSubject(r.number), Kind: kind, Value: reported, Reason: event, At: at})
	}
	// The events by the names that may be kept: what was read aliases the body.
	known := slices.Index(limitEvents, name)
	if known < 0 { // THROUGHPUT_UPGRADE among them: its TIER_UNLIMITED is the throughput's
		r.u.Skipped++
		return nil
	}
	event := limitEvents[known]
	limit, err := r.limit(value)
	if err != nil {
		return err
	}
	if event == "ONBOARDING" && limit == report.LimitValue(report.Unlimited) {
		limit = "" // the throughput's as well: a number does not begin without a limit
	}
	switch event {
	case "FLAGGED":
		say(event, report.Quality, string(v1alpha1.QualityLow))
		say(event, report.Connection, string(v1alpha1.StateFlagged))
	case "UNFLAGGED":
		// Meta does not say the new rating, only that it is low no more.
		say(event, report.Quality, string(v1alpha1.QualityMedium))
		say(event, report.Connection, string(v1alpha1.StateConnected))
	default:
		if limit == "" {
			r.u.Skipped++
		}
	}
	if limit != "" {
		say(event, report.Limit, limit)
	}
	return nil
}

// limitEvents are the events of phone_number_quality_update that may say the limit.
var limitEvents = []string{"FLAGGED", "UNFLAGGED", "UPGRADE", "DOWNGRADE", "ONBOARDING"}

// limitFields are what Meta calls the messaging limit, the newest name first: the others are to be removed, and tell less.
var limitFields = [...]string{"max_daily_conversations_per_business", "current_limit", "max_daily_conversation_per_phone"}

// limit is the messaging limit the value gives, by the newest name that says one: TIER_NOT_SET says nothing. It is empty if none
// does.
func (r *reader) limit(value *fastjson.Value) (string, error) {
	for _, name := range limitFields {
		written := value.Get(name)
		if absent(written) {
			continue
		}
		limit, ok := limitOf(written)
		if !ok {
			return "", r.badValue(name, "a tier such as TIER_2K or TIER_UNLIMITED, a positive whole number, or -1", written)
		}
		if limit != "" {
			return limit, nil
		}
	}
	return "", nil
}

// limitOf is the messaging limit that a number or a string says; empty for TIER_NOT_SET.
func limitOf(written *fastjson.Value) (limit string, ok bool) {
	if n, ok := integer(written); ok && written.Type() == fastjson.TypeNumber {
		return limitDigits(n)
	}
	s, ok := text(written)
	if !ok {
		return "", false
	}
	return parseLimit(s)
}
