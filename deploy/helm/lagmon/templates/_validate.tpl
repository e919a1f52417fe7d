{{- /* What values.schema.json cannot see, because it lies between values. Every problem is told at once. */ -}}
{{- define "lagmon.validate" -}}
{{- $problems := list -}}
{{- $lagmon := .Values.lagmon -}}
{{- if and (gt (int $lagmon.replicas) 1) (eq $lagmon.sharding "none") -}}
{{- $problems = append $problems "lagmon.replicas: several would all page for all groups; set lagmon.sharding to kafka" -}}
{{- end -}}
{{- if and (gt (int $lagmon.replicas) 1) $lagmon.persistence.enabled -}}
{{- $problems = append $problems "lagmon.persistence: several replicas cannot keep one file; switch it off, incidents move by Alertmanager" -}}
{{- end -}}
{{- $web := $lagmon.config.web | default dict -}}
{{- range $key := list "host" "port" "config_file" -}}
{{- if hasKey $web $key }}{{ $problems = append $problems (printf "lagmon.config.web.%s: the chart sets it; see lagmon.service and lagmon.web" $key) }}{{ end -}}
{{- end -}}
{{- if hasKey $lagmon.config "state" }}{{ $problems = append $problems "lagmon.config.state: the chart sets it; see lagmon.persistence" }}{{ end -}}
{{- if hasKey $lagmon.config "sharding" }}{{ $problems = append $problems "lagmon.config.sharding: set lagmon.sharding" }}{{ end -}}
{{- range $cluster := $lagmon.config.clusters -}}
{{- range $name, $_ := $cluster.client -}}
{{- if regexMatch "(password|secret|key\\.pem|oauthbearer\\.config|sasl\\.jaas\\.config)$" $name -}}
{{- $problems = append $problems (printf "lagmon.config.clusters: %s is a secret; put it into a Secret, name that in lagmon.existingSecret, and set %s_file: /run/secrets/lagmon/KEY" $name $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $receiver := concat ($lagmon.config.alertmanagers | default list) ($lagmon.config.webhooks | default list) -}}
{{- if contains "@" $receiver.url }}{{ $problems = append $problems "lagmon.config: a URL with a password in it; set username and password_file: /run/secrets/lagmon/KEY" }}{{ end -}}
{{- end -}}
{{- if or .Values.worker.enabled .Values.api.enabled -}}
{{- if not .Values.game.existingSecret }}{{ $problems = append $problems "game.existingSecret: name the Secret that holds the URL of the database" }}{{ end -}}
{{- end -}}
{{- range $name := list "CONSUMERS_DATABASE_URL" "CONSUMERS_CLIENT" -}}
{{- if hasKey $.Values.game.env $name }}{{ $problems = append $problems (printf "game.env.%s may hold a password; put it into the Secret game.existingSecret, see game.databaseUrlKey and game.settingsKey" $name) }}{{ end -}}
{{- end -}}
{{- if and .Values.keda.enabled (not .Values.worker.enabled) }}{{ $problems = append $problems "keda.enabled: there is no worker to scale; set worker.enabled" }}{{ end -}}
{{- if gt (int .Values.keda.minReplicas) (int .Values.keda.maxReplicas) }}{{ $problems = append $problems "keda.minReplicas: more than keda.maxReplicas" }}{{ end -}}
{{- if $problems }}{{ fail (printf "\n- %s" (join "\n- " $problems)) }}{{ end -}}
{{- end }}
