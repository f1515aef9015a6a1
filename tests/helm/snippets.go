package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/engine"
)

// Snippet is a template to render, in a chart `t` of version 0.1.0 that is held in memory, one JSON object a line.
type Snippet struct {
	// Text is that of templates/t. All texts are in Latin-1, so that any bytes can stand in them.
	Text string `json:"text"`
	// Values are what `helm template -f` would be given. What is no object becomes `.Values.value`.
	Values any `json:"values"`
	// More are further templates, by their names in the folder templates.
	More [][2]string `json:"more"`
	// Files are files of the chart that are no templates, by path.
	Files [][2]string `json:"files"`
	// Release are keys of .Release that are set to something else.
	Release map[string]any `json:"release"`
	// Plain asks to render twice and to say whether both gave the same.
	Plain bool `json:"plain"`
}

// Rendered is the answer to a snippet, one JSON object a line.
type Rendered struct {
	OK bool `json:"ok"`
	// Output is the output of templates/t or the text of the error, in Latin-1.
	Output string `json:"output"`
	// Stable is there only when Plain was asked for.
	Stable *bool `json:"stable,omitempty"`
}

func snippets(in io.Reader, out io.Writer) error {
	// A panic is an answer; nothing that Helm says on the side is.
	if _, err := newProcess(); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 64<<20)
	buffer := bufio.NewWriter(out)
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false)
	for lines.Scan() {
		answer, err := answerLine(lines.Bytes())
		if err != nil {
			return err
		}
		if err := encoder.Encode(answer); err != nil {
			return err
		}
		if err := buffer.Flush(); err != nil {
			return err
		}
	}
	return lines.Err()
}

func answerLine(line []byte) (*Rendered, error) {
	var s Snippet
	if err := json.Unmarshal(line, &s); err != nil {
		return nil, fmt.Errorf("a line is no snippet: %w", err)
	}
	answer := s.answer()
	if s.Plain {
		// Read anew, because a template can change the values.
		var again Snippet
		if err := json.Unmarshal(line, &again); err != nil {
			return nil, err
		}
		stable := *again.answer() == *answer
		answer.Stable = &stable
	}
	return answer, nil
}

func (s *Snippet) answer() *Rendered {
	output, err := s.render()
	if err != nil {
		return &Rendered{Output: latin1(err.Error())}
	}
	return &Rendered{OK: true, Output: latin1(output)}
}

// render does what `helm template` does between the reading of the chart and the splitting into documents.
func (s *Snippet) render() (output string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("PANIC: %v", r)
		}
	}()
	t := s.chart()
	values, ok := s.Values.(map[string]any)
	if !ok {
		values = map[string]any{"value": s.Values}
	}
	options := common.ReleaseOptions{Name: "demo", Namespace: "demo-ns", Revision: 1, IsInstall: true}
	top, err := util.ToRenderValues(t, values, options, common.DefaultCapabilities.Copy())
	if err != nil {
		return "", err
	}
	maps.Copy(top["Release"].(map[string]any), s.Release)
	var e engine.Engine
	outputs, err := e.RenderWithContext(context.Background(), t, top)
	return outputs["t/templates/t"], err
}

func (s *Snippet) chart() *chart.Chart {
	t := &chart.Chart{
		Metadata:  &chart.Metadata{APIVersion: chart.APIVersionV2, Name: "t", Version: "0.1.0"},
		Values:    map[string]any{},
		Templates: []*common.File{{Name: "templates/t", Data: fromLatin1(s.Text)}},
	}
	for _, more := range s.More {
		t.Templates = append(t.Templates, &common.File{
			Name: "templates/" + string(fromLatin1(more[0])), Data: fromLatin1(more[1]),
		})
	}
	for _, file := range s.Files {
		t.Files = append(t.Files, &common.File{Name: string(fromLatin1(file[0])), Data: fromLatin1(file[1])})
	}
	return t
}

// latin1 makes a string of characters that have the values of the bytes.
func latin1(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

func fromLatin1(s string) []byte {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return b
}
