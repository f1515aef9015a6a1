line
{{ define "x" }}
{{ if }}{{ end }}{{ end }}