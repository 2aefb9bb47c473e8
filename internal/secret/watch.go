package secret

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"numberfleet.dev/numberfleet/internal/degraded"
)

// File is a file that a secret, or a part of a certificate, is to be in.
type File struct {
	// Field says which it is: a flag with the name of the file, or the path of a field in the configuration, such as
	// graphAPI.accounts[0].tokenFile.
	Field string
	Path  string
	// Optional says that there need not be such a file.
	Optional bool
	// Certificate says that it is part of a listener's certificate.
	Certificate bool
}

// period is how often a Watcher checks the files.
const period = 5 * time.Second

// Watcher tells which files are lacking, and which secrets are likely not what was meant. It is a Runnable of a controller-runtime manager,
// in every replica.
type Watcher struct {
	files      []File
	degraded   *degraded.Reporter
	log        logr.Logger
	doubted    []string // of each file, the doubt that was last logged
	suspicious *prometheus.GaugeVec
}

// NewWatcher makes a Watcher, and checks the files for the first time.
func NewWatcher(files []File, lacking *degraded.Reporter, registerer prometheus.Registerer, log logr.Logger) *Watcher {
	w := &Watcher{
		files: files, degraded: lacking, log: log, doubted: make([]string, len(files)),
		suspicious: promauto.With(registerer).NewGaugeVec(prometheus.GaugeOpts{
			Name: "numberfleet_secret_suspicious",
			Help: "Whether the secret of a field is likely not the one that was meant, such as a placeholder, or one with quotes around it " +
				"or white space within: 1 then. It is used all the same. The log says what it is.",
		}, []string{"field"}),
	}
	w.check()
	return w
}

// NeedLeaderElection implements controller-runtime's LeaderElectionRunnable.
func (w *Watcher) NeedLeaderElection() bool { return false }

// Start checks the files again and again, until ctx is done.
func (w *Watcher) Start(ctx context.Context) error {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			w.check()
		}
	}
}

// check reads every file.
func (w *Watcher) check() {
	for i, file := range w.files {
		content, err := Read(file.Path)
		problem := ""
		if err != nil && (!file.Optional || !errors.Is(err, os.ErrNotExist)) {
			problem = err.Error()
		}
		if file.Certificate {
			w.degraded.Set(degraded.CertificateMissing, file.Field, problem)
			continue
		}
		w.degraded.Set(degraded.SecretMissing, file.Field, problem)
		doubt := ""
		if err == nil {
			doubt = Doubt(content)
		}
		w.doubt(i, doubt)
	}
}

// doubt tells what speaks against the secret in a file, and logs it when it changes.
func (w *Watcher) doubt(i int, doubt string) {
	suspicious, field := 0.0, w.files[i].Field
	if doubt != "" {
		suspicious = 1
	}
	w.suspicious.WithLabelValues(field).Set(suspicious)
	switch {
	case doubt == w.doubted[i]:
	case doubt == "":
		w.log.Info("Nothing speaks against a secret any more", "field", field)
	default:
		w.log.Info("A secret is likely not the one that was meant", "field", field, "problem", doubt)
	}
	w.doubted[i] = doubt
}
