{{ define "x" }}  {{/* nothing */}}
{{ end }}