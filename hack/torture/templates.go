package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"numberfleet.dev/numberfleet/hack/torture/check"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// reportTemplate makes reports about a template that are possible in its present state. Low of a paused template is left out: only Meta
// knows whether it is the next step.
func (t *traffic) reportTemplate(of *template, until time.Time) (all []*request) {
	if t.chance(0.4) {
		return nil
	}
	var instants []time.Time
	for range 1 + t.random.IntN(3) {
		whose := of.title
		if p := of.owner.portfolio; p != nil {
			whose = p.name
		}
		instants = append(instants, t.freeInstantOf(whose, until))
	}
	slices.SortFunc(instants, time.Time.Compare)
	for _, at := range instants {
		_, standing := t.plan.ReplayTemplate(check.Template{Policy: t.fleet.policies[of.policy], Name: of.title}, at.Unix())
		possible := map[string][]string{
			"Approved": {"RED", "RED", "RED", "RED", "RED", "YELLOW", "GREEN", "UNKNOWN", "FLAGGED", "PENDING", "DISABLED", "PAUSED",
				"PAUSED FIRST_PAUSE", "PAUSED SECOND_PAUSE", "PAUSED RATE_LIMITING_PAUSE"},
			"Flagged":  {"RED", "YELLOW", "GREEN", "UNKNOWN", "PENDING", "APPROVED", "DISABLED"},
			"Paused":   {"YELLOW", "GREEN", "PENDING", "APPROVED", "APPROVED", "DISABLED"},
			"Blocked":  {"GREEN", "RED", "PENDING", "DISABLED", "APPROVED", "APPROVED", "APPROVED"},
			"Disabled": {"GREEN", "RED", "PENDING", "APPROVED", "APPROVED", "APPROVED"},
			"Pending":  {"GREEN", "RED", "PENDING", "APPROVED", "APPROVED", "APPROVED", "DISABLED"},
		}[standing.State]
		if of.owner.portfolio != nil {
			possible = []string{"RED", "YELLOW", "GREEN", "GREEN", "GREEN", "UNKNOWN"}
		}
		p := &request{number: of.owner, times: t.times()}
		t.templateReport(p, of, possible[t.random.IntN(len(possible))], at)
		t.note(p)
		all = append(all, p)
	}
	return all
}

// templateReport makes a request a webhook or an event that reports about a template, in Meta's words.
func (t *traffic) templateReport(p *request, of *template, what string, at time.Time) {
	rating := map[string]string{"GREEN": "High", "YELLOW": "Medium", "RED": "Low", "UNKNOWN": "Unknown"}[what]
	state := map[string]string{"APPROVED": "Approved", "PAUSED": "Paused", "DISABLED": "Disabled", "PENDING": "Edited"}[what]
	about := fmt.Sprintf(`"template":%q`, of.title)
	if t.chance(0.5) {
		about += fmt.Sprintf(`,"number":%q`, of.owner.phone)
	}
	event, title, _ := strings.Cut(what, " ")
	switch byEvent := t.chance(0.4); {
	case byEvent && rating != "":
		t.event(p, "template.reported", at, fmt.Sprintf(`{%s,"rating":%q}`, about, rating))
	case byEvent && state != "":
		t.event(p, "template.reported", at, fmt.Sprintf(`{%s,"state":%q}`, about, state))
	case rating != "":
		p.body = metatest.TemplateQualityPayload(of.owner.account, of.title, "en_US", "UNKNOWN", what, at)
	default:
		p.body = metatest.TemplateStatusPayload(of.owner.account, of.title, "en_US", event, title, at)
	}
}
