package notify

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// headline says in a line what happened, such as "shop/flash-sales: Flagged".
func (n *Notice) headline() string {
	var reasons []string
	for _, t := range n.Transitions {
		if reason := string(t.Reason); !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	const most = 3
	what := strings.Join(reasons[:min(most, len(reasons))], ", ")
	switch {
	case len(reasons) > most:
		what += fmt.Sprintf(" and %d more", len(reasons)-most)
	case len(reasons) == 0:
		what = n.missed()
	}
	return n.Subject.String() + ": " + what
}

// missed is a bound: some may have happened before the receiver was there, or be of reasons that it does not ask for.
func (n *Notice) missed() string { return fmt.Sprintf("up to %d transitions missed", n.Missed) }

// missedSentence says why some are not told.
func (n *Notice) missedSentence() string {
	return fmt.Sprintf("Up to %d transitions were missed: they left the history before they could be sent.", n.Missed)
}

// standing is where the object stands, such as "state Flagged, tier 2, limit 10000, used 700".
func (n *Notice) standing() string {
	s := n.Now
	var parts []string
	say := func(word, value string) {
		if value != "" {
			parts = append(parts, word+" "+value)
		}
	}
	say("state", s.State)
	say("tier", s.Tier)
	if s.Limit > 0 {
		say("limit", strconv.FormatInt(s.Limit, 10))
	} else if s.Tier != "" {
		say("limit", "none")
	}
	if s.Used != nil {
		say("used", strconv.FormatInt(*s.Used, 10))
	}
	say("quality", string(s.Quality))
	say("policy", s.Policy)
	return strings.Join(parts, ", ")
}

// command shows more.
func (n *Notice) command() string {
	command := "kubectl"
	if n.Subject.Namespace != "" {
		command += " -n " + n.Subject.Namespace
	}
	return command + " describe " + strings.ToLower(n.Subject.Kind) + " " + n.Subject.Name
}

const instant = "2006-01-02 15:04:05 MST"

func (t Transition) when() string { return t.Time.UTC().Format(instant) }

// change is what it was and what it is, such as " (2 -> 1)"; empty where neither is known.
func (t Transition) change() string {
	switch {
	case t.From != "" && t.To != "":
		return fmt.Sprintf(" (%s -> %s)", t.From, t.To)
	case t.To != "":
		return fmt.Sprintf(" (%s)", t.To)
	}
	return ""
}
