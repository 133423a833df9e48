{{- define "torchlit.volumes" -}}
{{- if .Values.config }}
- name: config
  configMap:
    name: {{ include "torchlit.fullname" . }}
{{- end }}
{{- if eq .Values.models.source "volume" }}
- name: models
  {{- toYaml .Values.models.volume | nindent 2 }}
{{- else if eq .Values.models.source "download" }}
- name: models
  emptyDir:
    sizeLimit: {{ .Values.models.download.sizeLimit }}
- name: tmp
  emptyDir:
    sizeLimit: 256Mi
{{- end }}
{{- if .Values.auth.apiKeysSecret }}
- name: api-keys
  secret:
    secretName: {{ .Values.auth.apiKeysSecret }}
    defaultMode: 0440
{{- end }}
{{- if .Values.auth.adminKeysSecret }}
- name: admin-keys
  secret:
    secretName: {{ .Values.auth.adminKeysSecret }}
    defaultMode: 0440
{{- end }}
{{- if .Values.tls.secret }}
- name: tls
  secret:
    secretName: {{ .Values.tls.secret }}
    defaultMode: 0440
{{- end }}
{{- if and .Values.monitor.enabled (not .Values.monitor.postgres.secret) }}
- name: predictions
  {{- toYaml (.Values.monitor.volume | default (dict "emptyDir" (dict "sizeLimit" "2Gi"))) | nindent 2 }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Secrets are mounted as folders, not as single files: only then a changed one arrives. */ -}}
{{- define "torchlit.mounts" -}}
{{- if .Values.config }}
- name: config
  mountPath: /etc/torchlit/config
  readOnly: true
{{- end }}
{{- if ne .Values.models.source "image" }}
- name: models
  mountPath: /models
  readOnly: true
{{- end }}
{{- if .Values.auth.apiKeysSecret }}
- name: api-keys
  mountPath: /etc/torchlit/api-keys
  readOnly: true
{{- end }}
{{- if .Values.auth.adminKeysSecret }}
- name: admin-keys
  mountPath: /etc/torchlit/admin-keys
  readOnly: true
{{- end }}
{{- if .Values.tls.secret }}
- name: tls
  mountPath: /etc/torchlit/tls
  readOnly: true
{{- end }}
{{- if and .Values.monitor.enabled (not .Values.monitor.postgres.secret) }}
- name: predictions
  mountPath: /var/lib/torchlit
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}
