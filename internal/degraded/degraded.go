// Package degraded tells, in the log and in a metric, what the operator lacks of what it is configured with. It is ready all the same, and
// serves what it can: a first installation is to end before any secret of Meta's is there.
//
// There is no resource of the operator itself that could have a condition, and an Event of its pod would be gone after an hour, while what
// lacks lasts. What a resource lacks by it, a condition of that resource says.
package degraded

import (
	"sync"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Reason is what kind of thing is lacking.
type Reason string

// The reasons.
const (
	// SecretMissing: a file that a secret is to be in is missing, empty, too long or unreadable. What needs it is refused, or waits.
	SecretMissing Reason = "SecretMissing"
	// CertificateMissing: a file of a listener's certificate is missing or empty. The listener waits for it.
	CertificateMissing Reason = "CertificateMissing"
	// LogNotSynced: the nodes of the shared log need not sync before they acknowledge. A power failure of all of them may lose what was
	// acknowledged.
	LogNotSynced Reason = "LogNotSynced"
	// LogRecovered: the shared log of the configuration lost something, and the next one goes on. Where that loses something too, nothing goes on
	// by itself.
	LogRecovered Reason = "LogRecovered"
)

// Reporter tells what is lacking.
type Reporter struct {
	log   logr.Logger
	gauge *prometheus.GaugeVec

	mu   sync.Mutex
	told map[lack]string // the problem that was last logged
}

// lack is something that may be lacking.
type lack struct {
	reason Reason
	field  string
}

// NewReporter makes a Reporter that nothing was told of.
func NewReporter(registerer prometheus.Registerer, log logr.Logger) *Reporter {
	return &Reporter{log: log, told: map[lack]string{}, gauge: promauto.With(registerer).NewGaugeVec(prometheus.GaugeOpts{
		Name: "numberfleet_degraded",
		Help: "Whether the operator lacks something that it is configured with: 1 then. The reason is SecretMissing, CertificateMissing, " +
			"LogNotSynced or LogRecovered, and the field is the flag or the field of the configuration that names it. The log says what is wrong.",
	}, []string{"reason", "field"})}
}

// Set says what is wrong with what a flag, or a field of the configuration, names; nothing where the problem is empty. A problem is logged when
// it changes: it holds no secret.
func (r *Reporter) Set(reason Reason, field, problem string) {
	value := 0.0
	if problem != "" {
		value = 1
	}
	r.gauge.WithLabelValues(string(reason), field).Set(value)
	r.mu.Lock()
	defer r.mu.Unlock()
	of := lack{reason, field}
	before := r.told[of]
	r.told[of] = problem
	switch {
	case problem == before:
	case problem == "":
		r.log.Info("The operator has what it lacked", "reason", reason, "field", field)
	default:
		r.log.Info("The operator is degraded: it lacks something that it is configured with", "reason", reason, "field", field, "problem", problem)
	}
}
