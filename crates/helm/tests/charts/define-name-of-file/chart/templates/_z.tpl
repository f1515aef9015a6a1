{{ define "t/templates/a.yaml" }}a: defined
{{ end }}