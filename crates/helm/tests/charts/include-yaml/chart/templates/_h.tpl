{{ define "x" -}}
k: v
l: [1, 2]
{{- end }}