package meta

import "strconv"

// FailureClass is what kind of error a failed message had: one of a few, so that it can be a label.
type FailureClass string

// The classes of Meta's error codes, by its page "support/error-codes" and its changelog. Five codes that say something of their own
// are classes by themselves.
const (
	FailedUndeliverable FailureClass = "131026"
	FailedExperiment    FailureClass = "130472"
	FailedSpam          FailureClass = "131048"
	FailedEcosystem     FailureClass = "131049"
	FailedCategory      FailureClass = "131064"

	FailedThrottled FailureClass = "throttled"
	FailedAccount   FailureClass = "account"
	FailedNumber    FailureClass = "number"
	FailedUser      FailureClass = "user"
	FailedWindow    FailureClass = "window"
	FailedTemplate  FailureClass = "template"
	FailedMessage   FailureClass = "message"
	FailedAtMeta    FailureClass = "meta"
	FailedOther     FailureClass = "other"
)

// failureMeanings say what the classes mean, each in a sentence.
var failureMeanings = map[FailureClass]string{
	FailedUndeliverable: "The message cannot be delivered: the user is not on WhatsApp, has an old version, or has not accepted its terms.",
	FailedExperiment:    "The user is part of an experiment of Meta's, which holds the message back.",
	FailedSpam:          "Meta caps what the number may send, since many of its messages were blocked or reported; an exceeded messaging limit is said so too.",
	FailedEcosystem:     "Meta chose not to deliver the message, as it bounds marketing messages to each user; it is to be tried again after 24 hours at the earliest.",
	FailedCategory:      "The account reached a limit that Meta set since its templates are in the wrong category; it ends by itself.",

	FailedThrottled: "Too much was sent in a short time: to Meta, or to this user.",
	FailedAccount:   "Meta does not let the account send: for a policy, a payment or the user's country.",
	FailedNumber:    "The number cannot send: it is not registered, in maintenance, or its name is not approved.",
	FailedUser:      "The user stopped marketing messages from the business.",
	FailedWindow:    "The customer service window is closed: only templates may be sent.",
	FailedTemplate:  "The template cannot be sent: it is missing, paused, disabled, or its parameters do not fit.",
	FailedMessage:   "The message is not one that can be sent.",
	FailedAtMeta:    "Something failed at Meta.",
	FailedOther:     "Meta's error-codes page says what the code means.",
}

// Meaning says in a sentence what a class means.
func (c FailureClass) Meaning() string { return failureMeanings[c] }

// ClassOf is the class of an error code, zero for a status that has none.
func ClassOf(code int64) FailureClass {
	if own := FailureClass(strconv.FormatInt(code, 10)); failureMeanings[own] != "" {
		return own
	}
	switch code {
	case 4, 80007, 80008, 130429, 131056, 133016:
		return FailedThrottled
	case 368, 10, 190, 131005, 130497, 131031, 131042, 131043:
		return FailedAccount
	case 33, 131037, 131045, 131057, 133000, 133004, 133005, 133006, 133008, 133009, 133010, 133015:
		return FailedNumber
	case 131050:
		return FailedUser
	case 131047:
		return FailedWindow
	case 100, 131008, 131009, 131021, 131051, 131052, 131053, 131062, 135000:
		return FailedMessage
	case 1, 2, 131000, 131016:
		return FailedAtMeta
	}
	if code/1000 == 132 { // 132000 to 132999 are about templates
		return FailedTemplate
	}
	return FailedOther
}
