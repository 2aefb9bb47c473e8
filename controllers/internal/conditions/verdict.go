package conditions

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Verdict is what the condition says. Its message has no times and no words of Meta's, which differ from one answer to
// the next: a thousand numbers would be written again.
type Verdict struct {
	Status          metav1.ConditionStatus
	Reason, Message string
}

// True says that a condition holds.
func True(reason, message string) Verdict {
	return Verdict{metav1.ConditionTrue, reason, message}
}

// False says that a condition does not hold.
func False(reason, message string) Verdict {
	return Verdict{metav1.ConditionFalse, reason, message}
}

// Unknown says that nobody knows whether a condition holds.
func Unknown(reason, message string) Verdict {
	return Verdict{metav1.ConditionUnknown, reason, message}
}

// VerdictOf is what a condition says.
func VerdictOf(c *metav1.Condition) Verdict { return Verdict{c.Status, c.Reason, c.Message} }
