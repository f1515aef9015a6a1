{{- define "web.image" -}}
{{ .Values.image.name }}:{{ .Values.image.tag }}
{{- end -}}
