package conditions

// Problem keeps the operator from its job for a resource, and shows in the condition Ready.
type Problem struct {
	Reason, Message string
	Stalled         bool // only a human can mend it
}

func (p *Problem) Error() string { return p.Message }
