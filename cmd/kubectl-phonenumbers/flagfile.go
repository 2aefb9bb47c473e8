package main

import (
	"numberfleet.dev/numberfleet/internal/secret"
)

// readSecret reads the secret in the file that a flag names.
func readSecret(flag, file string) (string, error) {
	value, err := secret.Read(file)
	if err != nil {
		return "", usageErrorf("%s: %s: %w", flag, file, err)
	}
	return value, nil
}
