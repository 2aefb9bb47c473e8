package meta

import (
	"slices"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/identity"
	"numberfleet.dev/numberfleet/internal/report"
)

// What Meta says of a WhatsApp Business account names no number, but for a few events: the entry's id says which account it is. In
// what Meta tells a partner of a client, the entry's id is the partner's business, and waba_info says which account it is.

// capability reads a value of the field business_capability_update: the limit of the account's portfolio.
func (r *reader) capability(value *fastjson.Value) error {
	limit, err := r.limit(value)
	if err != nil || limit == "" {
		return err
	}
	return r.ofAccount(report.Report{Kind: report.Limit, Value: limit})
}

// accountReview reads a value of the field account_review_update.
func (r *reader) accountReview(value *fastjson.Value) error {
	decision, err := r.decision(value)
	if err != nil {
		return err
	}
	return r.ofAccount(report.Report{Kind: report.Review, Value: decision})
}

// accountUpdate reads a value of the field account_update. Events about prices, terms, places, apps and advertisements say nothing
// of what the numbers may do; they are passed over.
func (r *reader) accountUpdate(value *fastjson.Value) error {
	event, err := r.word(value, "event")
	if err != nil {
		return err
	}
	if named := value.Get("waba_info", "waba_id"); !absent(named) {
		if _, err := r.identifier(value, "waba_info", "waba_id"); err != nil {
			return err
		}
		r.account = named
	}
	switch event {
	case "ACCOUNT_RESTRICTION":
		return r.restrictions(value)
	case "ACCOUNT_VIOLATION":
		violation, err := r.word(value, "violation_info", "violation_type")
		if err != nil {
			return err
		}
		return r.ofAccount(report.Report{Kind: report.Violation, Value: violation})
	case "DISABLED_UPDATE":
		return r.ban(value)
	case "VERIFIED_ACCOUNT":
		return r.ofNumber(value, report.Report{Kind: report.Verification, Value: string(v1alpha1.Verified), Reason: event})
	case "PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE":
		return r.certification(value)
	}
	if state, known := accountStates[event]; known {
		return r.disconnection(value, event, state)
	}
	if state, known := partnerStates[event]; known && !(absent(value.Get("phone_number")) && absent(value.Get("disconnection_info"))) {
		return r.disconnection(value, event, state)
	}
	return nil
}

// disconnection reads an event that says whether numbers work, with the reason why they do not: one that is shared with the
// WhatsApp Business app can leave the API by itself.
func (r *reader) disconnection(value *fastjson.Value, event string, state v1alpha1.State) error {
	why, err := r.phrase(value, "disconnection_info", "reason")
	if err != nil {
		return err
	}
	by, err := r.phrase(value, "disconnection_info", "initiated_by")
	if err != nil {
		return err
	}
	reason := event
	if why != "" {
		reason += ", " + why
	}
	if by != "" {
		reason += ", initiated by " + by
	}
	return r.ofNumber(value, report.Report{Kind: report.AccountConnection, Value: string(state), Reason: cut(reason)})
}

func (r *reader) ban(value *fastjson.Value) error {
	state, err := r.word(value, "ban_info", "waba_ban_state")
	if err != nil {
		return err
	}
	date, err := r.phrase(value, "ban_info", "waba_ban_date") // in prose, such as April 17, 2025
	if err != nil {
		return err
	}
	if err := r.ofAccount(report.Report{Kind: report.Ban, Value: state, Reason: date}); err != nil {
		return err
	}
	if banned, known := banStates[state]; known {
		return r.ofAccount(report.Report{Kind: report.AccountConnection, Value: string(banned), Reason: state})
	}
	return nil
}

