package plan

import (
	"bufio"
	"context"
	"encoding/json"
	"io"

	"numberfleet.dev/numberfleet/internal/simulate"
)

// Run plays what a plan says: the same events as those of a file, through the same rules. Unless the plan sends beyond the limit, a
// message is sent only while its number has room and its template can be sent. The simulation ends with the plan's last day if config
// does not say when. The events are written as they are played, one CloudEvent per line, where there is a writer for them.
func Run(ctx context.Context, config simulate.Config, plan *Plan, events io.Writer) (simulate.Result, error) {
	if config.Until.IsZero() {
		config.Until = plan.End()
	}
	written := bufio.NewWriter(events)
	var g *generator
	result, err := simulate.Play(ctx, config, func(sendable simulate.Sendable) simulate.Source {
		g = newGenerator(plan, config.Until, sendable)
		if events != nil {
			return &tee{g, json.NewEncoder(written)}
		}
		return g
	})
	if err == nil {
		err = written.Flush()
	}
	if err != nil {
		return simulate.Result{}, err
	}
	result.Days = g.days
	return result, nil
}
