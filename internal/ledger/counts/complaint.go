package counts

import (
	"cmp"
	"slices"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Complaint is what a user did about a number and why, in a byte: the index of the kind in complaintKinds in the high bits, and
// that of the reason in the low four, both from 1. It is stored: new values go to the ends.
type Complaint uint8

var (
	complaintKinds = [...]v1alpha1.FeedbackKind{
		v1alpha1.FeedbackBlock, v1alpha1.FeedbackReport, v1alpha1.FeedbackMute, v1alpha1.FeedbackArchive,
	}
	complaintReasons = [...]v1alpha1.FeedbackReason{
		v1alpha1.FeedbackNoLongerNeeded, v1alpha1.FeedbackDidNotSignUp, v1alpha1.FeedbackSpam,
		v1alpha1.FeedbackOffensiveMessages, v1alpha1.FeedbackNoReason, v1alpha1.FeedbackOther,
	}
)

const (
	reasonBits = 4
	// A complaint's fingerprint is its code above bits of its event's key.
	complaintShift = 22
	complaintBits  = complaintShift + 8
)

// NewComplaint is the code of a kind and a reason; zero, which is none, if one of them is not known.
func NewComplaint(kind v1alpha1.FeedbackKind, reason v1alpha1.FeedbackReason) Complaint {
	k, r := slices.Index(complaintKinds[:], kind)+1, slices.Index(complaintReasons[:], reason)+1
	if k == 0 || r == 0 {
		return 0
	}
	return Complaint(k<<reasonBits | r)
}

// Kind is what the user did, empty if the code is none.
func (c Complaint) Kind() v1alpha1.FeedbackKind {
	if i := int(c >> reasonBits); i >= 1 && i <= len(complaintKinds) {
		return complaintKinds[i-1]
	}
	return ""
}

// Reason is why, empty if the code is none.
func (c Complaint) Reason() v1alpha1.FeedbackReason {
	if i := int(c & (1<<reasonBits - 1)); i >= 1 && i <= len(complaintReasons) {
		return complaintReasons[i-1]
	}
	return ""
}

func (c Complaint) valid() bool { return c.Kind() != "" && c.Reason() != "" }

// fingerprint identifies a complaint among those of its user.
func (c Complaint) fingerprint(event MessageKey) uint32 {
	return uint32(c)<<complaintShift | uint32(scatter(uint64(event))>>(64-complaintShift))
}

// Insight is how many users did the same for the same reason.
type Insight struct {
	Kind   v1alpha1.FeedbackKind
	Reason v1alpha1.FeedbackReason
	Users  int64
}

// insights returns those of the complaints in (from, to].
func insights(s counter, from, to int64) []Insight {
	if s.allSeries()[complaintSeries].count(everySample, from, to) == 0 {
		return nil
	}
	type done struct {
		user key
		code Complaint
	}
	once := map[done]bool{}
	users := map[Complaint]int64{}
	s.eachComplaint(func(user key, c delivery) {
		did := done{user, Complaint(c.fingerprint >> complaintShift)}
		if at := int64(c.at); at > from && at <= to && !once[did] {
			once[did] = true
			users[did.code]++
		}
	})
	all := make([]Insight, 0, len(users))
	for code, n := range users {
		all = append(all, Insight{code.Kind(), code.Reason(), n})
	}
	slices.SortFunc(all, func(a, b Insight) int {
		return cmp.Or(cmp.Compare(b.Users, a.Users), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Reason, b.Reason))
	})
	return all
}

// addComplaint records a complaint. As of a message, the earliest time of an event counts.
func (s *numberState) addComplaint(user key, e event) result {
	h := &s.scratch
	h.reset()
	h.deliveries = append(h.deliveries, s.complaints[user]...)
	if h.contains(e) {
		return repeated
	}
	s.portfolio.linkIfShared(s, user)
	defer s.portfolio.begin(s, user).end()
	h.add(e)
	s.setComplaints(user, h.deliveries)
	return changed
}

// setComplaints replaces a user's complaints.
func (s *numberState) setComplaints(user key, complaints []delivery) {
	was := history{deliveries: s.complaints[user]}
	is := history{deliveries: slices.Clone(complaints)}
	s.series[complaintSeries].replace(was.appendAll(s.horizon, nil), is.appendAll(s.horizon, nil))
	if s.complaints == nil {
		s.complaints = map[key][]delivery{}
	}
	s.complaints[user] = is.deliveries
	if len(complaints) == 0 {
		delete(s.complaints, user)
	}
	s.dirty = true
}

func (s *numberState) eachComplaint(call func(user key, c delivery)) {
	for user, complaints := range s.complaints {
		for _, c := range complaints {
			call(user, c)
		}
	}
}

// lastBefore returns the time of the last complaint up to a time if there is a later one, else zero.
func lastBefore(complaints []delivery, to int64) (last uint32) {
	for _, c := range complaints {
		if int64(c.at) > to {
			return last
		}
		last = c.at
	}
	return 0
}
