package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// checksums is the file with the digests of all others, as sha256sum writes and checks them.
const checksums = "checksums.txt"

// writeChecksums writes the digests of all files of the release.
func (r release) writeChecksums() error {
	files, err := os.ReadDir(r.output)
	if err != nil {
		return err
	}
	var lines bytes.Buffer
	for _, f := range files {
		if f.Name() == checksums {
			continue
		}
		digest, err := digestOf(r.path(f.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%s  %s\n", digest, f.Name())
	}
	return os.WriteFile(r.path(checksums), lines.Bytes(), 0o644)
}

// digestOf is the SHA-256 of a file, in hexadecimal digits.
func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}
