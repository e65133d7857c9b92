{{- define "konstruct.name" -}}
{{- if contains "konstruct" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-konstruct" (.Release.Name | trunc 30 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "konstruct.labels" -}}
app.kubernetes.io/name: konstruct
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "konstruct.selector" -}}
app.kubernetes.io/name: konstruct
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The image of a release: {root, tag}. */}}
{{- define "konstruct.image" -}}
{{- $image := .root.Values.image -}}
{{- $tag := .tag | default $image.tag -}}
{{- if and $image.digest (not .tag) -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ required "image.tag: say which release is to run, such as 2026.12.1" $tag }}
{{- end -}}
{{- end }}

{{/* Settings of every process: {root, build}. What is secret comes from the Secret. */}}
{{- define "konstruct.env" -}}
{{- range $name, $value := .root.Values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- with .root.Values.gateway.host }}
- name: KONSTRUCT_GATEWAY_PUBLIC_URL
  value: https://{{ . }}
{{- end }}
{{- with .root.Values.portal.host }}
- name: KONSTRUCT_PORTAL_PUBLIC_URL
  value: https://{{ . }}
{{- end }}
{{- with .root.Values.trustedProxies }}
- name: FORWARDED_ALLOW_IPS
  value: {{ join "," . }}
{{- end }}
{{- with .build }}
- name: KONSTRUCT_BUILD_ID
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "konstruct.secret" -}}
- secretRef:
    name: {{ required "secrets.product: name the Secret that holds KONSTRUCT_DATABASE_URL, KONSTRUCT_REDIS_URL and KONSTRUCT_ENCRYPTION_KEYS" .Values.secrets.product }}
{{- end }}

{{/* What a pod of the product may do, which is nothing but run. */}}
{{- define "konstruct.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "konstruct.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* A Deployment: {root, part, name, command, build, tag, of (its values), grace, port}. */}}
{{- define "konstruct.deployment" -}}
{{- $root := .root -}}
{{- $versioned := and .build true -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  labels: {{- include "konstruct.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .part }}
spec:
  {{- if not (and .of.autoscaling.enabled (not .tag)) }}
  replicas: {{ .of.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  {{- if and (not .port) (not $versioned) }}
  # Two releases without builds must not replay each other's conversations.
  strategy: {type: Recreate}
  {{- else }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  {{- end }}
  selector:
    matchLabels: {{- include "konstruct.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ .part }}
      {{- with .build }}
      konstruct/build: {{ . | quote }}
      {{- end }}
  template:
    metadata:
      labels: {{- include "konstruct.selector" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .part }}
        {{- with .build }}
        konstruct/build: {{ . | quote }}
        {{- end }}
      {{- with $root.Values.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "konstruct.pod" $root | nindent 6 }}
      serviceAccountName: {{ include "konstruct.name" $root }}
      terminationGracePeriodSeconds: {{ .grace }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{- include "konstruct.selector" $root | nindent 14 }}
              app.kubernetes.io/component: {{ .part }}
      containers:
        - name: {{ .part }}
          image: {{ include "konstruct.image" (dict "root" $root "tag" .tag) }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: {{ toJson .command }}
          {{- include "konstruct.container" $root | nindent 10 }}
          env: {{- include "konstruct.env" (dict "root" $root "build" .build) | nindent 12 }}
            # Beside the ones above, so that there is at least one.
            - name: KONSTRUCT_METRICS_HOST
              value: 0.0.0.0
            {{- if $root.Values.secrets.temporal }}
            - name: KONSTRUCT_TEMPORAL_TLS_CERT
              value: /etc/konstruct/temporal/tls.crt
            - name: KONSTRUCT_TEMPORAL_TLS_KEY
              value: /etc/konstruct/temporal/tls.key
            {{- end }}
          envFrom: {{- include "konstruct.secret" $root | nindent 12 }}
          ports:
            {{- with .port }}
            - {name: http, containerPort: {{ . }}}
            {{- end }}
            - {name: metrics, containerPort: 9464}
          startupProbe:
            httpGet: {path: /health/ready, port: metrics}
            periodSeconds: 3
            failureThreshold: 60
          readinessProbe:
            httpGet: {path: /health/ready, port: metrics}
            periodSeconds: 5
            timeoutSeconds: 4
          livenessProbe:
            httpGet: {path: /health/live, port: metrics}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          {{- if .port }}
          lifecycle:
            preStop:
              # Until every proxy knows that this pod is leaving.
              exec: {command: [sleep, "5"]}
          {{- end }}
          resources: {{- toYaml .of.resources | nindent 12 }}
          volumeMounts:
            - {name: state, mountPath: /var/lib/konstruct}
            - {name: tmp, mountPath: /tmp}
            {{- if $root.Values.secrets.temporal }}
            - {name: temporal, mountPath: /etc/konstruct/temporal, readOnly: true}
            {{- end }}
      volumes:
        - name: state
          persistentVolumeClaim: {claimName: {{ $root.Values.storage.claim | default (include "konstruct.name" $root) }}}
        - name: tmp
          emptyDir: {sizeLimit: 1Gi}
        {{- with $root.Values.secrets.temporal }}
        - name: temporal
          # 0440, which readers of YAML do not all take for octal.
          secret: {secretName: {{ . }}, defaultMode: 288}
        {{- end }}
{{- end }}
