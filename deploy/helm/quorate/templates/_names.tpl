{{- /* The name of everything of a release. */ -}}
{{- define "quorate.name" -}}
{{- if contains "quorate" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-quorate" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end -}}
{{- end -}}

{{- /* What selects its pods; it never changes, since a StatefulSet cannot change it. */ -}}
{{- define "quorate.selector" -}}
app.kubernetes.io/name: quorate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "quorate.labels" -}}
{{ include "quorate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- /* The domain of the pods: a name for each, also while it is not ready. */ -}}
{{- define "quorate.domain" -}}
{{ include "quorate.name" . }}-members.{{ .Release.Namespace }}.svc
{{- end -}}

{{- /* The founders: 1=POD:PORT,... the ids 1 to `founders` were those of the pods 0 and on. */ -}}
{{- define "quorate.founders" -}}
{{- $name := include "quorate.name" . -}}
{{- $domain := include "quorate.domain" . -}}
{{- $port := int .Values.ports.peer -}}
{{- range $index := until (int .Values.founders) -}}
{{- if $index }},{{ end }}{{ add1 $index }}={{ $name }}-{{ $index }}.{{ $domain }}:{{ $port }}
{{- end -}}
{{- end -}}
