{{/*
The operator's configuration, made of the value `config`. Where a field of the configuration names a file or a folder, the value may name a
Secret or a ConfigMap, or a key of one: {secret: NAME, key: KEY}. It is mounted, and the field gets its path.
*/}}

{{/* Puts paths in place of references in .node, in place, and the names of what is to be mounted into .secrets and .configMaps. */}}
{{- define "numberfleet.resolve" -}}
{{- $root := . -}}
{{- if kindIs "map" .node -}}
{{- range $field, $value := .node -}}
{{- if and (kindIs "map" $value) (or (hasKey $value "secret") (hasKey $value "configMap")) -}}
{{- $_ := set $root.node $field (include "numberfleet.path" (dict "to" $value "secrets" $root.secrets "configMaps" $root.configMaps)) -}}
{{- else -}}
{{- include "numberfleet.resolve" (dict "node" $value "secrets" $root.secrets "configMaps" $root.configMaps) -}}
{{- end -}}
{{- end -}}
{{- else if kindIs "slice" .node -}}
{{- range .node -}}
{{- include "numberfleet.resolve" (dict "node" . "secrets" $root.secrets "configMaps" $root.configMaps) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The path at which the Secret or ConfigMap of a reference, .to, is mounted; empty where it names none. */}}
{{- define "numberfleet.path" -}}
{{- $key := .to.key | default "" | printf "/%s" | trimSuffix "/" -}}
{{- if .to.secret -}}
{{- $_ := set .secrets .to.secret true -}}
{{- printf "/etc/numberfleet/secrets/%s%s" .to.secret $key -}}
{{- else if .to.configMap -}}
{{- $_ := set .configMaps .to.configMap true -}}
{{- printf "/etc/numberfleet/configmaps/%s%s" .to.configMap $key -}}
{{- end -}}
{{- end }}

{{/*
What the pod is given, in JSON: `file`, the configuration; `flags`, those that name files; and the names of the `secrets` and `configMaps` that
are mounted.
*/}}
{{- define "numberfleet.configuration" -}}
{{- $secrets := dict -}}
{{- $configMaps := dict -}}
{{- $file := deepCopy .Values.config -}}
{{- $flags := dict "webhook-credentials" .Values.webhook.credentials "webhook-cert-path" .Values.webhook.certificate -}}
{{- with .Values.events -}}{{- if .enabled -}}{{- $_ := set $flags "events-cert-path" .certificate -}}{{- end -}}{{- end -}}
{{- with .Values.guard -}}{{- if .enabled -}}{{- $_ := set $flags "guard-cert-path" .certificate -}}{{- end -}}{{- end -}}
{{- with .Values.scaler -}}{{- if .enabled -}}{{- $_ := set $flags "scaler-cert-path" .certificate -}}{{- $_ := set $flags "scaler-client-ca-file" .clientCA -}}{{- end -}}{{- end -}}
{{- with .Values.metrics -}}{{- if .enabled -}}{{- $_ := set $flags "metrics-cert-path" .certificate -}}{{- end -}}{{- end -}}
{{- include "numberfleet.resolve" (dict "node" (list $file $flags) "secrets" $secrets "configMaps" $configMaps) -}}
{{- toJson (dict "file" $file "flags" $flags "secrets" (keys $secrets | sortAlpha) "configMaps" (keys $configMaps | sortAlpha)) -}}
{{- end }}

{{/* The engine of the ledger, as the configuration has it. */}}
{{- define "numberfleet.engine" -}}
{{- dig "ledger" "engine" "Embedded" .Values.config -}}
{{- end }}
