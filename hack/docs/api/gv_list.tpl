{{- define "gvList" -}}
<!-- Written by make generate, from the comments in api/v1alpha1. -->

# API reference
{{ range . }}
The kinds of `{{ .GroupVersionString }}`, and the types of their fields. Each kind has a page that says what it is for.
`kubectl explain phonenumber.spec` has the same on a cluster.

| kind | page |
|---|---|
{{- range .SortedKinds }}
| [{{ . }}](#{{ lower . }}) | [{{ lower . }}.md]({{ lower . }}.md) |
{{- end }}
{{ range .SortedTypes }}{{ if .GVK }}{{ template "type" . }}{{ end }}{{ end -}}
{{ range .SortedTypes }}{{ if not .GVK }}{{ template "type" . }}{{ end }}{{ end -}}
{{ end }}
{{- end -}}
