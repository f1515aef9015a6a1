package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Case is `helm template demo CHART -n demo-ns ARGS…`, one JSON object a line.
type Case struct {
	ID    string   `json:"id"`
	Chart string   `json:"chart"`
	Args  []string `json:"args"`
}

// Result is the answer to a case, one JSON object a line.
type Result struct {
	ID string `json:"id"`
	OK bool   `json:"ok"`
	// Error is what Helm prints after `Error: `; empty when it rendered the chart.
	Error string `json:"error"`
	// SHA256 and Bytes are those of the standard output of the last run.
	SHA256 string `json:"sha256"`
	Bytes  int    `json:"bytes"`
	// Milliseconds has one number for each run; of more than one run the first is not counted.
	Milliseconds []float64 `json:"ms"`
	// Stable says that all runs gave the same output or the same error.
	Stable bool `json:"stable"`
}

// outcome is what one run gave.
type outcome struct {
	output  []byte
	message string
	ok      bool
}

// batch answers cases in one warm process. With a folder, the output of a case is written to `<id>.yaml` in it, and
// when two runs gave different ones, the one before to `<id>.other.yaml`.
func batch(in io.Reader, out io.Writer, runs int, folder string) error {
	if folder != "" {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	helm, err := newProcess()
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 64<<20)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var c Case
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return fmt.Errorf("a line is no case: %w", err)
		}
		result, last, other := answer(helm, &c, runs)
		if folder != "" {
			if err := keep(folder, c.ID, last, other); err != nil {
				return err
			}
		}
		if err := encoder.Encode(result); err != nil {
			return err
		}
	}
	return lines.Err()
}

// answer runs a case. last is the outcome of the last run and other the last one that differs from it, if there is one.
func answer(helm *process, c *Case, runs int) (result *Result, last, other *outcome) {
	args := append([]string{"template", "demo", c.Chart, "-n", "demo-ns"}, c.Args...)
	result = &Result{ID: c.ID, Milliseconds: []float64{}, Stable: true}
	for run := range runs {
		output, took, err := helm.run(args)
		now := &outcome{output: output, ok: err == nil}
		if err != nil {
			now.message = err.Error()
		}
		if run > 0 || runs == 1 {
			result.Milliseconds = append(result.Milliseconds, float64(took)/float64(time.Millisecond))
		}
		if last != nil && !last.same(now) {
			result.Stable = false
			other = last
		}
		last = now
	}
	digest := sha256.Sum256(last.output)
	result.OK = last.ok
	result.Error = last.message
	result.SHA256 = hex.EncodeToString(digest[:])
	result.Bytes = len(last.output)
	return result, last, other
}

func (o *outcome) same(other *outcome) bool {
	return o.ok == other.ok && o.message == other.message && bytes.Equal(o.output, other.output)
}

// keep writes the outputs of a case.
func keep(folder, id string, last, other *outcome) error {
	name := strings.ReplaceAll(id, "/", "__")
	for suffix, which := range map[string]*outcome{".yaml": last, ".other.yaml": other} {
		path := filepath.Join(folder, name+suffix)
		if which == nil || !which.ok {
			if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
				return err
			}
			continue
		}
		if err := os.WriteFile(path, which.output, 0o644); err != nil {
			return err
		}
	}
	return nil
}
