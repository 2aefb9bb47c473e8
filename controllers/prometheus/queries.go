package prometheus

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/controllers/internal/usage"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/promquery"
	"numberfleet.dev/numberfleet/internal/rules"
)

// query is a query as it is sent for one number.
type query struct {
	query   string // empty if there is none
	own     bool   // the number's, so that all of the answer is about it
	measure v1alpha1.Measure
	window  time.Duration
}

// queriesOf are a number's queries; none while it is not known which rules it lives by, for they say what is counted over which time.
func (s *Poller) queriesOf(ctx context.Context, n *v1alpha1.PhoneNumber) (asks [usage.Quantities]query, err error) {
	policy, _, err := s.Policies.Of(ctx, n)
	if _, is := errors.AsType[*conditions.Problem](err); is {
		return asks, nil
	} else if err != nil {
		return asks, err
	}
	tier := rules.Tier{Name: n.Status.Tier.Name, Limit: n.Status.Tier.Limit}
	if tier.Name == "" {
		tier = policy.Start(n.Spec.Verification)
	}
	climbs, upgrade, ok := policy.UpgradeMeasure(tier)
	if !ok {
		upgrade = statuses.Week
	}
	if !ok || climbs == v1alpha1.MeasureMessages {
		climbs = v1alpha1.MeasureUniqueUsers
	}
	fill := strings.NewReplacer("$window", inPromQL(policy.Window), "$upgradeWindow", inPromQL(upgrade))
	own, all := n.Spec.Usage.Queries, s.Samples.Server(n.Namespace).Queries
	for q, of := range [usage.Quantities]struct {
		own, all string
		measure  v1alpha1.Measure
		window   time.Duration
	}{
		usage.UsedCount:     {own.Used, all.Used, policy.Measure, policy.Window},
		usage.UsersCount:    {own.UniqueUsers, all.UniqueUsers, climbs, upgrade},
		usage.MessagesCount: {own.Messages, all.Messages, v1alpha1.MeasureMessages, upgrade},
	} {
		asks[q] = query{query: fill.Replace(of.all), measure: of.measure, window: of.window}
		if of.own != "" {
			asks[q].query, asks[q].own = fill.Replace(of.own), true
		}
	}
	return asks, nil
}

func inPromQL(d time.Duration) string { return model.Duration(d).String() }

// answer is what a query came to: samples, or why there are none.
type answer struct {
	samples model.Vector
	of      map[string]model.Vector // by what the label holds
	failed  *promquery.Error
}

// groupByLabel sorts the samples by the number that the label says they are of.
func (a *answer) groupByLabel(server *config.PrometheusNamespace) {
	a.of = make(map[string]model.Vector, len(a.samples))
	for _, sample := range a.samples {
		name := string(sample.Metric[model.LabelName(server.Label)])
		if server.Holds == config.HoldsPhoneNumber {
			name = strings.TrimPrefix(name, "+")
		}
		a.of[name] = append(a.of[name], sample)
	}
}

// countOf is the count of a number in the answer, or why it has none.
func (a *answer) countOf(n *v1alpha1.PhoneNumber, as query, q usage.Quantity, server *config.PrometheusNamespace) (int64, *shortfall) {
	if a.failed != nil {
		return 0, shortfallOf(a.failed)
	}
	samples := a.samples
	if !as.own {
		samples = a.of[labelValue(n, server.Holds)]
	}
	switch {
	case len(samples) == 0 && as.own:
		return 0, &shortfall{reason: v1alpha1.ReasonNoData, message: "gives nothing"}
	case len(samples) == 0:
		return 0, &shortfall{reason: v1alpha1.ReasonNoData, message: "gives no sample whose label " + server.Label + " names the number"}
	case len(samples) > 1:
		return 0, &shortfall{reason: v1alpha1.ReasonInvalidSample, message: "gives more than one sample for the number: sum them up, or choose one"}
	}
	rounding := promquery.Down
	if q == usage.UsedCount {
		rounding = promquery.Up
	}
	count, err := promquery.Count(samples[0], rounding)
	if err != nil {
		return 0, &shortfall{reason: v1alpha1.ReasonInvalidSample, message: "gives no count: " + err.Error()}
	}
	return count, nil
}

// labelValue is what the label holds for a number. A number without an id is not found by one.
func labelValue(n *v1alpha1.PhoneNumber, holds config.LabelHolds) string {
	switch holds {
	case config.HoldsPhoneNumberID:
		if n.Spec.PhoneNumberID == "" {
			return "\x00"
		}
		return n.Spec.PhoneNumberID
	case config.HoldsName:
		return n.Name
	default:
		return strings.TrimPrefix(n.Spec.PhoneNumber, "+")
	}
}

// distinctQueries are the queries of all numbers, each once, in order, and those among them whose answers are to be sorted by label.
func distinctQueries(all [][usage.Quantities]query) (queries []string, shared map[string]bool) {
	shared = map[string]bool{}
	for _, asks := range all {
		for _, a := range asks {
			if a.query != "" {
				queries = append(queries, a.query)
				shared[a.query] = shared[a.query] || !a.own
			}
		}
	}
	slices.Sort(queries)
	return slices.Compact(queries), shared
}
