{{/* Call the next three with (dict "root" $ "stage" "ingest"). */}}
{{- define "tallyline.name" -}}
{{ printf "%s-%s" .root.Release.Name .stage | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "tallyline.selector" -}}
app.kubernetes.io/name: tallyline
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .stage }}
{{- end }}

{{- define "tallyline.labels" -}}
{{ include "tallyline.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "tallyline.image" -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}

{{/* Secrets as files: a value in the environment is seen by everything that can list the pod's processes. */}}
{{- define "tallyline.env" -}}
- { name: HOST, value: 0.0.0.0 }
- { name: PORT, value: "8080" }
- { name: DATABASE_URL_FILE, value: /run/secrets/tallyline/database-url }
- { name: CLICKHOUSE_URL_FILE, value: /run/secrets/tallyline/clickhouse-url }
{{- if .accounts }}
- { name: TALLYLINE_ACCOUNTS_KEY_FILE, value: /run/secrets/tallyline/accounts-key }
{{- end }}
{{- with .root.Values.kafka }}
{{- if .brokers }}
- { name: KAFKA_BROKERS, value: {{ .brokers | quote }} }
{{- if .sasl.mechanism }}
- { name: KAFKA_SASL_MECHANISM, value: {{ .sasl.mechanism | quote }} }
- { name: KAFKA_SASL_USERNAME_FILE, value: /run/secrets/tallyline/kafka-sasl-username }
- { name: KAFKA_SASL_PASSWORD_FILE, value: /run/secrets/tallyline/kafka-sasl-password }
{{- end }}
{{- if .ssl.enabled }}
- { name: KAFKA_SSL_ENABLED, value: "true" }
{{- end }}
{{- if .ssl.ca }}
- { name: KAFKA_SSL_CA_FILE, value: /run/secrets/tallyline/kafka-ssl-ca }
{{- end }}
{{- if .ssl.clientCertificate }}
- { name: KAFKA_SSL_CERT_FILE, value: /run/secrets/tallyline/kafka-ssl-cert }
- { name: KAFKA_SSL_KEY_FILE, value: /run/secrets/tallyline/kafka-ssl-key }
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := merge (dict) (.env | default dict) .root.Values.env }}
- { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- end }}

{{/* What the pods of every stage, and of the migration, have in common. */}}
{{- define "tallyline.pod" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
automountServiceAccountToken: false
# Kubernetes would add variables such as TALLYLINE_INGEST_PORT, which the stages refuse as misspelt settings.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: secrets
    secret:
      secretName: {{ required "existingSecret names the Secret with database-url and clickhouse-url" .Values.existingSecret }}
      defaultMode: 0440
  - name: tmp
    emptyDir: {}
{{- end }}

{{- define "tallyline.container" -}}
image: {{ include "tallyline.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
volumeMounts:
  - { name: secrets, mountPath: /run/secrets/tallyline, readOnly: true }
  - { name: tmp, mountPath: /tmp }
{{- end }}
