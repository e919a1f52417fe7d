{{- define "lagmon.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "lagmon.fullname" -}}
{{- $name := include "lagmon.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- /* The name of what belongs to one part; lagmon itself has the bare name. In: root, component. */ -}}
{{- define "lagmon.part" -}}
{{- $name := include "lagmon.fullname" .root -}}
{{ eq .component "lagmon" | ternary $name (printf "%s-%s" $name .component) }}
{{- end }}

{{- /* What a selector finds a part by. It never changes. In: root, component. */ -}}
{{- define "lagmon.selector" -}}
app.kubernetes.io/name: {{ include "lagmon.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "lagmon.labels" -}}
{{ include "lagmon.selector" . }}
app.kubernetes.io/part-of: lagmon
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "lagmon.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{ .Values.image.repository }}:{{ $tag }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "lagmon.account" -}}
{{ .Values.serviceAccount.name | default (ternary (include "lagmon.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- /* How every pod runs and where. In: root, component, part (its values). */ -}}
{{- define "lagmon.pod" -}}
serviceAccountName: {{ include "lagmon.account" .root }}
automountServiceAccountToken: false
# A Service would put LAGMON_PORT and its like into the environment, and a variable that is no setting
# is refused.
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .part.terminationGracePeriodSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .part.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Replicas on different machines, where there are some. In: root, component. */ -}}
{{- define "lagmon.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "lagmon.selector" . | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
{{- end }}

{{- define "lagmon.container" -}}
image: {{ include "lagmon.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities:
    drop: [ALL]
{{- end }}

{{- /* lagmon.yml: the shipped rules, over them what the values say, over that what the chart decides. */ -}}
{{- define "lagmon.config" -}}
{{- $shipped := .Files.Get "files/rules.yml" | fromYaml -}}
{{- $web := dict "host" "0.0.0.0" "port" 10308 -}}
{{- if .Values.lagmon.web.existingSecret }}{{ $_ := set $web "config_file" "/run/secrets/web/web.yml" }}{{ end -}}
{{- $state := dict "path" "/var/lib/lagmon/state.json" -}}
{{- $ours := dict "web" $web "state" $state "sharding" .Values.lagmon.sharding -}}
{{- mergeOverwrite $shipped (deepCopy .Values.lagmon.config) $ours | toYaml -}}
{{- end }}

{{- /* The rule files that the Operator gets: those named, or those of what is switched on. */ -}}
{{- define "lagmon.ruleFiles" -}}
{{- $files := .Values.prometheusRule.files -}}
{{- if not $files -}}
{{- if .Values.lagmon.enabled }}{{ $files = concat $files (list "lag" "lagmon") }}{{ end -}}
{{- if .Values.worker.enabled }}{{ $files = append $files "consumers" }}{{ end -}}
{{- if .Values.api.enabled }}{{ $files = concat $files (list "api" "slo") }}{{ end -}}
{{- end -}}
{{ toJson $files }}
{{- end }}

{{- /* What lagmon is asked for. Who asks for a certificate or a password can be probed by TCP alone. */ -}}
{{- define "lagmon.probes" -}}
{{- $web := .Values.lagmon.web -}}
{{- range $kind, $path := dict "startupProbe" "/-/healthy" "livenessProbe" "/-/healthy" "readinessProbe" "/-/ready" }}
{{ $kind }}:
  {{- if eq $web.probe "tcp" }}
  tcpSocket: {port: http}
  {{- else }}
  httpGet: {path: {{ $path }}, port: http{{ if eq $web.scheme "HTTPS" }}, scheme: HTTPS{{ end }}}
  {{- end }}
  {{- if eq $kind "startupProbe" }}
  periodSeconds: 2
  failureThreshold: 30
  {{- else }}
  timeoutSeconds: 5
  {{- end }}
{{- end }}
{{- end }}
