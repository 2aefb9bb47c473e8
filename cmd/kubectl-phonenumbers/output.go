package main

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// outputFormat is how a command writes its result.
type outputFormat string

const (
	outputTable outputFormat = "table"
	outputJSON  outputFormat = "json"
	outputYAML  outputFormat = "yaml"
	outputWide  outputFormat = "wide" // a table with more columns
	outputName  outputFormat = "name" // KIND.GROUP/NAME alone, one a line
)

// outputFlag is the flag -o of a command.
type outputFlag struct {
	format  *outputFormat
	allowed []string
}

func (o outputFlag) String() string { return string(*o.format) }

// Type is what the help shows for the value.
func (o outputFlag) Type() string { return strings.Join(o.allowed, "|") }

func (o outputFlag) Set(value string) error {
	if !slices.Contains(o.allowed, value) {
		last := len(o.allowed) - 1
		return errors.New("must be " + strings.Join(o.allowed[:last], ", ") + " or " + o.allowed[last])
	}
	*o.format = outputFormat(value)
	return nil
}

// addOutput adds the flag -o, with the formats that the command can write. The first is the default.
func addOutput(cmd *cobra.Command, to *outputFormat, usage string, formats ...outputFormat) {
	*to = formats[0]
	flag := outputFlag{format: to}
	for _, format := range formats {
		flag.allowed = append(flag.allowed, string(format))
	}
	cmd.Flags().VarP(flag, "output", "o", usage)
	completeFlag(cmd, "output", flag.allowed...)
}

// encode writes a value as one document in JSON or YAML.
func encode(to io.Writer, format outputFormat, value any) error {
	if format == outputYAML {
		content, err := yaml.Marshal(value)
		if err != nil {
			return err
		}
		_, err = to.Write(content)
		return err
	}
	encoder := json.NewEncoder(to)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
