{{- /* The Deployment of the API or of a worker. In: root, component, part (its values), port. */ -}}
{{- define "lagmon.game" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "lagmon.part" . }}
  labels: {{- include "lagmon.labels" . | nindent 4 }}
spec:
  {{- if not (and (eq .component "worker") .root.Values.keda.enabled) }}
  replicas: {{ .part.replicas }}
  {{- end }}
  strategy:
    type: RollingUpdate
    {{- if eq .component "worker" }}
    # A worker without partitions is never ready. So a rollout adds none: it replaces one at a time.
    rollingUpdate: {maxSurge: 0, maxUnavailable: 1}
    {{- else }}
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
    {{- end }}
  selector:
    matchLabels: {{- include "lagmon.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- with .part.podLabels }}{{ toYaml . | nindent 8 }}{{ end }}
        {{- include "lagmon.labels" . | nindent 8 }}
      annotations:
        checksum/config: {{ include "lagmon.gameEnv" .root | sha256sum }}
        {{- with .part.podAnnotations }}{{ toYaml . | nindent 8 }}{{ end }}
    spec:
      {{- include "lagmon.pod" . | nindent 6 }}
      {{- include "lagmon.spread" . | nindent 6 }}
      containers:
        - name: {{ .component }}
          {{- include "lagmon.container" .root | nindent 10 }}
          {{- include "lagmon.gameCommand" . | nindent 10 }}
          {{- with .part.extraEnv }}
          env: {{- toYaml . | nindent 12 }}
          {{- end }}
          ports:
            - name: http
              containerPort: {{ .port }}
          {{- if eq .component "api" }}
          lifecycle:
            preStop:
              sleep: {seconds: 5}  # until every node sends requests elsewhere
          {{- end }}
          startupProbe:
            httpGet: {path: /startupz, port: http}
            periodSeconds: 2
            failureThreshold: 30
          # Says nothing of Kafka or Postgres: to start this anew brings neither back.
          livenessProbe:
            httpGet: {path: /healthz, port: http}
            timeoutSeconds: 5
          readinessProbe:
            httpGet: {path: /readyz, port: http}
            periodSeconds: 5
            timeoutSeconds: 5
          resources: {{- toYaml .part.resources | nindent 12 }}
          {{- include "lagmon.gameMounts" . | nindent 10 }}
      {{- include "lagmon.gameVolumes" . | nindent 6 }}
{{- end }}

{{- define "lagmon.gameCommand" -}}
command:
  - consumers
  - {{ .component }}
  {{- with .root.Values.game.settingsKey }}
  - --config
  - /run/secrets/game/{{ . }}
  {{- end }}
envFrom:
  - configMapRef: {name: {{ include "lagmon.part" (dict "root" .root "component" "game") }}}
{{- end }}

{{- define "lagmon.gameMounts" -}}
volumeMounts:
  - {name: secrets, mountPath: /run/secrets/game, readOnly: true}
  - {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "lagmon.gameVolumes" -}}
volumes:
  - name: secrets
    secret: {secretName: {{ .root.Values.game.existingSecret }}, defaultMode: 0440}
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
{{- end }}

{{- /* The variables that API, workers and the migration share. */ -}}
{{- define "lagmon.gameEnv" -}}
{{- $ours := dict "CONSUMERS_HOST" "0.0.0.0" "CONSUMERS_DATABASE_URL_FILE" (printf "/run/secrets/game/%s" .Values.game.databaseUrlKey) -}}
{{- mergeOverwrite (deepCopy .Values.game.env) $ours | toYaml -}}
{{- end }}

{{- /* A Service of one part. In: root, component, port, targetPort is always http. */ -}}
{{- define "lagmon.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "lagmon.part" . }}
  labels: {{- include "lagmon.labels" . | nindent 4 }}
  {{- with (.part.service | default dict).annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- if eq .component "worker" }}
  clusterIP: None  # for Prometheus, which asks every pod
  publishNotReadyAddresses: true  # and those that wait for partitions
  {{- end }}
  selector: {{- include "lagmon.selector" . | nindent 4 }}
  ports:
    - {name: http, port: {{ .port }}, targetPort: http}
{{- end }}

{{- /* What the migration is. */ -}}
{{- define "lagmon.migration" -}}
{{- $migrate := dict "root" . "component" "migrate" "part" (dict "terminationGracePeriodSeconds" 20) -}}
backoffLimit: 6
activeDeadlineSeconds: 600
template:
  metadata:
    labels: {{- include "lagmon.labels" $migrate | nindent 6 }}
    annotations:
      checksum/config: {{ include "lagmon.gameEnv" . | sha256sum }}
  spec:
    restartPolicy: OnFailure
    {{- include "lagmon.pod" $migrate | nindent 4 }}
    containers:
      - name: migrate
        {{- include "lagmon.container" . | nindent 8 }}
        {{- include "lagmon.gameCommand" $migrate | nindent 8 }}
        resources: {{- toYaml .Values.api.resources | nindent 10 }}
        {{- include "lagmon.gameMounts" $migrate | nindent 8 }}
    {{- include "lagmon.gameVolumes" $migrate | nindent 4 }}
{{- end }}
