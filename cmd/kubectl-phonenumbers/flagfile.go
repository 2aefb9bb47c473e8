package main

import (
	"crypto/tls"

	"numberfleet.dev/numberfleet/internal/secret"
	"numberfleet.dev/numberfleet/internal/trust"
)

// readSecret reads the secret in the file that a flag names.
func readSecret(flag, file string) (string, error) {
	value, err := secret.Read(file)
	if err != nil {
		return "", usageErrorf("%s: %s: %w", flag, file, err)
	}
	return value, nil
}

// readTrusted trusts the certificates in the file that a flag names; the system's where it names none.
func readTrusted(flag, file string) (*tls.Config, error) {
	trusted, err := trust.Config(file)
	if err != nil {
		return nil, usageErrorf("%s: %s: %w", flag, file, err)
	}
	return trusted, nil
}
