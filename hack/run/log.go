package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"numberfleet.dev/numberfleet/hack/rig/nats"
	"numberfleet.dev/numberfleet/internal/config"
)

// startLog starts the nodes of the log that several replicas share; a single one has none.
func startLog(ctx context.Context, o options) (*nats.Cluster, error) {
	if o.replicas == 1 {
		return nil, nil //nolint:nilnil // nothing is missing
	}
	say("starting three nodes of NATS")
	return nats.Start(ctx, nats.Options{Program: o.natsServer, Folder: filepath.Join(o.state, "nats")})
}

// configure writes the operator's configuration, and returns its file.
func configure(o options, graph config.GraphAPI, log *nats.Cluster) (string, error) {
	settings := map[string]any{"apiVersion": config.APIVersion, "kind": config.Kind, "graphAPI": graph}
	if log != nil {
		secret, err := secretOfKeys(filepath.Join(o.state, "log-secret"))
		if err != nil {
			return "", err
		}
		settings["ledger"] = map[string]any{"engine": config.LogEngine, "log": map[string]any{"servers": strings.Split(log.URL(), ","), "secretFile": secret}}
	}
	content, err := yaml.Marshal(settings)
	if err != nil {
		return "", err
	}
	file := filepath.Join(o.state, "config.yaml")
	return file, os.WriteFile(file, content, 0o600)
}

// secretOfKeys returns the file of the secret that users and messages are hashed with. It is made once.
func secretOfKeys(file string) (string, error) {
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	var key [16]byte
	_, _ = rand.Read(key[:]) // never fails
	return file, os.WriteFile(file, []byte(hex.EncodeToString(key[:])), 0o600)
}
