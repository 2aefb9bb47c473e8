// Command generate writes values.schema.json and README.md of config/chart: of the comments in its values.yaml, and of the Go types of the
// operator's configuration.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

const folder = "config/chart"

func main() {
	if err := generate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func generate() error {
	configuration, err := readConfiguration("internal/config", "api/v1alpha1")
	if err != nil {
		return err
	}
	content, err := os.ReadFile(filepath.Join(folder, "values.yaml"))
	if err != nil {
		return err
	}
	values, err := readValues(content, configuration)
	if err != nil {
		return fmt.Errorf("values.yaml: %w", err)
	}

	schema := object(values)
	schema["$schema"] = "http://json-schema.org/draft-07/schema#"
	schema["definitions"] = definitions
	// Of Helm itself, for charts that have this one as a part.
	schema["properties"].(map[string]any)["global"] = map[string]any{"type": "object"}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(schema); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "values.schema.json"), out.Bytes(), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "README.md"), readme(values), 0o600)
}
