package replay

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
)

// checkpoint remembers, in a file, which webhooks an operator has taken, so that the next run goes on where one ended. There is a line for
// each, written after the operator has answered: what a crash cuts off is posted again, which changes no count.
type checkpoint struct {
	file *os.File
	done map[string]struct{}
}

func openCheckpoint(name string) (*checkpoint, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	c := &checkpoint{file: file, done: map[string]struct{}{}}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		c.done[lines.Text()] = struct{}{}
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
	return c, nil
}

// key is what a webhook is known by: one that was posted elsewhere is to be posted here all the same.
func key(url string, body []byte) string {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\n", url)
	hash.Write(body)
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

func (c *checkpoint) has(key string) bool {
	_, has := c.done[key]
	return has
}

func (c *checkpoint) add(key string) error {
	c.done[key] = struct{}{}
	_, err := c.file.WriteString(key + "\n")
	return err
}

func (c *checkpoint) close() error { return c.file.Close() }
