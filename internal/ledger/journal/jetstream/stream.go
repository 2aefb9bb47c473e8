package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// The stream of an instance, and the subjects of what is in it.
func (o *Options) stream() string { return "NUMBERFLEET_" + o.Instance }
func (o *Options) rounds() string { return "numberfleet." + o.Instance + ".log" }
func (o *Options) seals() string  { return "numberfleet." + o.Instance + ".seal" }

const (
	// synced is the tag of servers whose sync_interval is always.
	synced = "sync:always"
	// secretOf is under which the metadata of a stream, of a snapshot and of what was kept have the fingerprint of the secret.
	secretOf = "numberfleet.dev/secret" //nolint:gosec // G101: a name, and what it names is no secret
)

// ErrRefused is returned for a log that is there, and is not what it must be.
var ErrRefused = errors.New("refused")

// configuration is that of the stream. Nothing leaves it but by age: where there is no room, appends fail.
func (o *Options) configuration() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: o.stream(), Description: "The log of numberfleet, instance " + o.Instance, Subjects: []string{o.rounds(), o.seals()},
		Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, Storage: jetstream.FileStorage,
		MaxAge: o.Retention, MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1, MaxMsgSize: -1, MaxConsumers: -1,
		Replicas: o.Replicas, Placement: o.placement(),
		DenyDelete: true, DenyPurge: true, AllowDirect: true,
		Duplicates: 100 * time.Millisecond, // the least there is: no rule rests on it
		Metadata:   map[string]string{secretOf: o.Fingerprint},
	}
}

// placement has only servers hold a copy that sync it.
func (o *Options) placement() *jetstream.Placement {
	if o.AllowUnsynced {
		return nil
	}
	return &jetstream.Placement{Tags: []string{synced}}
}

// openStream finds the stream, or makes it.
func (j *Journal) openStream(ctx context.Context) error {
	want := j.options.configuration()
	if j.options.Moving == In {
		want.Metadata[wayOf] = string(In)
		if follows := j.options.Follows; follows != "" {
			want.Metadata[followsOf] = follows
		}
	}
	waits := sync.OnceFunc(func() {
		j.options.Log.Info("A ledger is being moved into the log, which opens when that is done", "stream", want.Name)
	})
	return repeatedly(ctx, func(ctx context.Context) error {
		stream, err := j.js.Stream(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) && j.options.Moving != Out {
			stream, err = j.js.CreateStream(ctx, want)
		}
		switch {
		case errors.Is(err, jetstream.ErrStreamNameAlreadyInUse): // another process made it meanwhile
			return errors.New("the stream appeared")
		case errors.Is(err, jetstream.ErrStreamNotFound):
			return fmt.Errorf("%w: there is no stream %s", ErrRefused, want.Name)
		case err != nil:
			return fmt.Errorf("the stream %s, with %d copies on servers that %s: %w", want.Name, want.Replicas, needs(&j.options), err)
		}
		info := stream.CachedInfo()
		if err := weaker(&info.Config, &want); err != nil {
			return fmt.Errorf("%w: the stream %s: %w", ErrRefused, want.Name, err)
		}
		if err := j.options.sameSecret("the stream "+want.Name, info.Config.Metadata[secretOf]); err != nil {
			return err
		}
		if j.options.Moving == In {
			if err := j.options.isNext(info); err != nil {
				return err
			}
		}
		j.created = info.Created
		if j.moving, err = j.movingOf(ctx, info); err != nil {
			return err
		}
		switch err := j.options.mayOpen(j.moving); {
		case errors.Is(err, errMovingIn):
			waits()
			return err
		case err != nil:
			return fmt.Errorf("%w: the stream %s: %w", ErrRefused, want.Name, err)
		}
		return nil
	})
}

// sameSecret returns ErrRefused for what was written with another secret, whose fingerprint is in its metadata.
func (o *Options) sameSecret(what, is string) error {
	if is != o.Fingerprint {
		return fmt.Errorf("%w: %s has the fingerprint %q of the secret in its metadata %s, and this process has %q: all need the secret that the log began with",
			ErrRefused, what, is, secretOf, o.Fingerprint)
	}
	return nil
}

// needs says what servers need to hold a copy, and what to do without it.
func needs(o *Options) string {
	if o.AllowUnsynced {
		return "have room"
	}
	return "have sync_interval: always and server_tags: [" + synced + "] in their configuration, or requireSync is to be false"
}

// weaker says in which fields a stream promises less than is wanted, by their names in the stream's configuration.
func weaker(is, want *jetstream.StreamConfig) error {
	var all []error
	need := func(holds bool, field string, value any) {
		if !holds {
			all = append(all, fmt.Errorf("%s must be %v", field, value))
		}
	}
	need(!slices.ContainsFunc(want.Subjects, func(s string) bool { return !slices.Contains(is.Subjects, s) }), "subjects", want.Subjects)
	need(len(is.Subjects) <= len(want.Subjects), "subjects", "no others")
	need(is.Retention == want.Retention, "retention", want.Retention)
	need(is.Discard == want.Discard, "discard", want.Discard)
	need(is.MaxAge == 0 || is.MaxAge >= want.MaxAge, "max_age", fmt.Sprintf("at least %s", want.MaxAge))
	need(is.MaxMsgsPerSubject <= 0, "max_msgs_per_subject", -1)
	need(is.MaxMsgSize <= 0 || is.MaxMsgSize >= 2*MaxRound, "max_msg_size", fmt.Sprintf("at least %d", 2*MaxRound))
	need(is.DenyDelete, "deny_delete", true)
	need(is.DenyPurge, "deny_purge", true)
	need(is.AllowDirect, "allow_direct", true)
	need(!is.AllowRollup, "allow_rollup_hdrs", false)
	need(!is.AllowMsgTTL, "allow_msg_ttl", false)
	need(!is.NoAck, "no_ack", false)
	need(!is.Sealed, "sealed", false)
	need(is.FirstSeq <= 1, "first_seq", 1)
	need(is.PersistMode == jetstream.DefaultPersistMode, "persist_mode", jetstream.DefaultPersistMode)
	need(is.Mirror == nil && len(is.Sources) == 0, "mirror and sources", "empty")
	need(is.SubjectTransform == nil, "subject_transform", "empty")
	return errors.Join(append(all, lessDurable(is, want))...)
}

// lessDurable says in which fields a stream keeps what is in it less safely than is wanted.
func lessDurable(is, want *jetstream.StreamConfig) error {
	var all []error
	if is.Storage != jetstream.FileStorage {
		all = append(all, errors.New("storage must be file"))
	}
	if is.Replicas < want.Replicas {
		all = append(all, fmt.Errorf("num_replicas must be at least %d", want.Replicas))
	}
	if want.Placement != nil && (is.Placement == nil || !slices.Contains(is.Placement.Tags, synced)) {
		all = append(all, fmt.Errorf("placement.tags must have %s, or requireSync is to be false", synced))
	}
	return errors.Join(all...)
}
