package main

import (
	"bytes"
	"embed"
	"fmt"
	"os"

	heartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"

	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/yaml"
)

// ownStages are the ways in which pods misbehave on request: see README.md.
//
//go:embed stages/*.yaml
var ownStages embed.FS

// A pod that asks for a behaviour of ours, by annotation or by an image that cannot exist, is none of kwok's business.
const (
	behaviourKey   = `.metadata.annotations["tests.tiphys.dev/pod"]`
	missingImage   = `.spec.containers.[] | select(.image | startswith("registry.invalid/")) | .image`
	stageSeparator = "---\n"
)

// writeStages writes the configuration of kwok: its own stages as it ships them, and ours.
func writeStages(path string) error {
	var out bytes.Buffer
	for _, stage := range []string{nodefast.DefaultNodeInit, heartbeat.DefaultNodeHeartbeatWithLease, podfast.DefaultPodDelete} {
		out.WriteString(stageSeparator + stage + "\n")
	}
	for _, stage := range []string{podfast.DefaultPodReady, podfast.DefaultPodComplete} {
		narrowed, err := withoutOurPods(stage)
		if err != nil {
			return fmt.Errorf("stage of kwok: %w", err)
		}
		out.WriteString(stageSeparator + narrowed + "\n")
	}
	files, err := ownStages.ReadDir("stages")
	if err != nil {
		return err
	}
	for _, file := range files {
		stage, err := ownStages.ReadFile("stages/" + file.Name())
		if err != nil {
			return err
		}
		out.WriteString(stageSeparator + string(stage) + "\n")
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

// withoutOurPods narrows a stage of kwok to pods that did not ask for one of our behaviours.
func withoutOurPods(stage string) (string, error) {
	var object map[string]any
	if err := yaml.Unmarshal([]byte(stage), &object); err != nil {
		return "", err
	}
	spec, _ := object["spec"].(map[string]any)
	selector, _ := spec["selector"].(map[string]any)
	expressions, ok := selector["matchExpressions"].([]any)
	if !ok {
		return "", fmt.Errorf("no spec.selector.matchExpressions in %s", stage)
	}
	for _, key := range []string{behaviourKey, missingImage} {
		expressions = append(expressions, map[string]any{"key": key, "operator": "DoesNotExist"})
	}
	selector["matchExpressions"] = expressions
	narrowed, err := yaml.Marshal(object)
	return string(narrowed), err
}
