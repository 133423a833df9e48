{{- define "torchlit.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "torchlit.fullname" -}}
{{- $name := include "torchlit.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "torchlit.selectorLabels" -}}
app.kubernetes.io/name: {{ include "torchlit.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "torchlit.labels" -}}
{{ include "torchlit.selectorLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "torchlit.metadata" -}}
name: {{ include "torchlit.fullname" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "torchlit.labels" . | nindent 2 }}
{{- end }}

{{- define "torchlit.podSecurityContext" -}}
{{- toYaml (merge (deepCopy .Values.podSecurityContext) (dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault"))) }}
{{- end }}

{{- define "torchlit.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "torchlit.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{- default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "torchlit.image" -}}
{{- $repository := required "image.repository: name where the image is, such as us-central1-docker.pkg.dev/my-project/torchlit/torchlit" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest }}
{{- else -}}
{{- printf "%s:%s" $repository (toString .Values.image.tag) }}
{{- end -}}
{{- end }}

{{- /* What the server is told. Values that contradict each other are refused here, with what to change. */ -}}
{{- define "torchlit.args" -}}
- serve
- --addr=:8080
- --admin-addr=:9090
- --drain-grace={{ .Values.drain.graceSeconds }}s
- --drain-timeout={{ .Values.drain.timeoutSeconds }}s
{{- if .Values.config }}
- --config=/etc/torchlit/config/serve.yaml
{{- end }}
{{- if eq .Values.models.source "volume" }}
- --models={{ clean (printf "/models/%s" .Values.models.path) }}
{{- else if eq .Values.models.source "download" }}
- --models=/models
{{- end }}
{{- with .Values.models.name }}
- --model-name={{ . }}
{{- end }}
{{- if .Values.grpc.enabled }}
- --grpc-addr=:{{ .Values.grpc.port }}
{{- end }}
{{- if .Values.auth.apiKeysSecret }}
- --api-key-file=/etc/torchlit/api-keys/{{ .Values.auth.key }}
{{- end }}
{{- if .Values.auth.adminKeysSecret }}
- --admin-key-file=/etc/torchlit/admin-keys/{{ .Values.auth.key }}
{{- end }}
{{- if .Values.tls.secret }}
- --tls-cert=/etc/torchlit/tls/tls.crt
- --tls-key=/etc/torchlit/tls/tls.key
{{- end }}
{{- if .Values.monitor.enabled }}
- --monitor
{{- if not .Values.monitor.postgres.secret }}
- --monitor-dir=/var/lib/torchlit/predictions
{{- end }}
{{- end }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{- define "torchlit.check" -}}
{{- with .Values.models -}}
{{- if and (eq .source "volume") (not .volume) }}{{ fail "models.source is volume: say which in models.volume, such as {persistentVolumeClaim: {claimName: models}}" }}{{ end -}}
{{- if and (ne .source "volume") .volume }}{{ fail (printf "models.volume is given, and models.source is %s: set it to volume" .source) }}{{ end -}}
{{- if and (eq .source "download") (not .download.uri) }}{{ fail "models.source is download: say from where in models.download.uri, such as gs://bucket/folder" }}{{ end -}}
{{- end -}}
{{- $most := .Values.replicas -}}
{{- if ne .Values.autoscaling.kind "none" }}{{ $most = .Values.autoscaling.maxReplicas }}{{ end -}}
{{- if and .Values.monitor.enabled (not .Values.monitor.postgres.secret) (gt (int $most) 1) }}
{{- fail "monitor is enabled for more than one pod: let them share a log in PostgreSQL (monitor.postgres.secret), or feedback comes to pods that do not know the answer" }}
{{- end -}}
{{- if and (ne .Values.autoscaling.kind "none") (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) }}
{{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" }}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}{{ fail "ingress.enabled: say for which names in ingress.hosts" }}{{ end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}{{ fail "httpRoute.enabled: say at which gateways in httpRoute.parentRefs" }}{{ end -}}
{{- end }}