// restrictions reads what is restricted. An empty list says that nothing is any more.
func (r *reader) restrictions(value *fastjson.Value) error {
	const list = "restriction_info"
	items := value.Get(list)
	if absent(items) {
		return nil
	}
	if items.Type() != fastjson.TypeArray {
		return r.badValue(list, "an array", items)
	}
	all := items.GetArray()
	if len(all) == 0 {
		return r.ofAccount(report.Report{Kind: report.Restriction, Value: report.NothingRestricted})
	}
	r.list = list
	var item *fastjson.Value
	for r.item, item = range all {
		if item.Type() != fastjson.TypeObject {
			return r.badItem("", "an object", item)
		}
		if err := r.restriction(item); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) restriction(item *fastjson.Value) error {
	written := item.Get("restriction_type")
	what, ok := word(written)
	if !ok || what == "" {
		return r.badItem("restriction_type", aWord, written)
	}
	reason, ok := phrase(item.Get("remediation"))
	if !ok {
		return r.badItem("remediation", "a string", item.Get("remediation"))
	}
	written = item.Get("expiration")
	until, prose, ok := expiry(written)
	if !ok {
		return r.badItem("expiration", "a time in Unix seconds or milliseconds, or as text", written)
	}
	if prose != "" {
		reason = prose
	}
	return r.ofAccount(report.Report{Kind: report.Restriction, Value: what, Reason: reason, Until: until})
}

// expirations are how Meta and those who relay its webhooks write a time as text. One without a zone is UTC.
var expirations = []string{time.RFC3339, "2006-01-02T15:04:05-0700", "2006-01-02T15:04:05", time.DateTime, time.DateOnly}

// expiry reads when something ends, in Unix seconds: zero where it does not. Text that is no time is given back as it came,
// since what ends at an unknown time is not over. False means that it is neither.
func expiry(v *fastjson.Value) (until int64, prose string, ok bool) {
	if absent(v) {
		return 0, "", true
	}
	if n, ok := integer(v); ok {
		if n > maxSeconds {
			n /= 1000
		}
		return max(0, n), "", n <= latestExpiry
	}
	written, ok := phrase(v)
	if !ok {
		return 0, "", false
	}
	for _, layout := range expirations {
		if at, err := time.Parse(layout, written); err == nil && at.Unix() > 0 && at.Unix() <= latestExpiry {
			return at.Unix(), "", true
		}
	}
	return 0, written, true
}

// latestExpiry is the last second of the year 9999, the last that has a date in JSON.
const latestExpiry = 253402300799

// ofNumber adds a report about the number that a value names, or about the account where it names none.
func (r *reader) ofNumber(value *fastjson.Value, said report.Report) error {
	written := value.Get("phone_number")
	if absent(written) {
		return r.ofAccount(said)
	}
	number := ""
	display, ok := text(written)
	if ok {
		number, ok = identity.E164(display)
	}
	if !ok {
		return r.badValue("phone_number", aNumber, written)
	}
	number = r.subject("", number)
	r.named(Named{Number: number})
	said.Subject = report.ParseSubject(number)
	return r.report(said)
}

// certification reads what became of a verification of the business by its solution provider. Only one that was approved
// says what the business is: one that failed or was dropped leaves it as it was verified otherwise.
func (r *reader) certification(value *fastjson.Value) error {
	const info = "partner_client_certification_info"
	status, err := r.word(value, info, "status")
	if err != nil {
		return err
	}
	said := report.Report{Kind: report.Verification, Value: status, Reason: reasons(value.Get(info, "rejection_reasons"))}
	if status == "APPROVED" {
		said.Value = string(v1alpha1.Verified)
	}
	if err := r.ofAccount(said); err != nil || absent(value.Get(info, "client_business_id")) {
		return err
	}
	business, err := r.identifier(value, info, "client_business_id")
	if err != nil {
		return err
	}
	said.Subject = report.PortfolioSubject(business)
	return r.report(said)
}

// reasons are those of a list in one text, for the caller to keep.
func reasons(list *fastjson.Value) string {
	var all []string
	for _, item := range list.GetArray() {
		if reason, ok := phrase(item); ok && reason != "" && reason != "NONE" && !slices.Contains(all, reason) && len(all) < 3 {
			all = append(all, reason[:min(len(reason), maxWordLength)])
		}
	}
	return strings.ToValidUTF8(strings.Join(all, ", "), "\uFFFD")
}

// ofAccount adds a report about the entry's account.
func (r *reader) ofAccount(said report.Report) error {
	account, err := r.accountID()
	if err != nil {
		return err
	}
	said.Subject = report.AccountSubject(account)
	return r.report(said)
}

func (r *reader) accountID() (string, error) {
	account, ok := identifier(r.account)
	if !ok {
		return "", r.badEntry("id", anID, r.account)
	}
	return account, nil
}

// decision is the decision of a review that a value gives, as it came where it is none of Meta's.
func (r *reader) decision(value *fastjson.Value) (string, error) {
	word, err := r.word(value, "decision")
	return string(Decision(word)), err
}
