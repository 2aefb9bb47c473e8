package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/config/policies"
	"numberfleet.dev/numberfleet/internal/simulate"
	"numberfleet.dev/numberfleet/internal/simulate/page"
	"numberfleet.dev/numberfleet/internal/simulate/plan"
	"numberfleet.dev/numberfleet/internal/webhookfile"
)

type simulateFlags struct {
	policy, events, webhooks, fleet, verification, until string
	plan, writeEvents, chart, pool                       string
	strategies                                           []string
	showUnread                                           bool
	output                                               outputFormat
	cluster                                              clusterFlags
}

func simulateCommand() *cobra.Command {
	var f simulateFlags
	cmd := &cobra.Command{
		Use:   "simulate {--policy NAME|FILE {[--events FILE|-] [--webhooks FILE|DIR|-] | --plan FILE|-} | {NAME | businessportfolio/NAME} --plan FILE|-}",
		Short: "Say what the rules would conclude from events, webhooks or a plan",
		Long: `Run the operator's rules over events or webhooks, on their own time and without a cluster, and say what they conclude and when.

Events are CloudEvents 1.0 in JSON, one per line, in order of time. Numbers start connected, unverified, of unknown quality and at
the policy's start tier, unless the fleet or an event says otherwise.

Webhooks are the bodies that Meta posted, as they came and without their signatures: JSON objects one after the other, on a line each or
over several, or in an array. Of a directory all files that end in .json, .jsonl, .ndjson or .txt are read. They are played in order of
what they say happened, with the events where there are both. What the operator would pass over is passed over, and counted on the
standard error; --show-unread says what it was.

A plan says in YAML how many users are messaged on which days, and what else will happen, such as a rating or the verification of the
business. It is played to the end of its last day; what the limit does not allow is not sent, and counted:

  start: 2026-03-02
  sends:
  - {days: 1-14, users: 800, grow: 20, replies: 5}
  changes:
  - {day: 9, at: 10:00, quality: Medium}

All fields are in docs/simulator.md. With a name, the plan begins where that number or portfolio of the cluster stands now, as its status
says: what was used is taken to leave the window as late as it can. Day 1 is then the next midnight in UTC if the plan has no start.

A pool sends what its numbers delivered: each delivery is reserved from the pool at its instant, as the gate does it, and delivered by the
number that is chosen. It is said what each number sends then, what is refused, and how near the limits are.

Where the policy's limits belong to portfolios, the numbers that name one in the fleet share a limit, and what happens to it is said of
the portfolio; any other number is a portfolio of its own.`,
		Example: `  # What becomes of a month of events under the rules of 2023?
  kubectl phonenumbers simulate --policy meta-2023 --events events.jsonl

  # The same for programs, a week beyond the last event.
  kubectl phonenumbers simulate --policy meta-2023 --events - --until 2026-04-08T00:00:00Z -o json < events.jsonl

  # What do today's rules make of the webhooks that we kept?
  kubectl phonenumbers simulate --policy meta-2025 --webhooks kept/ --fleet fleet.yaml

  # A warm-up as it is planned, and a page that shows it.
  kubectl phonenumbers simulate --policy meta-2025 --verification Verified --plan warmup.yaml --chart warmup.html

  # What becomes of the plan from where the number hotels stands today?
  kubectl phonenumbers simulate hotels -n fleet --plan warmup.yaml

  # Which strategy would have suited the pool last month?
  kubectl phonenumbers simulate --policy meta-2025 --events events.jsonl --fleet fleet.yaml --pool newsletter --strategy Sticky,LeastUsed

  # Today's rules: the limit that the numbers of a portfolio share.
  kubectl phonenumbers simulate --policy meta-2025 --events events.jsonl --fleet fleet.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: f.run,
	}
	flags := cmd.Flags()
	flags.StringVar(&f.policy, "policy", "", "The rules: a file with a MessagingPolicy, or one that ships: "+strings.Join(policies.Names(), ", ")+".")
	flags.StringVar(&f.events, "events", "", "File with the events; - for the standard input.")
	flags.StringVar(&f.webhooks, "webhooks", "", "File with webhook bodies as Meta posted them, or directory of such files; - for the standard input.")
	flags.BoolVar(&f.showUnread, "show-unread", false, "Say on the standard error what of the webhooks was passed over: where, and why.")
	flags.StringVar(&f.plan, "plan", "", "File with a plan instead of events; - for the standard input.")
	flags.StringVar(&f.writeEvents, "write-events", "", "File to write the plan's events to, as --events takes them.")
	flags.StringVar(&f.chart, "chart", "", "File to draw the simulation in: one HTML page that needs nothing else.")
	flags.StringVar(&f.fleet, "fleet", "", "File with manifests of the numbers that exist, their portfolios, templates and pools. Any other number is a portfolio of its own and has an escalation path.")
	flags.StringVar(&f.pool, "pool", "", "NumberPool that sends what its numbers delivered: one of the fleet by its name or NAMESPACE/NAME, or a file with one.")
	flags.StringSliceVar(&f.strategies, "strategy", nil, "Strategies of the pool to compare: Sticky, LeastUsed, Weighted. If left out, the one that it has.")
	flags.StringVar(&f.verification, "verification", string(v1alpha1.Unverified), "What numbers start with of which the fleet says nothing: Verified or Unverified.")
	flags.StringVar(&f.until, "until", "", "When it ends, as in RFC 3339; events after it are not played. If left out, the last event or webhook, or the end of the plan.")
	addOutput(cmd, &f.output, "How to write the result: table, or json for one object a line.", outputTable, outputJSON)
	completePolicy(cmd)
	completeFlag(cmd, "strategy", string(v1alpha1.Sticky), string(v1alpha1.LeastUsed), string(v1alpha1.Weighted))
	f.cluster.addConfig(cmd)
	cmd.ValidArgsFunction = completeObject(f.cluster.ConfigFlags, "BusinessPortfolio")
	cmd.MarkFlagsMutuallyExclusive("events", "plan")
	cmd.MarkFlagsMutuallyExclusive("webhooks", "plan")
	cmd.MarkFlagsMutuallyExclusive("pool", "plan")
	cmd.MarkFlagsOneRequired("events", "webhooks", "plan")
	return cmd
}

func (f *simulateFlags) run(cmd *cobra.Command, args []string) error {
	config, err := f.begin(cmd, args)
	if err != nil {
		return err
	}
	switch {
	case f.showUnread && f.webhooks == "":
		return usageErrorf("--show-unread: goes with --webhooks")
	case f.events == "-" && f.webhooks == "-":
		return usageErrorf("--webhooks: is the standard input, and so is --events: one of the two can be")
	case f.writeEvents != "" && f.plan == "":
		return usageErrorf("--write-events: goes with --plan")
	}
	pools, err := f.pools(config.Fleet)
	if err != nil {
		return err
	}
	if config.Webhooks, err = f.readWebhooks(cmd); err != nil {
		return err
	}
	if len(pools) > 0 {
		return f.compare(cmd, config, pools)
	}
	result, err := f.draw(cmd, config)
	switch {
	case err != nil:
		return err
	case f.output == outputJSON:
		return result.WriteJSON(cmd.OutOrStdout())
	default:
		return result.WriteTable(cmd.OutOrStdout())
	}
}

// begin is where it begins: as the flags say, or where a number or portfolio of the cluster stands.
func (f *simulateFlags) begin(cmd *cobra.Command, args []string) (config simulate.Config, err error) {
	if len(args) == 0 {
		return f.config()
	}
	if err := refuseWith(cmd, args[0], "policy", "verification", "events", "webhooks", "show-unread", "fleet", "pool", "strategy", "write-events"); err != nil {
		return config, err
	}
	until, err := f.end()
	if err != nil {
		return config, err
	}
	start, err := f.cluster.live(cmd, args[0])
	if err != nil {
		return config, err
	}
	config = start.simulation()
	if config.Until = until; !until.IsZero() && until.Before(config.From) {
		return config, usageErrorf("--until: lies before %s, when the simulation begins", config.From.Format(time.RFC3339))
	}
	return config, nil
}

// end is when it ends; zero where that is not said.
func (f *simulateFlags) end() (until time.Time, err error) {
	if f.until == "" {
		return until, nil
	}
	if until, err = time.Parse(time.RFC3339, f.until); err != nil {
		return until, usageErrorf("--until: must be a time as in RFC 3339, like 2026-03-02T10:00:00Z")
	}
	return until, nil
}

// draw plays, and draws that if a chart is asked for.
func (f *simulateFlags) draw(cmd *cobra.Command, config simulate.Config) (simulate.Result, error) {
	if f.chart == "" {
		return f.play(cmd, config)
	}
	recorder := page.NewRecorder(config.Policy.Policy)
	config.Observer = recorder
	result, err := f.play(cmd, config)
	if err != nil {
		return result, err
	}
	return result, create("--chart", f.chart, func(to io.Writer) error { return page.Write(to, config.Policy.Name, recorder, &result) })
}

// play plays the events or the plan.
func (f *simulateFlags) play(cmd *cobra.Command, config simulate.Config) (result simulate.Result, err error) {
	if f.plan == "" {
		return f.playReceived(cmd, config)
	}
	file, err := open(cmd, "--plan", f.plan)
	if err != nil {
		return result, err
	}
	defer file.Close()
	read := plan.Read
	if !config.From.IsZero() {
		read = func(from io.Reader) (*plan.Plan, error) {
			return plan.ReadFrom(from, config.Fleet.Numbers[0].PhoneNumber, config.From)
		}
	}
	planned, err := read(file)
	if err != nil {
		return result, usageErrorf("--plan: %w", err)
	}
	if f.writeEvents == "" {
		return plan.Run(cmd.Context(), config, planned, nil)
	}
	err = create("--write-events", f.writeEvents, func(to io.Writer) error {
		result, err = plan.Run(cmd.Context(), config, planned, to)
		return err
	})
	return result, err
}

// readWebhooks says on the standard error what of the webhooks is passed over. They are nil where there are none.
func (f *simulateFlags) readWebhooks(cmd *cobra.Command) (*simulate.Webhooks, error) {
	if f.webhooks == "" {
		return nil, nil
	}
	files, err := webhookfile.Files(f.webhooks)
	if err != nil {
		return nil, usageErrorf("--webhooks: %w", err)
	}
	webhooks, err := simulate.ReadWebhooks(webhookfile.Bodies(files, cmd.InOrStdin()))
	if err != nil {
		return nil, usageErrorf("--webhooks: %w", err)
	}
	return webhooks, webhooks.Passed.Write(cmd.ErrOrStderr(), f.showUnread)
}

// playReceived plays events, webhooks or both.
func (f *simulateFlags) playReceived(cmd *cobra.Command, config simulate.Config) (result simulate.Result, err error) {
	if f.events == "" {
		return simulate.Run(cmd.Context(), config, nil)
	}
	events, err := open(cmd, "--events", f.events)
	if err != nil {
		return result, err
	}
	defer events.Close()
	return simulate.Run(cmd.Context(), config, events)
}

// open opens a file to read; - is the standard input.
func open(cmd *cobra.Command, flag, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, usageErrorf("%s: %w", flag, err)
	}
	return file, nil
}

// create writes a file.
func create(flag, name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return usageErrorf("%s: %w", flag, err)
	}
	if err := write(file); err != nil {
		_ = file.Close() // the first error is the one to tell
		return err
	}
	if err := file.Close(); err != nil {
		return usageErrorf("%s: %w", flag, err)
	}
	return nil
}

func (f *simulateFlags) config() (config simulate.Config, err error) {
	if f.policy == "" {
		return config, usageErrorf("--policy: is missing: it, or a number or portfolio of the cluster, says which rules run")
	}
	if config.Policy, err = readPolicy(f.policy); err != nil {
		return config, usageErrorf("--policy: %w", err)
	}
	switch config.Verification = v1alpha1.Verification(f.verification); config.Verification {
	case v1alpha1.Verified, v1alpha1.Unverified:
	default:
		return config, usageErrorf("--verification: must be Verified or Unverified")
	}
	if config.Until, err = f.end(); err != nil {
		return config, err
	}
	if f.fleet != "" {
		file, err := os.Open(f.fleet)
		if err != nil {
			return config, usageErrorf("--fleet: %w", err)
		}
		defer file.Close()
		if config.Fleet, err = simulate.ReadFleet(file); err != nil {
			return config, usageErrorf("--fleet: %w", err)
		}
	}
	return config, nil
}

// readPolicy is the shipped policy of that name or, if none ships, the one in the file of that name.
func readPolicy(name string) (simulate.Policy, error) {
	manifest, ships := policies.Manifest(name)
	if !ships {
		var err error
		if manifest, err = os.ReadFile(name); errors.Is(err, fs.ErrNotExist) {
			return simulate.Policy{}, fmt.Errorf("%q is neither a file nor a policy that ships: those are %s", name, strings.Join(policies.Names(), ", "))
		} else if err != nil {
			return simulate.Policy{}, err
		}
	}
	policy, err := simulate.ReadPolicy(manifest)
	if err != nil {
		return simulate.Policy{}, fmt.Errorf("%s: %w", name, err)
	}
	return policy, nil
}
