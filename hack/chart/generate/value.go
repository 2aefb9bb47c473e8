package main

import "maps"

// value is a value of the chart, or a field of the operator's configuration.
type value struct {
	name, description string
	// preset is what the value is where it is left out, in JSON; empty in the configuration, whose defaults the description has.
	preset string
	// schema is that of the value itself, without its fields.
	schema map[string]any
	// fields are those of an object, or of the elements of a list of objects.
	fields []value
}

// The definitions that schemas refer to. What names a file of the configuration may name what is to be mounted there.
var definitions = map[string]any{
	"file":   reference("The absolute path of a file, or a key of a Secret or a ConfigMap that is mounted.", "key"),
	"folder": reference("The absolute path of a folder, or a Secret or a ConfigMap that is mounted."),
}

// reference is the schema of a path, or of a Secret or ConfigMap with these more fields.
func reference(description string, more ...string) map[string]any {
	forms := []any{map[string]any{"type": "string", "pattern": "^(/.*)?$"}}
	for _, kind := range []string{"secret", "configMap"} {
		properties := map[string]any{}
		for _, name := range append([]string{kind}, more...) {
			properties[name] = map[string]any{"type": "string", "minLength": 1}
		}
		forms = append(forms, map[string]any{"type": "object", "properties": properties, "required": append([]string{kind}, more...), "additionalProperties": false})
	}
	return map[string]any{"description": description, "anyOf": forms}
}

func refer(to string) map[string]any { return map[string]any{"$ref": "#/definitions/" + to} }

// object is the schema of an object that has these fields and no others.
func object(fields []value) map[string]any {
	properties := map[string]any{}
	for _, field := range fields {
		properties[field.name] = field.whole()
	}
	return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
}

// whole is the schema of a value, with its description and its fields.
func (v value) whole() map[string]any {
	all := map[string]any{"description": v.description}
	switch {
	case v.fields == nil:
	case v.schema["type"] == "array":
		all["items"] = object(v.fields)
	default:
		maps.Copy(all, object(v.fields))
	}
	maps.Copy(all, v.schema)
	return all
}
