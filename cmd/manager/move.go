package main

import (
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/yaml"

	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/journal/pebble"
	"numberfleet.dev/numberfleet/internal/ledger/move"
)

// ledgerCommand has the commands that move a ledger between the folder of one replica and the log of several, or bring it back.
func ledgerCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "ledger", Short: "Move the ledger between a folder and a log, or bring it back",
		// A Job that misspells its command fails.
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, name := range []string{"data-dir", "zap-log-level", "zap-encoder"} {
		cmd.PersistentFlags().AddGoFlag(flag.Lookup(name))
	}
	var name string
	secret := &cobra.Command{
		Use: "secret", Short: "Print the secret of the folder as a Secret, for ledger.log.secretFile", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			manifest, err := secretManifest(f.dataDir, name)
			if err == nil {
				_, err = cmd.OutOrStdout().Write(manifest)
			}
			return err
		},
	}
	secret.Flags().StringVar(&name, "name", "numberfleet-log", "Name of the Secret; its key is secret.")
	into := &cobra.Command{
		Use: "import", Short: "Move the ledger in --data-dir into the log of the configuration, which must be a new one", Args: cobra.NoArgs,
		Long: "Move the ledger in --data-dir into the log of the configuration, which must be a new one. End the operator before. The folder keeps what " +
			"it has, and the engine Embedded does not start on it any more. If the command is interrupted, run it again.",
		RunE: func(cmd *cobra.Command, _ []string) error { return moveLedger(cmd.Context(), f, move.In) },
	}
	out := &cobra.Command{
		Use: "export", Short: "Move the ledger in the log of the configuration to --data-dir", Args: cobra.NoArgs,
		Long: "Move the ledger in the log of the configuration to --data-dir: a new folder, or the one from which it was moved into the log. End all " +
			"replicas of the operator before. No replica starts on the log any more. If the command is interrupted, run it again.",
		RunE: func(cmd *cobra.Command, _ []string) error { return moveLedger(cmd.Context(), f, move.Out) },
	}
	var from string
	recovery := &cobra.Command{
		Use: "recover", Short: "Begin the log of the configuration with what is left of one that lost something", Args: cobra.NoArgs,
		Long: "Begin the log of the configuration, which must be a new one, with what is left of the log of another instance that lost what it had " +
			"acknowledged: what replicas kept, its newest snapshot, and what it still has. End all replicas of the operator before. If the command is " +
			"interrupted, run it again.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return moveLedger(cmd.Context(), f, func(ctx context.Context, o move.Options) (ledger.Copied, error) { return move.Recover(ctx, o, from) })
		},
	}
	recovery.Flags().StringVar(&from, "from-instance", "main", "Instance of the log that lost something.")
	var gone string
	restore := &cobra.Command{
		Use: "restore", Short: "Begin the log of the configuration with the newest snapshot in the bucket of one that is gone", Args: cobra.NoArgs,
		Long: "Begin the log of the configuration, which must be a new one, with the newest snapshot in ledger.log.backup of a log that is gone. What came " +
			"after that snapshot is lost. If the command is interrupted, run it again.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return moveLedger(cmd.Context(), f, func(ctx context.Context, o move.Options) (ledger.Copied, error) { return move.Restore(ctx, o, gone) })
		},
	}
	restore.Flags().StringVar(&gone, "from-instance", "main", "Instance of the log that is gone; a new one may have the same.")
	for _, c := range []*cobra.Command{into, out, recovery, restore} {
		for _, name := range []string{"config", "time-lapse-speed", "time-lapse-anchor", "time-lapse-origin"} {
			c.Flags().AddGoFlag(flag.Lookup(name))
		}
	}
	cmd.AddCommand(secret, into, out, recovery, restore)
	return cmd
}

// secretManifest is a Secret with the secret of a folder.
func secretManifest(folder, name string) ([]byte, error) {
	store, err := pebble.Open(folder, pebble.Options{Existing: true, Moved: true})
	if err != nil {
		return nil, err
	}
	secret := store.Secret()
	manifest, err := yaml.Marshal(&corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		StringData: map[string]string{"secret": hex.EncodeToString(secret[:])},
	})
	return manifest, errors.Join(err, store.Close())
}

// moveLedger moves the ledger of the configuration one way or the other.
func moveLedger(ctx context.Context, f *flags, way func(context.Context, move.Options) (ledger.Copied, error)) error {
	configuration, found, err := config.Load(f.configFile)
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("the file %q of --config is missing: it names the log", f.configFile)
	case configuration.Ledger.Log == nil:
		return fmt.Errorf("the file %q of --config names no log: set ledger.engine to Log, and ledger.log", f.configFile)
	}
	o := move.Options{Folder: f.dataDir, Clock: clock.RealClock{}}
	if o.Secret, err = configuration.Ledger.Log.Secret(); err != nil {
		return err
	}
	rules, err := f.lapse.clock(o.Clock)
	if err != nil {
		return err
	}
	log := ctrl.Log.WithName("ledger")
	o.Store.Log = log
	if o.Log, err = logOptions(configuration.Ledger.Log, o.Secret, rules, log); err != nil {
		return err
	}
	moved, err := way(ctx, o)
	if errors.Is(err, move.ErrDone) {
		log.Info("There is nothing to do", "reason", err.Error())
		return nil
	}
	if err == nil {
		log.Info("The ledger is moved", "numbers", moved.Numbers, "portfolios", moved.Portfolios)
	}
	return err
}
