package plan

import (
	"context"
	"io"

	"numberfleet.dev/numberfleet/internal/simulate"
)

// Run plays what a plan says: the same events as those of a file, through the same rules. Unless the plan sends beyond the limit, a
// message is sent only while its number has room and its template can be sent. The simulation ends with the plan's last day if config
// does not say when.
func Run(ctx context.Context, config simulate.Config, plan *Plan) (simulate.Result, error) {
	return run(ctx, config, plan, nil)
}

// Record is Run, and writes the events as they are played, one CloudEvent per line.
func Record(ctx context.Context, config simulate.Config, plan *Plan, to io.Writer) (simulate.Result, error) {
	writer := newEventWriter(to)
	result, err := run(ctx, config, plan, writer)
	if err != nil {
		return simulate.Result{}, err
	}
	return result, writer.flush()
}

func run(ctx context.Context, config simulate.Config, plan *Plan, writer *eventWriter) (simulate.Result, error) {
	if config.Until.IsZero() {
		config.Until = plan.End()
	}
	var g *generator
	result, err := simulate.Play(ctx, config, func(sendable simulate.Sendable) simulate.Source {
		g = newGenerator(plan, config.Until, sendable)
		if writer != nil {
			return &tee{g, writer}
		}
		return g
	})
	if err != nil {
		return simulate.Result{}, err
	}
	result.Days = g.days
	return result, nil
}
