package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	apiclient "numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/standing/remote"
)

func canSendCommand() *cobra.Command {
	var f clusterFlags
	var output outputFormat
	var request apiclient.Request
	cmd := &cobra.Command{
		Use:   "can-send NAME | numberpool/NAME USER",
		Short: "Say whether a message may be sent now to a user, without reserving it",
		Long: `Say whether a message may be sent now to a user, by what is left of the limit, the budgets and the template, the customer service window
and what the user received. Nothing is reserved: what asks before it sends must reserve. It ends with 3 where the message may not be sent.

The operator is asked with a token of a ServiceAccount that may reserve in the namespace, which --operator-account names: the answer says
whether the user was messaged, or wrote.`,
		Example: `  # May the number hotels send this template to the user now?
  kubectl phonenumbers can-send hotels +15565550001 -n fleet --template autumn_sale --operator-account fleet/campaign`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, namespace, operator, err := f.open()
			if err != nil {
				return err
			}
			from, err := getObject(cmd.Context(), api, namespace, args[0])
			if err != nil {
				return err
			}
			request.Namespace, request.User = from.GetNamespace(), args[1]
			switch from := from.(type) {
			case *v1alpha1.PhoneNumber:
				request.Number = from.Spec.PhoneNumber
			case *v1alpha1.NumberPool:
				request.Pool = from.Name
			default:
				return usageErrorf("%q sends no messages: it must be a phonenumber or a numberpool", args[0])
			}
			gate, err := remote.Connect(cmd.Context(), operator)
			if err != nil {
				return err
			}
			preview, err := gate.Preview(cmd.Context(), request)
			answer, err := canSendOf(preview, err)
			if err != nil {
				return err
			}
			if output == outputTable {
				fmt.Fprintln(printer{cmd.OutOrStdout()}, answer)
			} else if err := encode(cmd.OutOrStdout(), output, answer); err != nil {
				return err
			}
			if !answer.Allowed {
				return errNo
			}
			return nil
		},
	}
	addClusterFlags(cmd, &f)
	cmd.ValidArgsFunction = completeObject(f.ConfigFlags, "NumberPool")
	flags := cmd.Flags()
	flags.StringVar(&request.Template, "template", "", "Name of the template at Meta that is to be sent.")
	flags.StringVar(&request.Language, "language", "", "Language of the template. If left out, the first in which it can be sent.")
	flags.StringVar(&request.Category, "category", "", "Category of the message: Marketing, Utility, Authentication or Service. If left out, that of the template.")
	completeFlag(cmd, "category", "Marketing", "Utility", "Authentication", "Service")
	addOutput(cmd, &output, "How to write the answer: for people, or for programs.", outputTable, outputJSON, outputYAML)
	return cmd
}

// canSend is whether a message may be sent now. It names no user.
type canSend struct {
	Allowed bool `json:"allowed"`
	// Number is the name of the PhoneNumber that would send; empty where none of a pool would.
	Number    string             `json:"number,omitempty"`
	Reason    string             `json:"reason"`
	Detail    string             `json:"detail,omitempty"`
	Shadow    bool               `json:"shadow,omitempty"`
	Remaining *int64             `json:"remaining,omitempty"`
	Until     time.Time          `json:"until,omitzero"`
	Members   []apiclient.Member `json:"members,omitempty"`
}

// granted says what each reason means.
var granted = map[string]string{
	"Reserved":       "it would take a place of the limit",
	"AlreadyHeld":    "a place is held for the user already",
	"AlreadyCounted": "the user was messaged within the window, and takes no further place",
	"InsideWindow":   "the user wrote, and their customer service window is open",
	"Unlimited":      "the number has no limit",
}

// canSendOf is what the gate answered. What says nothing of the message stays an error.
func canSendOf(p *apiclient.Preview, err error) (*canSend, error) {
	if err == nil {
		detail := granted[p.Why]
		if p.Shadow {
			detail = "the limit is not enforced, or it would be refused"
		}
		return &canSend{Allowed: true, Number: p.Name, Reason: p.Why, Detail: detail, Shadow: p.Shadow, Remaining: &p.Remaining}, nil
	}
	problem, ok := errors.AsType[*apiclient.Problem](err)
	switch {
	case !ok:
		return nil, err
	case problem.Status == http.StatusBadRequest: // all of the request is from the command line
		return nil, usageErrorf("%s", problem.Detail)
	case problem.Status == http.StatusForbidden:
		return nil, fmt.Errorf("%w; --operator-account names a ServiceAccount that has it", err)
	case problem.Status != http.StatusTooManyRequests && problem.Status != http.StatusConflict && problem.Reason != string(v1alpha1.RoomNotReady):
		return nil, err
	}
	return &canSend{Reason: problem.Reason, Detail: problem.Detail, Until: problem.Until, Members: problem.Members}, nil
}

// String is the answer for people.
func (c *canSend) String() string {
	if c.Allowed {
		text := fmt.Sprintf("Yes, from %s: %s (%s)", c.Number, c.Detail, c.Reason)
		if c.Remaining != nil && c.Reason == "Reserved" {
			text += fmt.Sprintf("; %s remain before it", remainder(*c.Remaining))
		}
		return text
	}
	lines := []string{fmt.Sprintf("No, %s: %s", c.Reason, c.Detail)}
	for _, m := range c.Members {
		line := fmt.Sprintf("  %s: %s", m.Name, m.Reason)
		if !m.Until.IsZero() {
			line += " until " + stamp(m.Until)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
