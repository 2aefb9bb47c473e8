package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"numberfleet.dev/numberfleet/hack/torture/check"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// The time of a round, which is a leg of the fleet's life. It begins at an instant A, after hours or days in which the
// operator was down: what happened meanwhile comes then, all before the rules run. Some more comes ahead of its time, by less
// than the hour that the operator takes, and is lived through as the clock reaches it.
const (
	aheadFrom = 10 * time.Minute // after A
	aheadTo   = 45 * time.Minute
	liveUntil = 50 * time.Minute
	lastCall  = 6 * time.Hour // the operator's clock gets no further in a round
	quietFor  = 7 * time.Hour // nothing happens before that, after A
	nearest   = 9 * time.Hour // the next leg
)

// speed is how many times faster than real time the fleet lives in a leg.
const speed = 360

// parcel is one webhook, or one event, to be posted.
type parcel struct {
	number *number
	body   []byte
	event  bool
	after  time.Time // late numbers: the earliest fleet time at which it is posted
	times  int       // how often it is posted at least
	maim   int       // what is posted before it: see post
	live   bool      // posted while the rules run
}

// leg is what comes in one round.
type leg struct {
	at      time.Time
	parcels []*parcel // before the rules run
	live    []*parcel
}

// traffic makes the legs of an epoch. All that it does follows from its seed.
type traffic struct {
	random *rand.Rand
	fleet  *fleet
	plan   *check.Tape // all that was made so far
	last   time.Time   // A of the last leg
	serial int
	held   []*parcel // of late numbers, not yet posted
	known  map[string]bool
	told   map[string]bool // when something was reported of what shares a limit
}

func newTraffic(seed uint64, epoch int, f *fleet) *traffic {
	born := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, 120*epoch)
	random := rand.New(rand.NewPCG(seed, uint64(epoch))) // #nosec G404 -- to be replayed
	return &traffic{random: random, fleet: f, plan: check.NewTape(), last: born, known: map[string]bool{}, told: map[string]bool{}}
}

