{{ define "x" }}
{{ .Values.num.y }}{{ end }}