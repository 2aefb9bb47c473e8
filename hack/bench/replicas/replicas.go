// Package replicas measures ledgers that share a log on three nodes of nats-server, beside the embedded ledger, beside the log alone and
// beside Redis that waits for a copy; and how long a new replica takes until it is ready.
package replicas

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"numberfleet.dev/numberfleet/hack/rig/nats"

	"numberfleet.dev/numberfleet/hack/bench/measure"
	"numberfleet.dev/numberfleet/hack/bench/redis"
	"numberfleet.dev/numberfleet/hack/bench/report"
)

// bench is what the runs share.
type bench struct {
	*measure.Bench
	cluster *nats.Cluster
	during  time.Duration // of a run
	users   int           // that are known before a run
	fresh   int           // users that a new replica has
	rest    int           // deliveries after the snapshot that it loads
	opened  int           // logs and folders
}

// Run measures it all.
func Run(ctx context.Context, shared *measure.Bench) (section report.Section, err error) {
	b := &bench{Bench: shared, during: 2 * time.Second, users: 1_000_000, fresh: 10_000_000, rest: 2_000_000}
	if b.Short {
		b.during, b.users, b.fresh, b.rest = 50*time.Millisecond, 20_000, 20_000, 20_000
	}
	section = report.Section{Title: "Replicas", Intro: intro, Notes: notes}
	if section.Versions, err = redis.Find(ctx, shared); err != nil {
		return section, err
	}
	if b.cluster, err = nats.Start(ctx, nats.Options{Folder: filepath.Join(b.Folder, "nats")}); err != nil {
		return section, err
	}
	defer b.cluster.Kill()
	withRedis := len(section.Versions) > 0
	section.Versions = append(section.Versions, "nats.go "+measure.Version("github.com/nats-io/nats.go"))
	return section, errors.Join(b.appends(ctx, &section), b.reservations(ctx, &section, withRedis), b.starts(ctx, &section))
}

// next is a new name, for a log or a folder.
func (b *bench) next() string {
	b.opened++
	return fmt.Sprint("bench-", b.opened)
}

const intro = `Callers, replicas, three nodes of nats-server and the one disk that all of them sync to share two cores, so each ratio has the
whole log on its side. Callers call the ledger itself, in a closed loop, without HTTP. Three replicas are in one process, each with its own
connection to another node and a third of the callers; each applies everything. Nodes sync before they acknowledge.

- *Acknowledged*: the same rounds are published by the same code, and answered when the log has acknowledged them. Nobody reads and
  applies them, or somebody does for whom no caller waits.
- *Embedded*: the ledger on Pebble, without replicas.
- *Redis*: a script that checks and reserves on two sorted sets of a limit, and WAIT for one copy, each caller on a connection of its own.
  Both servers sync always.`

var notes = []string{
	"A new replica loads a snapshot from the log's object store, reads the rest of the log, and is ready when the first round of its own was applied. " +
		"Nodes have what it reads in the page cache.",
	"Half of the reservations need a place, which is kept for a second.",
}