// next makes the next leg.
func (t *traffic) next() leg {
	l := leg{at: t.when()}
	var news []*parcel
	for _, n := range t.fleet.numbers {
		var happened []incident
		if n.rated && t.chance(0.35) || n.disliked && t.chance(0.04) {
			news = append(news, t.rate(n, l.at)...)
		}
		if t.chance(0.15) && (n.portfolio == nil || t.chance(0.5)) { // what is said of several numbers of a portfolio adds up
			news = append(news, t.limit(n, l.at))
		}
		if t.chance(0.08) {
			news = append(news, t.verify(n, l.at))
		}
		if n.portfolio != nil && t.chance(0.05) {
			news = append(news, t.alert(n, l.at))
		}
		for range t.random.IntN(3) {
			from := t.between(t.last.Add(quietFor), l.at.Add(-time.Minute))
			happened = append(happened, t.burst(n, t.size(n, l.at), from, l.at.Add(-time.Minute).Sub(from))...)
		}
		if t.chance(0.7) {
			happened = append(happened, t.burst(n, t.size(n, l.at)/2, l.at.Add(aheadFrom), aheadTo-aheadFrom)...)
		}
		news = append(news, t.pack(n, happened)...)
	}
	for _, of := range t.fleet.templates {
		l.parcels = append(l.parcels, t.wording(of, l.at)...)
	}
	for _, p := range news {
		switch {
		case !p.number.late:
			l.parcels = append(l.parcels, p)
		default:
			p.after = l.at.Add(time.Duration(t.random.Int64N(int64(7*24*time.Hour))) - 3*24*time.Hour)
			t.held = append(t.held, p)
		}
	}
	t.held = slices.DeleteFunc(t.held, func(p *parcel) bool {
		if p.after.After(l.at) {
			return false
		}
		if p.live = t.chance(0.6); p.live {
			l.live = append(l.live, p)
		} else {
			l.parcels = append(l.parcels, p)
		}
		return true
	})
	for _, all := range [][]*parcel{l.parcels, l.live} {
		t.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
	t.last = l.at
	return l
}

// when is the A of the next leg: some hours or days on, and often such that a deadline falls into it.
func (t *traffic) when() time.Time {
	jump := t.between(t.last.Add(nearest), t.last.Add(30*time.Hour))
	if t.chance(0.15) {
		jump = t.between(t.last.Add(30*time.Hour), t.last.Add(6*24*time.Hour))
	}
	if t.chance(0.5) {
		next := map[string]time.Time{} // by reason, so that those that are rare have their turn
		look := func(happens []check.Transition) {
			for _, h := range happens {
				at := time.Unix(h.At, 0).UTC().Add(-30 * time.Minute)
				if was, known := next[h.Reason]; at.After(t.last.Add(nearest)) && (!known || at.Before(was)) {
					next[h.Reason] = at
				}
			}
		}
		soon := t.last.Add(96 * time.Hour).Unix()
		for _, s := range t.fleet.subjects() {
			happens, _ := t.plan.Live(s, soon)
			look(happens)
		}
		for _, of := range t.fleet.wordings() {
			happens, _ := t.plan.LiveTemplate(of, soon)
			look(happens)
		}
		if len(next) > 0 {
			reasons := slices.Sorted(maps.Keys(next))
			return next[reasons[t.random.IntN(len(reasons))]]
		}
	}
	return jump
}

func (t *traffic) chance(of float64) bool { return t.random.Float64() < of }

func (t *traffic) between(from, to time.Time) time.Time {
	if !to.After(from) {
		return from
	}
	return from.Add(time.Duration(t.random.Int64N(int64(to.Sub(from))))).Truncate(time.Second)
}

// size is how many messages a burst has: from a few to more than the limit.
func (t *traffic) size(n *number, now time.Time) int {
	limit := t.standing(n, now).Limit
	if limit == 0 || limit > 260 {
		limit = 260
	}
	if n.portfolio != nil {
		limit = limit * 2 / 3
	}
	return 1 + t.random.IntN(int(limit)+int(limit)/4)
}

// standing is where what has a number's limit stands by the plan.
func (t *traffic) standing(n *number, now time.Time) (standing check.Standing) {
	for _, s := range t.fleet.subjects() {
		if slices.Contains(s.Numbers, n.phone) && !s.Member {
			_, standing = t.plan.Live(s, now.Unix())
		}
	}
	return standing
}

// incident is a status of a message, a message from a user, or a complaint of one.
type incident struct {
	at        time.Time
	status    metatest.Status
	inbound   metatest.Inbound
	complaint string // the user
}

// burst is messages of a number to users, some of whom wrote before or write afterwards, and what becomes of the messages.
func (t *traffic) burst(n *number, size int, from time.Time, within time.Duration) (all []incident) {
	over := min(within, time.Duration(1+t.random.Int64N(int64(8*time.Hour))))
	if t.chance(0.1) {
		over = time.Second // all at once
	}
	pool := 2 * size
	dislike := 0.0
	if n.disliked {
		dislike = []float64{0, 0.06, 0.15, 0.4}[t.random.IntN(4)]
	}
	for range size {
		user := t.random.IntN(max(40, pool))
		whose := n.phone
		if n.portfolio != nil { // its numbers have users in common
			whose = n.portfolio.name
		}
		who := hash(whose)%1000*1000 + user
		phone := fmt.Sprintf("1556%07d", who)
		scoped := fmt.Sprintf("US.%d", who)
		at := from.Add(time.Duration(t.random.Int64N(int64(over)))).Truncate(time.Second)
		t.serial++
		id := fmt.Sprintf("wamid.%s.%d", n.phone[1:], t.serial)
		if t.chance(0.1) {
			wrote := at.Add(-time.Duration(t.random.Int64N(int64(30 * time.Minute)))).Truncate(time.Second)
			if t.chance(0.2) {
				wrote = at
			}
			if wrote.Before(from) {
				wrote = from
			}
			p, s := t.names(n, phone, scoped)
			all = append(all, incident{at: wrote, inbound: metatest.Inbound{ID: "in." + id, Phone: p, Scoped: s, At: wrote}})
		}
		failed := t.random.IntN(20) == 0
		p, s := phone, ""
		if !failed {
			p, s = t.names(n, phone, scoped)
		}
		status := func(what string, at time.Time) {
			all = append(all, incident{at: at, status: metatest.Status{ID: id, Status: what, Phone: p, Scoped: s, At: at}})
		}
		switch dice := t.random.IntN(20); {
		case failed: // nothing is learnt from it, nor who its user is
			all = append(all, incident{at: at, status: metatest.Status{ID: id, Status: "failed", Phone: p, Code: 131049, At: at}})
		case dice == 1:
			status("sent", at)
			status("read", at)
		default:
			status("delivered", at)
			if read := at.Add(time.Duration(1+t.random.IntN(300)) * time.Second); dice < 8 && !read.After(from.Add(within)) {
				status("read", read)
			}
		}
		if dislike > 0 && !failed && t.chance(dislike) {
			late := at.Add(time.Duration(t.random.Int64N(int64(6 * time.Hour)))).Truncate(time.Second)
			if late.Before(from.Add(within)) {
				all = append(all, incident{at: late, complaint: []string{phone, "+" + phone, scoped}[t.random.IntN(3)]})
			}
		}
	}
	return all
}

// names are those that an incident has of a user: both at first, then any. A user that the operator knows by one name only
// would be two until it hears both, and what it concluded meanwhile would stand; late numbers have that as well.
func (t *traffic) names(n *number, phone, scoped string) (string, string) {
	of := n.phone + " " + phone
	first := !t.known[of] && !n.late
	t.known[of] = true
	switch dice := t.random.IntN(3); {
	case first || dice == 0:
		return phone, scoped
	case dice == 1:
		return phone, ""
	default:
		return "", scoped
	}
}

// rate is what Meta says of a number's quality while the operator is down.
func (t *traffic) rate(n *number, until time.Time) (all []*parcel) {
	for range 1 + t.random.IntN(2) {
		at := t.reported(n, until)
		p := &parcel{number: n, times: t.times()}
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
func (t *traffic) limit(n *number, until time.Time) *parcel {
	at := t.reported(n, until)
	most := t.mostOf(n, at)
	p := &parcel{number: n, times: t.times()}
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
func (t *traffic) verify(n *number, until time.Time) *parcel {
	at := t.reported(n, until)
	p := &parcel{number: n, times: t.times()}
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
func (t *traffic) alert(n *number, until time.Time) *parcel {
	const answer = "INCREASED_CAPABILITIES_ELIGIBILITY_"
	alert := []string{answer + "DEFERRED", answer + "FAILED", answer + "NEED_MORE_INFO", "OBA_REJECTED"}[t.random.IntN(4)]
	at := t.reported(n, until)
	p := &parcel{number: n, times: t.times(), body: metatest.AccountAlertPayload(n.portfolio.id, alert, "why", at)}
	t.note(p)
	return p
}

// wording is what Meta says of a template: something that can follow where it stands. Low of a template that is paused is left
// out: whether it is the next step is Meta's to know.
func (t *traffic) wording(of *template, until time.Time) (all []*parcel) {
	if t.chance(0.4) {
		return nil
	}
	var instants []time.Time
	for range 1 + t.random.IntN(3) {
		whose := of.title
		if p := of.owner.portfolio; p != nil {
			whose = p.name
		}
		instants = append(instants, t.reportedOf(whose, until))
	}
	slices.SortFunc(instants, time.Time.Compare)
	for _, at := range instants {
		_, standing := t.plan.LiveTemplate(check.Template{Policy: t.fleet.policies[of.policy], Name: of.title}, at.Unix())
		follows := map[string][]string{
			"Approved": {"RED", "RED", "RED", "RED", "RED", "YELLOW", "GREEN", "UNKNOWN", "FLAGGED", "PENDING", "DISABLED", "PAUSED",
				"PAUSED FIRST_PAUSE", "PAUSED SECOND_PAUSE", "PAUSED RATE_LIMITING_PAUSE"},
			"Flagged":  {"RED", "YELLOW", "GREEN", "UNKNOWN", "PENDING", "APPROVED", "DISABLED"},
			"Paused":   {"YELLOW", "GREEN", "PENDING", "APPROVED", "APPROVED", "DISABLED"},
			"Blocked":  {"GREEN", "RED", "PENDING", "DISABLED", "APPROVED", "APPROVED", "APPROVED"},
			"Disabled": {"GREEN", "RED", "PENDING", "APPROVED", "APPROVED", "APPROVED"},
			"Pending":  {"GREEN", "RED", "PENDING", "APPROVED", "APPROVED", "APPROVED", "DISABLED"},
		}[standing.State]
		if of.owner.portfolio != nil {
			follows = []string{"RED", "YELLOW", "GREEN", "GREEN", "GREEN", "UNKNOWN"}
		}
		p := &parcel{number: of.owner, times: t.times()}
		t.say(p, of, follows[t.random.IntN(len(follows))], at)
		t.note(p)
		all = append(all, p)
	}
	return all
}

// say makes a parcel a webhook or an event with what Meta says of a template, in its words.
func (t *traffic) say(p *parcel, of *template, what string, at time.Time) {
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
	at := slices.IndexFunc(ladder, func(rung check.Rung) bool { return rung.Limit == t.standing(n, now).Limit })
	switch dice := t.random.IntN(10); {
	case dice < 6 && at >= 0:
		at = min(max(0, at+t.random.IntN(3)-1), len(ladder)-1)
	case dice < 8 || n.late: // what follows what is not told of limits that no tier has
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

// event makes a parcel an event.
func (t *traffic) event(p *parcel, what string, at time.Time, data string) {
	t.serial++
	p.event = true
	p.body = fmt.Appendf(nil, `{"specversion":"1.0","id":"%d","source":"/torture","type":"dev.numberfleet.%s.v1","time":%q,"data":%s}`,
		t.serial, what, at.Format(time.RFC3339), data)
}

// pack puts incidents into webhooks, as they happened.
func (t *traffic) pack(n *number, happened []incident) (all []*parcel) {
	slices.SortStableFunc(happened, func(a, b incident) int { return a.at.Compare(b.at) })
	for _, h := range happened {
		if h.complaint != "" {
			all = append(all, t.complaint(n, h))
		}
	}
	happened = slices.DeleteFunc(happened, func(h incident) bool { return h.complaint != "" })
	for len(happened) > 0 {
		size := min(len(happened), 1+t.random.IntN(120))
		var statuses []metatest.Status
		var inbound []metatest.Inbound
		for _, h := range happened[:size] {
			if h.status.ID != "" {
				statuses = append(statuses, h.status)
			} else {
				inbound = append(inbound, h.inbound)
			}
		}
		happened = happened[size:]
		p := &parcel{number: n, body: metatest.MessagesPayload(n.phone, statuses, inbound), times: t.times()}
		if t.chance(0.15) {
			p.maim = 1 + t.random.IntN(3)
		}
		t.note(p)
		all = append(all, p)
	}
	return all
}

// complaint is an event: no webhook of Meta tells what users do about a number.
func (t *traffic) complaint(n *number, h incident) *parcel {
	kind := []string{"Block", "Report", "Mute", "Archive"}[t.random.IntN(4)]
	reason := []string{"NoLongerNeeded", "DidNotSignUp", "Spam", "OffensiveMessages", "NoReason", "Other"}[t.random.IntN(6)]
	p := &parcel{number: n, times: t.times()}
	t.event(p, "feedback.received", h.at, fmt.Sprintf(`{"number":%q,"user":%q,"kind":%q,"reason":%q}`, n.phone, h.complaint, kind, reason))
	t.note(p)
	return p
}

// times is how often something is posted: Meta repeats itself.
func (t *traffic) times() int {
	if t.chance(0.2) {
		return 2 + t.random.IntN(2)
	}
	return 1
}

func (t *traffic) note(p *parcel) {
	if err := p.onto(t.plan); err != nil {
		panic(err) // we wrote it
	}
}

// onto adds the parcel to a tape.
func (p *parcel) onto(tape *check.Tape) error {
	if p.event {
		return tape.Event(p.body)
	}
	return tape.Webhook(p.body)
}

func hash(text string) int {
	h := 0
	for _, c := range text {
		h = (h*31 + int(c)) % 1_000_003
	}
	return h
}
