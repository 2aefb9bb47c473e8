package counts

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strings"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
)

// owners says which cluster sets what is known of a subject, where several share a log: the first that did, until it removes the subject. So
// the limit of a portfolio that they share has one writer, and two resources for one number do not take turns. A portfolio has the numbers
// that each of them gave it. What is set by a cluster without a name has no owner.
type owners map[string]string

// OfCluster is by what name the machine knows a pool or a template of a cluster: clusters that share a log have namespaces of their own, which
// may have the same names.
func OfCluster(cluster, name string) string { return clusterPrefix(cluster) + name }

// CutCluster is the name without that of its cluster; false where it is of another.
func CutCluster(cluster, name string) (string, bool) {
	own, is := strings.CutPrefix(name, clusterPrefix(cluster))
	return own, is && !strings.Contains(own, clusterMark)
}

func clusterPrefix(cluster string) string {
	if cluster == "" {
		return ""
	}
	return cluster + clusterMark
}

// clusterMark is in no name of a namespace.
const clusterMark = "::"

// foreign reports whether a subject is set by another cluster.
func (o owners) foreign(subject, cluster string) bool {
	owner, owned := o[subject]
	return owned && owner != cluster
}

// free reports whether a cluster would own a subject by setting it.
func (o owners) free(subject, cluster string) bool {
	_, owned := o[subject]
	return cluster != "" && !owned
}

// Disown has no cluster own anything: one process without others has the machine from now on.
func (m *Machine) Disown() { m.gate.owners = nil }

// SetElsewhere is the cluster that sets what is known of a subject: of a number, or of a PortfolioKey. It is empty where that is this one, or
// any.
func (v *View) SetElsewhere(subject, cluster string) string {
	v.gate.mu.RLock()
	defer v.gate.mu.RUnlock()
	v.mu.RLock()
	defer v.mu.RUnlock()
	if owner := v.gate.owners[v.resolved(subject)]; owner != cluster {
		return owner
	}
	return ""
}

// owned is of a record what a cluster may set. It makes the cluster the owner of what has none, and leaves what it removes to others.
func (m *Machine) owned(r *Record, cluster string) *Record {
	if cluster == "" && len(m.gate.owners) == 0 || !r.control() {
		return r
	}
	part := *r
	part.Windows = ownedBy(m, r.Windows, cluster, func(w NumberWindows) (string, bool) { return m.resolved(w.Number), false })
	part.Claims = ownedBy(m, r.Claims, cluster, func(c Claim) (string, bool) { return m.resolved(c.Number), false })
	part.Portfolios = nil
	for _, p := range r.Portfolios {
		p.Numbers = ownedBy(m, p.Numbers, cluster, func(number string) (string, bool) { return m.resolved(number), false })
		part.Portfolios = append(part.Portfolios, m.withForeign(p, cluster))
	}
	part.Limits = ownedBy(m, r.Limits, cluster, func(l LimitSetting) (string, bool) {
		return m.resolved(l.Subject), l.Removed && strings.HasPrefix(l.Subject, portfolioPrefix) // a number without a limit may share one
	})
	part.Senders = ownedBy(m, r.Senders, cluster, func(n SenderSetting) (string, bool) { return m.resolved(n.Number), n.Removed })
	return &part
}

// ownedBy are those of items that a cluster may set. subject says of what an item is, and whether it removes that.
func ownedBy[T any](m *Machine, items []T, cluster string, subject func(T) (string, bool)) (some []T) {
	for _, item := range items {
		of, removed := subject(item)
		switch {
		case m.gate.owners.foreign(of, cluster):
			continue
		case removed:
			delete(m.gate.owners, of)
		case cluster != "":
			if m.gate.owners == nil {
				m.gate.owners = owners{}
			}
			m.gate.owners[of] = cluster
		}
		some = append(some, item)
	}
	return some
}

// withForeign adds to a cluster's numbers of a portfolio those that other clusters gave it.
func (v *View) withForeign(p Portfolio, cluster string) Portfolio {
	if g := v.portfolios[PortfolioKey(p.Name)]; g != nil && len(v.gate.owners) > 0 {
		p.Numbers = slices.Clone(p.Numbers)
		for _, s := range g.members {
			if v.gate.owners.foreign(s.number, cluster) {
				p.Numbers = append(p.Numbers, s.number)
			}
		}
	}
	return p
}

func (o owners) encode(row []byte) []byte {
	row = binary.AppendUvarint(row, uint64(len(o)))
	for _, subject := range slices.Sorted(maps.Keys(o)) {
		row = codec.AppendString(codec.AppendString(row, subject), o[subject])
	}
	return row
}

func (r *reader) owners() owners {
	o := owners{}
	for range r.Count(2) {
		subject := r.String()
		if o[subject] = r.String(); subject == "" || o[subject] == "" {
			r.Fail(errors.New("an owner is impossible"))
		}
	}
	return o
}
