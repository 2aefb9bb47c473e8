{{- define "type" -}}
{{- if markdownShouldRenderType . }}
## {{ .Name }}

{{ template "sentences" .Doc }}
{{ $users := list }}{{ range .SortedReferences }}{{ if markdownShouldRenderType . }}{{ $users = append $users (markdownRenderTypeLink .) }}{{ end }}{{ end -}}
{{ with $users }}
In {{ join ", " . }}.
{{ end -}}
{{ if .IsAlias }}
Its type is {{ markdownRenderTypeLink .UnderlyingType }}{{ template "rules" . }}.
{{ end -}}
{{ if .Members }}
| field | type | meaning |
|---|---|---|
{{- if .GVK }}
| `apiVersion` | string | `{{ .GVK.Group }}/{{ .GVK.Version }}` |
| `kind` | string | `{{ .GVK.Kind }}` |
{{- end }}
{{- range .Members }}
| `{{ .Name }}` | {{ markdownRenderType .Type }} | {{ if eq .Name "metadata" }}as of every resource{{ else }}{{ template "sentences" .Doc }}{{ template "bounds" . }}{{ end }} |
{{- end }}
{{ end -}}
{{ if .EnumValues }}
| value | meaning |
|---|---|
{{- range .EnumValues }}
| `{{ .Name }}` | {{ template "sentences" (regexReplaceAll "^\\w+: " .Doc "") }} |
{{- end }}
{{ end -}}
{{ end -}}
{{- end -}}

{{- /* A comment as one line of a table. Numbers of documents are for those who read the code. */ -}}
{{- define "sentences" -}}
{{ regexReplaceAll " \\(seeds/[^)]*\\)" . "" | trim | replace "\n\n" "<br>" | replace "\n" " " | replace "|" "\\|" | replace "{" "\\{" | replace "}" "\\}" }}
{{- end -}}

{{- /* What the schema holds a field to. */ -}}
{{- define "bounds" -}}
{{ if .Default }} Default: `{{ .Default }}`.{{ end }}{{ if has "Required: {}" .Validation }} Required.{{ end }}{{ template "rules" . }}
{{- end -}}

{{- /* The bounds that the schema has; the values of an enumeration have a table of their own. */ -}}
{{- define "rules" -}}
{{ range .Validation }}{{ if not (regexMatch "^(Required|Optional|Enum: \\[.*\\]$)" .) }} `{{ replace "|" "\\|" . }}`{{ end }}{{ end }}
{{- end -}}
