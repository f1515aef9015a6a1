{{ define "x" }}
{{ include "y" . }}{{ end }}{{ define "y" }}

{{ .Values.num.y }}{{ end }}