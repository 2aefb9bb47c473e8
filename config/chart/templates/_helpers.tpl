{{/* What the operator's pods are selected by. It never changes: selectors of Deployments cannot. */}}
{{- define "numberfleet.selector" -}}
app.kubernetes.io/name: numberfleet
control-plane: controller-manager
{{- end }}

{{/* The labels of every object. */}}
{{- define "numberfleet.labels" -}}
app.kubernetes.io/name: numberfleet
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The metadata of an object: .name, .root, and .cluster where it has no namespace. */}}
{{- define "numberfleet.metadata" -}}
name: {{ .name }}
{{- if not .cluster }}
namespace: {{ .root.Release.Namespace }}
{{- end }}
labels:
  {{- include "numberfleet.labels" .root | nindent 2 }}
  {{- range $key, $value := .labels }}
  {{ $key }}: {{ $value | quote }}
  {{- end }}
{{- with mergeOverwrite (dict) .root.Values.commonAnnotations (.annotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "numberfleet.image" -}}
{{- with .Values.image -}}
{{- $repository := required "image.repository: the name of the operator's image, with its registry, is required" .repository -}}
{{- if .digest -}}{{ $repository }}@{{ .digest }}{{- else -}}{{ $repository }}:{{ .tag | default $.Chart.AppVersion }}{{- end -}}
{{- end -}}
{{- end }}

{{/* Nine tenths of a memory limit, in MiB: the garbage collector works harder before the container reaches the limit. */}}
{{- define "numberfleet.memoryLimit" -}}
{{- $units := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $unit := regexFind "[A-Za-z]*$" . -}}
{{- if not (hasKey $units $unit) -}}
{{- fail (printf "resources.limits.memory: %s must be a quantity, like 1Gi" .) -}}
{{- end -}}
{{- printf "%dMiB" (divf (mulf (trimSuffix $unit . | float64) (get $units $unit) 0.9) 1048576 | int64) -}}
{{- end }}

{{/*
What listens, besides the probes: the port of its Service, the name of that port, and the port of the pod. All but the receiver of webhooks
may be left out.
*/}}
{{- define "numberfleet.listeners" -}}
{{- $all := dict
  "webhook" (dict "port" 80 "name" "http" "containerPort" 8080)
  "metrics" (dict "port" 8443 "name" "https" "containerPort" 8443)
  "events" (dict "port" 443 "name" "https" "containerPort" 8444)
  "guard" (dict "port" 443 "name" "https" "containerPort" 8445)
  "scaler" (dict "port" 9090 "name" "grpc" "containerPort" 9090) -}}
{{- if .Values.webhook.certificate.secret -}}
{{- $_ := set $all "webhook" (dict "port" 443 "name" "https" "containerPort" 8080) -}}
{{- end -}}
{{- range $name := keys $all -}}
{{- if not (dig "enabled" true (get $.Values $name)) -}}{{- $_ := unset $all $name -}}{{- end -}}
{{- end -}}
{{- toJson $all -}}
{{- end }}
