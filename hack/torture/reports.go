package main

import (
	"fmt"
	"slices"
	"time"

	"numberfleet.dev/numberfleet/hack/torture/check"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// reportRatings makes reports of a number's quality during the downtime.
func (t *traffic) reportRatings(n *number, until time.Time) (all []*request) {
	for range 1 + t.random.IntN(2) {
		at := t.freeInstant(n, until)
		p := &request{number: n, times: t.times()}
		limit := ""
		if t.chance(0.3) {
			limit = text(t.mostOf(n, at))
		}
		switch t.random.IntN(5) {
		case 0:
			p.body = metatest.QualityUpdatePayload(n.phone, "FLAGGED", limit, at)
		case 1:
			p.body = metatest.QualityUpdatePayload(n.phone, "UNFLAGGED", limit, at)
		default:
			rating := []string{"High", "Medium", "Low", "High"}[t.random.IntN(4)]
			t.event(p, "quality.reported", at, fmt.Sprintf(`{"number":%q,"rating":%q}`, n.phone, rating))
		}
		all = append(all, p)
		t.note(p)
	}
	return all
}

// reportLimit makes a report of the limit of a number, its portfolio or its account. The limit of an account is that of its portfolio: a
// number with its own limit does not take it. A throughput tier is not a limit.
func (t *traffic) reportLimit(n *number, until time.Time) *request {
	at := t.freeInstant(n, until)
	most := t.mostOf(n, at)
	p := &request{number: n, times: t.times()}
	switch dice := t.random.IntN(12); {
	case dice == 0:
		p.body = metatest.QualityUpdatePayload(n.phone, "THROUGHPUT_UPGRADE", "TIER_UNLIMITED", at)
	case dice < 4:
		event := []string{"UPGRADE", "DOWNGRADE"}[t.random.IntN(2)] // only the limit counts
		p.body = metatest.QualityUpdatePayload(n.phone, event, text(most), at)
	case dice < 7:
		of := any(most)
		switch {
		case t.chance(0.5):
			of = text(most)
		case most == 0:
			of = -1
		}
		p.body = metatest.CapabilityPayload(n.account, of, at)
	default:
		data := t.about(n)
		if most > 0 {
			data += fmt.Sprintf(`,"limit":%d`, most)
		}
		t.event(p, "limit.reported", at, "{"+data+"}")
	}
	t.note(p)
	return p
}

// reportVerification makes a report of the verification of a number's business. A partner's failed attempt reports nothing.
func (t *traffic) reportVerification(n *number, until time.Time) *request {
	at := t.freeInstant(n, until)
	p := &request{number: n, times: t.times()}
	switch dice := t.random.IntN(10); {
	case dice < 2:
		p.body = metatest.VerifiedAccountPayload(n.account, n.phone, at)
	case dice < 4:
		business := "3999" // of no portfolio here
		if n.portfolio != nil {
			business = n.portfolio.id
		}
		p.body = metatest.CertificationPayload(n.account, business, []string{"APPROVED", "APPROVED", "PENDING", "FAILED"}[t.random.IntN(4)], at)
	default:
		business := []string{"Verified", "Unverified", "Pending", "Rejected"}[max(0, t.random.IntN(6)-2)]
		t.event(p, "verification.reported", at, fmt.Sprintf(`{%s,"business":%q}`, t.about(n), business))
	}
	t.note(p)
	return p
}

// reportAlert makes an alert: Meta does not grant a portfolio an increase, or something else.
func (t *traffic) reportAlert(n *number, until time.Time) *request {
	const answer = "INCREASED_CAPABILITIES_ELIGIBILITY_"
	alert := []string{answer + "DEFERRED", answer + "FAILED", answer + "NEED_MORE_INFO", "OBA_REJECTED"}[t.random.IntN(4)]
	at := t.freeInstant(n, until)
	p := &request{number: n, times: t.times(), body: metatest.AccountAlertPayload(n.portfolio.id, alert, "why", at)}
	t.note(p)
	return p
}

// about is the subject of an event: a number or its portfolio.
func (t *traffic) about(n *number) string {
	if n.portfolio != nil && t.chance(0.5) {
		return fmt.Sprintf(`"portfolio":%q`, []string{n.portfolio.name, n.portfolio.id}[t.random.IntN(2)])
	}
	return fmt.Sprintf(`"number":%q`, n.phone)
}

// mostOf is a limit that Meta might report: the present one, one beside it, any, or one of no tier.
func (t *traffic) mostOf(n *number, now time.Time) int64 {
	ladder := t.fleet.policies[n.policy].Spec.Tiers
	at := slices.IndexFunc(ladder, func(rung check.Tier) bool { return rung.Limit == t.standing(n, now).Limit })
	switch dice := t.random.IntN(10); {
	case dice < 6 && at >= 0:
		at = min(max(0, at+t.random.IntN(3)-1), len(ladder)-1)
	case dice < 8 || n.late: // checkOrder knows only the limits of tiers
		at = t.random.IntN(len(ladder))
	case dice == 8:
		return []int64{15, 50, 75, 1500, 2000}[t.random.IntN(5)]
	default:
		return ladder[0].Limit * 3 / 2
	}
	return ladder[at].Limit
}

// text is a limit as Meta writes it.
func text(limit int64) string {
	switch {
	case limit == 0:
		return "TIER_UNLIMITED"
	case limit%1000 == 0:
		return fmt.Sprintf("TIER_%dK", limit/1000)
	}
	return fmt.Sprintf("TIER_%d", limit)
}

// freeInstant is an instant without another report about what shares the number's limit. The order of two reports of one instant is not
// promised.
func (t *traffic) freeInstant(n *number, until time.Time) time.Time {
	if n.portfolio != nil {
		return t.freeInstantOf(n.portfolio.name, until)
	}
	return t.freeInstantOf(n.phone, until)
}

func (t *traffic) freeInstantOf(whose string, until time.Time) time.Time {
	for {
		at := t.between(t.last.Add(quietFor), until.Add(-time.Minute))
		if of := fmt.Sprint(whose, at.Unix()); !t.told[of] {
			t.told[of] = true
			return at
		}
	}
}

// event makes a request an event.
func (t *traffic) event(p *request, what string, at time.Time, data string) {
	t.serial++
	p.event = true
	p.body = fmt.Appendf(nil, `{"specversion":"1.0","id":"%d","source":"/torture","type":"dev.numberfleet.%s.v1","time":%q,"data":%s}`,
		t.serial, what, at.Format(time.RFC3339), data)
}
