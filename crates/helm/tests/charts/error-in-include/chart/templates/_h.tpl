{{/* one */}}
{{ define "x" }}
  k: {{ .Values.x.y }}
{{ end }}