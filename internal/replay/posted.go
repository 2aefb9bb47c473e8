package replay

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
)

// posted remembers, in a file, which webhooks an operator has taken, so that the next run goes on where one ended. There is a line for
// each, written after the operator has answered: what a crash cuts off is posted again, which changes no count.
type posted struct {
	file *os.File
	done map[string]struct{}
}

func openPosted(name string) (*posted, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	p := &posted{file: file, done: map[string]struct{}{}}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		p.done[lines.Text()] = struct{}{}
	}
	if err := lines.Err(); err != nil {
		_ = file.Close() // the first error is the one to tell
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	// A line that was cut off ends here, and is none of a webhook.
	if _, err := file.WriteString("\n"); err != nil {
		_ = file.Close() // the first error is the one to tell
		return nil, err
	}
	return p, nil
}

// key is what a webhook is known by: one that was posted elsewhere is to be posted here all the same.
func key(url string, body []byte) string {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\n", url)
	hash.Write(body)
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

func (p *posted) has(key string) bool {
	_, has := p.done[key]
	return has
}

func (p *posted) add(key string) error {
	p.done[key] = struct{}{}
	_, err := p.file.WriteString(key + "\n")
	return err
}

func (p *posted) close() error { return p.file.Close() }
