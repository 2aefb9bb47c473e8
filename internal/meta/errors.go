package meta

import "fmt"

// SyntaxError says that a body is not JSON, or is nested too deeply.
type SyntaxError struct {
	Offset  int // in bytes from the body's start, where reading stopped
	Problem string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("the body %s (at byte %d)", e.Problem, e.Offset)
}

// FieldError says which field of a body is wrong, and what is allowed there. It never holds the field's value, which may
// be personal.
type FieldError struct {
	Path    string // such as entry[0].changes[0].value.statuses[2].timestamp
	Problem string // such as "must be a string, but is a number"
}

func (e *FieldError) Error() string { return e.Path + " " + e.Problem }

// TooManyError says that a body holds more than one POST may bring.
type TooManyError struct {
	What  string // in the plural
	Limit int
}

func (e *TooManyError) Error() string {
	return fmt.Sprintf("the body holds more than %d %s", e.Limit, e.What)
}
