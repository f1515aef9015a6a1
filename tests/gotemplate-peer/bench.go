package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/template"
	"time"
)

// bench times what crates/gotemplate/examples/bench.rs times. The argument is the path of bench.tmpl.
func bench(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	functions := func(t *template.Template) template.FuncMap {
		return template.FuncMap{
			"default": func(fallback, value any) any {
				if truth, _ := template.IsTrue(value); truth {
					return value
				}
				return fallback
			},
			"quote": func(value any) string { return fmt.Sprintf("%q", fmt.Sprint(value)) },
			"indent": func(width int, text string) string {
				pad := "\n" + strings.Repeat(" ", width)
				return pad + strings.ReplaceAll(text, "\n", pad)
			},
			"include": func(name string, data any) (string, error) {
				var out strings.Builder
				err := t.ExecuteTemplate(&out, name, data)
				return out.String(), err
			},
		}
	}
	parse := func() *template.Template {
		t := template.New("bench")
		t.Funcs(functions(t))
		return template.Must(t.Parse(string(text)))
	}
	compile := median(500, func() { parse() })
	t := parse()
	data := benchData()
	size := 0
	execute := median(500, func() {
		var out bytes.Buffer
		if err := t.Execute(&out, data); err != nil {
			panic(err)
		}
		size = out.Len()
	})
	fmt.Printf("compile %d bytes: %v; execute to %d bytes: %v\n", len(text), compile, size, execute)
	return nil
}

func median(rounds int, work func()) time.Duration {
	times := make([]time.Duration, rounds)
	for i := range times {
		begin := time.Now()
		work()
		times[i] = time.Since(begin)
	}
	slices.Sort(times)
	return times[rounds/2]
}

func benchData() map[string]any {
	var services []any
	for number := range 50 {
		var env []any
		for i := range 10 {
			env = append(env, map[string]any{
				"name": fmt.Sprintf("SETTING_%d", i), "value": fmt.Sprintf("value %d of %d", i, number),
			})
		}
		services = append(services, map[string]any{
			"name":           fmt.Sprintf("service-%d", number),
			"replicas":       2.0,
			"autoscaling":    map[string]any{"enabled": false},
			"serviceAccount": "runner",
			"labels":         map[string]any{"tier": "back", "team": "platform", "stage": "production"},
			"image":          map[string]any{"repository": "registry.example.com/team/service", "pullPolicy": "IfNotPresent"},
			"env":            env,
			"ports": []any{
				map[string]any{"name": "http", "port": 8080.0, "protocol": "TCP"},
				map[string]any{"name": "dns", "port": 53.0, "protocol": "UDP"},
			},
		})
	}
	return map[string]any{
		"Chart":   map[string]any{"Name": "bench", "Version": "1.2.3", "AppVersion": "4.5.6"},
		"Release": map[string]any{"Name": "demo", "Namespace": "demo-ns", "Service": "Helm"},
		"Values": map[string]any{
			"services": services, "global": map[string]any{"pullPolicy": "Always"}, "nameOverride": "",
		},
	}
}
