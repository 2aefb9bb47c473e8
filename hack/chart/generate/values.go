package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// schemaMark begins a line of a comment with what the schema of the value has besides what its default tells: an object of JSON Schema, in YAML.
const schemaMark = "@schema "

// readValues reads the values of a chart with the comments above them. The value `config` has the fields of the operator's configuration.
func readValues(content []byte, configuration []value) ([]value, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return nil, err
	}
	all, err := readFields(document.Content[0], "")
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].name == "config" {
			all[i].fields = configuration
		}
	}
	return all, nil
}

// readFields reads the fields of an object at a path.
func readFields(of *yaml.Node, path string) ([]value, error) {
	var all []value
	for i := 0; i < len(of.Content); i += 2 {
		field, err := readValue(of.Content[i], of.Content[i+1], path)
		if err != nil {
			return nil, err
		}
		all = append(all, field)
	}
	return all, nil
}

func readValue(key, node *yaml.Node, path string) (value, error) {
	v := value{name: key.Value, schema: map[string]any{}}
	path += "." + v.name
	var sentences []string
	for line := range strings.Lines(key.HeadComment) {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "#"))
		if more, is := strings.CutPrefix(line, schemaMark); is {
			if err := yaml.Unmarshal([]byte(more), &v.schema); err != nil {
				return v, fmt.Errorf("%s: its schema: %w", path, err)
			}
		} else if line != "" {
			sentences = append(sentences, line)
		}
	}
	v.description = strings.Join(sentences, " ")

	var preset any
	if err := node.Decode(&preset); err != nil {
		return v, fmt.Errorf("%s: %w", path, err)
	}
	inJSON, err := json.Marshal(preset)
	if err != nil {
		return v, fmt.Errorf("%s: %w", path, err)
	}
	v.preset = string(inJSON)
	if v.schema["type"] != nil || v.schema["$ref"] != nil { // said whole
		return v, v.described(path)
	}
	switch preset := preset.(type) {
	case string:
		v.schema["type"] = "string"
	case bool:
		v.schema["type"] = "boolean"
	case int:
		v.schema["type"] = "integer"
	case []any:
		v.schema["type"] = "array"
	case map[string]any:
		v.schema["type"] = "object"
		if len(preset) > 0 {
			v.fields, err = readFields(node, path)
			return v, err
		}
	default:
		return v, fmt.Errorf("%s has the default %s, which does not tell its type", path, v.preset)
	}
	return v, v.described(path)
}

// described is an error where a value has no description.
func (v value) described(path string) error {
	if v.description == "" {
		return fmt.Errorf("%s has no comment", path)
	}
	return nil
}
