package main

import (
	"fmt"
	"slices"
	"time"

	"numberfleet.dev/numberfleet/hack/torture/check"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// rate is what Meta says of a number's quality while the operator is down.
func (t *traffic) rate(n *number, until time.Time) (all []*request) {
	for range 1 + t.random.IntN(2) {
		at := t.reported(n, until)
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

// limit is what Meta says of the limit of a number, of its portfolio or of its account. That of an account is its portfolio's: a
// number whose limit is its own does not take it. And that of the throughput is none of messages.
func (t *traffic) limit(n *number, until time.Time) *request {
	at := t.reported(n, until)
	most := t.mostOf(n, at)
	p := &request{number: n, times: t.times()}
	switch dice := t.random.IntN(12); {
	case dice == 0:
		p.body = metatest.QualityUpdatePayload(n.phone, "THROUGHPUT_UPGRADE", "TIER_UNLIMITED", at)
	case dice < 4:
		event := []string{"UPGRADE", "DOWNGRADE"}[t.random.IntN(2)] // whichever it says, the limit is what counts
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

// verify is what Meta says of the verification of the business that a number belongs to. A partner's attempt that comes to
// nothing says nothing of it.
func (t *traffic) verify(n *number, until time.Time) *request {
	at := t.reported(n, until)
	p := &request{number: n, times: t.times()}
	switch dice := t.random.IntN(10); {
	case dice < 2:
		p.body = metatest.VerifiedAccountPayload(n.account, n.phone, at)
	case dice < 4:
		business := "3999" // whose verification is about no portfolio here
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

// alert is that Meta does not grant a portfolio an increase, or something else that it alerts to.
func (t *traffic) alert(n *number, until time.Time) *request {
	const answer = "INCREASED_CAPABILITIES_ELIGIBILITY_"
	alert := []string{answer + "DEFERRED", answer + "FAILED", answer + "NEED_MORE_INFO", "OBA_REJECTED"}[t.random.IntN(4)]
	at := t.reported(n, until)
	p := &request{number: n, times: t.times(), body: metatest.AccountAlertPayload(n.portfolio.id, alert, "why", at)}
	t.note(p)
	return p
}

// about is of whom an event is that is about a number, or about its portfolio as a whole.
func (t *traffic) about(n *number) string {
	if n.portfolio != nil && t.chance(0.5) {
		return fmt.Sprintf(`"portfolio":%q`, []string{n.portfolio.name, n.portfolio.id}[t.random.IntN(2)])
	}
	return fmt.Sprintf(`"number":%q`, n.phone)
}

// mostOf is a limit that Meta might say of a number: one beside the present one, that one, any, or one that no tier has.
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

// reported is when something is reported of a number, at an instant at which nothing else is of what shares its limit: no order
// is promised of two reports of one instant in two webhooks.
func (t *traffic) reported(n *number, until time.Time) time.Time {
	if n.portfolio != nil {
		return t.reportedOf(n.portfolio.name, until)
	}
	return t.reportedOf(n.phone, until)
}

func (t *traffic) reportedOf(whose string, until time.Time) time.Time {
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
