package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The exit codes, as docs/plugin.md has them.
const (
	exitDone  = 0 // what was asked for is done, or the answer is yes
	exitError = 1 // it could not be done: stderr says why
	exitUsage = 2 // a flag, an argument, or a file that a flag names is wrong: stderr names it
	exitNo    = 3 // the command did what it is for, and the answer is no
)

// errNo ends a command whose answer, which it has written, is no.
var errNo = errors.New("no")

// usageError is what is wrong with a flag or an argument.
type usageError struct{ error }

// usageErrorf is an error whose text begins with the flag or argument that is wrong, and says what is allowed.
func usageErrorf(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// flagError words what a flag's own value refuses as usageErrorf does.
func flagError(_ *cobra.Command, err error) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		err = invalid.Unwrap()
		if number, ok := errors.AsType[*strconv.NumError](err); ok {
			err = fmt.Errorf("%q: %w", number.Num, number.Err)
		}
		return usageErrorf("--%s: %w", invalid.GetFlag().Name, err)
	}
	return usageError{err}
}

// exitCode is that of a command that ended with an error. What ends a command before it began is wrong with its command line.
func exitCode(err error, began bool) int {
	switch {
	case errors.Is(err, errNo):
		return exitNo
	case !began || errors.As(err, new(usageError)):
		return exitUsage
	default:
		return exitError
	}
}

// whenBegun calls a function when one of the commands has a command line that can be read, and begins.
func whenBegun(commands []*cobra.Command, begin func()) {
	for _, cmd := range commands {
		runE := cmd.RunE
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			begin()
			return runE(cmd, args)
		}
	}
}
