package ledger

import (
	"context"
	"slices"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Pools and templates belong to this process's cluster, and have its name in the log (see counts.OfCluster): in what is set and asked here, and in
// what is answered, they have their own.

// Unreserved is the answer to a Reserve that cannot be decided now, see counts.View. Where the clock here is behind that of a shared journal, now is
// log time: a service window is open by both.
func (l *Ledger) Unreserved(o *counts.Operation, now time.Time) counts.Decision {
	if l.replica != nil && now.Before(l.logTime()) {
		now = l.logTime()
	}
	return l.View.Unreserved(&l.inLog([]counts.Operation{*o})[0], now)
}

// Preview is what a Reserve would be answered at now, see counts.View. It is an error where the ledger cannot be asked.
func (l *Ledger) Preview(ctx context.Context, o *counts.Operation, now time.Time) (counts.Decision, error) {
	if err := o.Validate(); err != nil {
		return counts.Decision{}, err
	}
	if err := l.CatchUp(ctx, now); err != nil {
		return counts.Decision{}, err
	}
	return l.View.Preview(&l.inLog([]counts.Operation{*o})[0], now), nil
}

// Settings are all that are known but for pools and templates of other clusters, in no order.
func (l *Ledger) Settings() counts.Settings {
	s := l.View.Settings()
	s.Pools = ownOf(l.cluster, s.Pools, poolName)
	s.Templates = ownOf(l.cluster, s.Templates, templateName)
	return s
}

func poolName(p *counts.PoolSetting) *string         { return &p.Name }
func templateName(t *counts.TemplateSetting) *string { return &t.Name }

// ownOf are those of all that belong to a cluster, by the names that they have there.
func ownOf[T any](cluster string, all []T, name func(*T) *string) (some []T) {
	for _, setting := range all {
		if own, is := counts.CutCluster(cluster, *name(&setting)); is {
			*name(&setting) = own
			some = append(some, setting)
		}
	}
	return some
}

// settingsInLog are settings as the log has them.
func (l *Ledger) settingsInLog(s counts.Settings) counts.Settings {
	s.Pools = inLogOf(l.cluster, s.Pools, poolName)
	s.Templates = inLogOf(l.cluster, s.Templates, templateName)
	return s
}

func inLogOf[T any](cluster string, own []T, name func(*T) *string) []T {
	own = slices.Clone(own)
	for i := range own {
		*name(&own[i]) = counts.OfCluster(cluster, *name(&own[i]))
	}
	return own
}

// inLog are operations as the log has them.
func (l *Ledger) inLog(operations []counts.Operation) []counts.Operation {
	if l.cluster == "" {
		return operations
	}
	operations = slices.Clone(operations)
	for i := range operations {
		if o := &operations[i]; o.Pool != "" {
			o.Pool = counts.OfCluster(l.cluster, o.Pool)
		}
	}
	return operations
}
