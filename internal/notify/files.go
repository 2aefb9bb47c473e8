package notify

import (
	"fmt"

	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/secret"
)

// Files are read at each use, so that a rotated secret is taken up without a restart.

// secretIn reads the secret in a file that a field names.
func secretIn(field, file string) (string, error) {
	value, err := secret.Read(file)
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", field, file, err)
	}
	return value, nil
}

// url is the address to post to: inline, or from a file.
func url(inline, file string) (string, error) {
	if file == "" {
		return inline, nil
	}
	value, err := secretIn("urlFile", file)
	if err != nil {
		return "", err
	}
	if !config.IsURL(value) {
		return "", fmt.Errorf("urlFile %s: must hold an absolute URL with https:// or http:// and a host, and nothing else", file)
	}
	return value, nil
}
