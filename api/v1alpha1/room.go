package v1alpha1

// RoomReason says why nothing may be sent to a further user now. Status, conditions, metrics and the simulator say it in the
// same word.
type RoomReason string

// The reasons, as reasons of Sendable=False.
const (
	// RoomBlocked: the number is blocked; only Meta can lift it.
	RoomBlocked RoomReason = "Blocked"
	// RoomPending: the number is not registered yet.
	RoomPending RoomReason = "Pending"
	// RoomOffline: WhatsApp's servers cannot reach the number.
	RoomOffline RoomReason = "Offline"
	// RoomSuspended: spec.activity is Suspended, of the number or of its portfolio.
	RoomSuspended RoomReason = "Suspended"
	// RoomAccountRestricted: Meta restricts the number's account.
	RoomAccountRestricted RoomReason = "AccountRestricted"
	// RoomLimitReached: all of the limit is used, or Meta says that it is.
	RoomLimitReached RoomReason = "LimitReached"
	// RoomBudgetReached: the budget that a reservation falls under has no place left.
	RoomBudgetReached RoomReason = "BudgetReached"
	// RoomTemplatePaused: the template is paused.
	RoomTemplatePaused RoomReason = "TemplatePaused"
	// RoomTemplateNotSendable: the template is in a state in which Meta does not send it.
	RoomTemplateNotSendable RoomReason = "TemplateNotSendable"
	// RoomOutsideWindow: a message that is no template can only be sent inside a customer service window, and none is open.
	RoomOutsideWindow RoomReason = "OutsideWindow"
	// RoomDrained: the number is rated lower than its pool asks for, or has the weight 0, so it sends inside customer service windows only.
	RoomDrained RoomReason = "Drained"
	// RoomCategoryNotServed: the pool is not for messages of the category, or the category is not known.
	RoomCategoryNotServed RoomReason = "CategoryNotServed"
	// RoomNotReady: the operator does not know enough to say.
	RoomNotReady RoomReason = "NotReady"
)
