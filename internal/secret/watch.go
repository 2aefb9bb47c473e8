package secret

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// File is a file that a secret is to be in.
type File struct {
	// Field says which secret it is: the path of a field in the configuration, such as graphAPI.accounts[0].tokenFile.
	Field string
	Path  string
	// Optional says that there need not be such a file.
	Optional bool
}

// period is how often a Watcher checks the files.
const period = 30 * time.Second

// Watcher says in the log and in metrics which secrets cannot be used, or are likely not what was meant. It is a Runnable of a
// controller-runtime manager, in every replica.
type Watcher struct {
	files      []File
	log        logr.Logger
	logged     []string // of each file, the problem that was last logged
	usable     *prometheus.GaugeVec
	suspicious *prometheus.GaugeVec
}

// NewWatcher makes a Watcher, and checks the files for the first time.
func NewWatcher(files []File, registerer prometheus.Registerer, log logr.Logger) *Watcher {
	register := promauto.With(registerer)
	w := &Watcher{
		files: files, log: log, logged: make([]string, len(files)),
		usable: register.NewGaugeVec(prometheus.GaugeOpts{
			Name: "numberfleet_secret_usable",
			Help: "Whether there is a secret in the file that a field of the configuration names: 0 where the file is missing, empty or " +
				"unreadable. The log says which it is.",
		}, []string{"field"}),
		suspicious: register.NewGaugeVec(prometheus.GaugeOpts{
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

// check reads every file, and logs what changed since the last time.
func (w *Watcher) check() {
	for i, file := range w.files {
		usable, suspicious, problem := 1.0, 0.0, ""
		switch secret, err := Read(file.Path); {
		case err != nil && file.Optional && errors.Is(err, os.ErrNotExist):
		case err != nil:
			usable, problem = 0, err.Error()
		default:
			if problem = Doubt(secret); problem != "" {
				suspicious = 1
			}
		}
		w.usable.WithLabelValues(file.Field).Set(usable)
		w.suspicious.WithLabelValues(file.Field).Set(suspicious)
		switch {
		case problem == w.logged[i]:
		case problem == "":
			w.log.Info("A secret can be used, and nothing speaks against it any more", "field", file.Field, "file", file.Path)
		case usable == 0:
			w.log.Error(errors.New(problem), "A secret cannot be used", "field", file.Field, "file", file.Path)
		default:
			w.log.Info("A secret is likely not the one that was meant", "field", file.Field, "file", file.Path, "problem", problem)
		}
		w.logged[i] = problem
	}
}
