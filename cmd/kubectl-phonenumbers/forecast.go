package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/config/policies"
	"numberfleet.dev/numberfleet/internal/simulate/forecast"
	"numberfleet.dev/numberfleet/internal/simulate/plan"
)

type forecastFlags struct {
	simulateFlags // where it begins after events

	tier, from, subject, hours string
	used, achieved, perDay     int64
	grow                       float64
}

func forecastCommand() *cobra.Command {
	var f forecastFlags
	cmd := &cobra.Command{
		Use:   "forecast [NAME | businessportfolio/NAME] [--policy NAME|FILE]",
		Short: "Say when each next tier is reached at the earliest, and with how many users",
		Long: `Say when each next tier is reached at the earliest, and how many users must be messaged for that, if the quality is High from now on.

Messages are sent as fast as the limits allow, or at a pace; each goes to a user who was not messaged before. It begins with a new
number, at another tier or with some use, where a number or portfolio stands at the end of events, or where one of the cluster stands, as
its status says. Of that status it takes the counts as they were; what was used then may be used until the last instant of its window.`,
		Example: `  # When does the number hotels reach its next tiers at the earliest?
  kubectl phonenumbers forecast hotels -n fleet

  # What does it take from a new, verified number to the top?
  kubectl phonenumbers forecast --policy meta-2025 --verification Verified

  # When do we reach 100,000 if we send 800 a day and grow 20 % daily?
  kubectl phonenumbers forecast --policy meta-2025 --verification Verified --per-day 800 --grow 20 --from 2026-03-02T00:00:00Z

  # And from where the events of last month left the number?
  kubectl phonenumbers forecast --policy meta-2023 --events events.jsonl --subject +15550100001 -o json`,
		Args: cobra.MaximumNArgs(1),
		RunE: f.run,
	}
	flags := cmd.Flags()
	flags.StringVar(&f.policy, "policy", "", "The rules: a file with a MessagingPolicy, or one that ships: "+strings.Join(policies.Names(), ", ")+".")
	flags.StringVar(&f.verification, "verification", string(v1alpha1.Unverified), "Of the business: Verified or Unverified.")
	flags.StringVar(&f.from, "from", "", "When it begins, as in RFC 3339. If left out, now or at the end of the events.")
	flags.StringVar(&f.tier, "tier", "", "The tier that the number has. The policy's start tier if left out.")
	flags.Int64Var(&f.used, "used", 0, "How much of the limit is used when it begins.")
	flags.Int64Var(&f.achieved, "achieved", 0, "How many users count for the next tier when it begins, those used among them.")
	flags.StringVar(&f.events, "events", "", "File with events after which it begins; - for the standard input.")
	flags.StringVar(&f.fleet, "fleet", "", "File with manifests of the numbers that exist, with --events.")
	flags.StringVar(&f.subject, "subject", "", "The number or portfolio of the events. May be left out if there is one only.")
	flags.Int64Var(&f.perDay, "per-day", 0, "How many users are messaged on the first day. As many as the limits allow if left out.")
	flags.Float64Var(&f.grow, "grow", 0, "By how many percent that grows from day to day.")
	flags.StringVar(&f.hours, "hours", "09:00-18:00", "The hours of the day, in UTC, over which the users of a day are spread.")
	addOutput(cmd, &f.output, "How to write the result: table, or json for one object a line and tier.", outputTable, outputJSON)
	completePolicy(cmd)
	f.cluster.addConfig(cmd)
	cmd.ValidArgsFunction = completeObject(f.cluster.ConfigFlags, "BusinessPortfolio")
	for _, name := range []string{"tier", "used", "achieved"} {
		cmd.MarkFlagsMutuallyExclusive("events", name)
	}
	return cmd
}

func (f *forecastFlags) run(cmd *cobra.Command, args []string) error {
	pace, err := f.pace(cmd)
	if err != nil {
		return err
	}
	start, err := f.start(cmd, args)
	if err != nil {
		return err
	}
	steps, err := forecast.Steps(cmd.Context(), start, pace)
	if err != nil {
		return err
	}
	if f.output == outputJSON {
		return forecast.WriteJSON(cmd.OutOrStdout(), start, steps)
	}
	return forecast.WriteTable(cmd.OutOrStdout(), start, steps)
}

func (f *forecastFlags) pace(cmd *cobra.Command) (pace forecast.Pace, err error) {
	if cmd.Flags().Changed("per-day") && (f.perDay < 1 || f.perDay > plan.MaxMessages) {
		return pace, usageErrorf("--per-day: must be a whole number from 1 to %d", plan.MaxMessages)
	}
	if f.perDay == 0 && (f.grow != 0 || cmd.Flags().Changed("hours")) {
		return pace, usageErrorf("--per-day: is missing: --grow and --hours are about the users of a day")
	}
	if !(f.grow >= -100 && f.grow <= 1000) {
		return pace, usageErrorf("--grow: must be a percentage from -100 to 1000")
	}
	pace = forecast.Pace{PerDay: f.perDay, Grow: f.grow}
	if pace.From, pace.To, err = plan.ParseHours(f.hours); err != nil {
		return pace, usageErrorf("--hours: %w", err)
	}
	return pace, nil
}

// start is where it begins.
func (f *forecastFlags) start(cmd *cobra.Command, args []string) (start forecast.Start, err error) {
	if len(args) == 1 {
		if err := refuseWith(cmd, args[0], "policy", "verification", "from", "tier", "used", "achieved", "events", "fleet", "subject"); err != nil {
			return start, err
		}
		live, err := f.cluster.live(cmd, args[0])
		return live.Start, err
	}
	f.until = "" // it is --from here
	config, err := f.config()
	if err != nil {
		return start, err
	}
	if f.from != "" {
		if config.Until, err = time.Parse(time.RFC3339, f.from); err != nil {
			return start, usageErrorf("--from: must be a time as in RFC 3339, like 2026-03-02T10:00:00Z")
		}
	}
	if f.events != "" {
		result, err := f.play(cmd, config)
		if err != nil {
			return start, err
		}
		end, err := result.End(f.subject)
		if err != nil {
			return start, usageErrorf("--subject: %w", err)
		}
		return forecast.Start(end), nil
	}
	switch {
	case f.fleet != "":
		return start, usageErrorf("--fleet: goes with --events")
	case f.subject != "":
		return start, usageErrorf("--subject: goes with --events")
	case f.used < 0 || f.used > forecast.MaxUsers:
		return start, usageErrorf("--used: must be a whole number from 0 to %d", forecast.MaxUsers)
	case f.achieved < 0 || f.achieved > forecast.MaxUsers:
		return start, usageErrorf("--achieved: must be a whole number from 0 to %d", forecast.MaxUsers)
	}
	if config.Until.IsZero() {
		config.Until = time.Now()
	}
	start = forecast.New(config.Policy, config.Verification, config.Until)
	if f.tier != "" {
		if start, err = start.AtTier(f.tier); err != nil {
			return start, usageErrorf("--tier: %w", err)
		}
	}
	if f.used > 0 || f.achieved > 0 {
		start = start.WithUsage(f.used, f.achieved)
	}
	return start, nil
}
