// Command kubectl-phonenumbers is the kubectl plugin: `kubectl phonenumbers …`. It also runs as a plain program.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"numberfleet.dev/numberfleet/internal/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, completing(os.Args), os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// require makes flags of a command required.
func require(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // there is no such flag
		}
	}
}

// run is the program: it returns the exit code, with one line on stderr if anything is wrong.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctrllog.SetLogger(logr.Discard()) // commands say what there is to say; without a logger a stack trace is written after 30 s
	root := &cobra.Command{
		Use:   "kubectl-phonenumbers",
		Short: "Work with fleets of WhatsApp Business numbers",
		Annotations: map[string]string{
			cobra.CommandDisplayNameAnnotation: "kubectl phonenumbers",
		},
		Version:       version.Line(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(
		statusCommand(), topCommand(), explainCommand(), historyCommand(), canSendCommand(), dashboardCommand(),
		simulateCommand(), forecastCommand(),
		doctorCommand(), reportCommand(), unclaimedCommand(),
		importCommand(), replayCommand(),
	)
	began := false
	whenBegun(root.Commands(), func() { began = true })
	root.SetFlagErrorFunc(flagError)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	if !began && !errors.As(err, new(usageError)) { // what is missing or too much is known by how the command is used
		err = fmt.Errorf("%w: %s", err, cmd.UseLine())
	}
	code := exitCode(err, began)
	if code != exitNo {
		fmt.Fprintln(stderr, "Error:", printable(strings.Join(strings.Fields(err.Error()), " ")))
	}
	return code
}
