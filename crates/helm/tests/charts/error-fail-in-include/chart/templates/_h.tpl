{{ define "x" }}{{ include "y" . }}{{ end }}
{{ define "y" }}{{ fail "deep" }}{{ end }}