// gotemplate-peer answers template cases with Go's own text/template, so that crates/gotemplate can be compared.
//
//	gotemplate-peer          reads cases from standard input, one JSON object a line, and writes an answer for each
//	gotemplate-peer tables   writes the character tables of crates/gotemplate
//	gotemplate-peer bench F  times the template F = crates/gotemplate/examples/bench.tmpl
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/template"
)

// Case is a template to execute.
type Case struct {
	// Name is the name under which Text is parsed and executed.
	Name string `json:"name"`
	// Text is the template, in Latin-1 so that any bytes can stand in it.
	Text string `json:"text"`
	// More are further texts, parsed after it, by name.
	More [][2]string `json:"more"`
	// Data is the value of the dot; see decode.
	Data json.RawMessage `json:"data"`
	// MissingKey is the option of that name; empty for the default.
	MissingKey string `json:"missingkey"`
	// Left and Right are the delimiters; empty for the default.
	Left  string `json:"left"`
	Right string `json:"right"`
	// Trees asks for the parsed templates instead of the output.
	Trees bool `json:"trees"`
	// Functions are names of further functions, which can be parsed but not called.
	Functions []string `json:"functions"`
}

// Answer is what Go makes of a case. Both texts are in Latin-1.
type Answer struct {
	OK     bool   `json:"ok"`
	Output string `json:"output"`
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "tables" {
		writeTables(os.Stdout)
		return
	}
	if len(os.Args) == 3 && os.Args[1] == "bench" {
		if err := bench(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "gotemplate-peer:", err)
			os.Exit(1)
		}
		return
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for in.Scan() {
		var c Case
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			fmt.Fprintln(os.Stderr, "gotemplate-peer: a line is no case:", err)
			os.Exit(1)
		}
		output, err := run(&c)
		answer := Answer{OK: err == nil, Output: latin1(output)}
		if err != nil {
			answer.Output = latin1([]byte(err.Error()))
		}
		if err := encoder.Encode(answer); err != nil {
			fmt.Fprintln(os.Stderr, "gotemplate-peer:", err)
			os.Exit(1)
		}
	}
	if err := in.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "gotemplate-peer:", err)
		os.Exit(1)
	}
}

func run(c *Case) (output []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("PANIC: %v", r)
		}
	}()
	t := template.New(fromLatin1(c.Name))
	t.Funcs(functions(t, map[string]int{}))
	for _, name := range c.Functions {
		t.Funcs(template.FuncMap{name: func(...any) (any, error) { return nil, nil }})
	}
	if c.MissingKey != "" {
		t.Option("missingkey=" + c.MissingKey)
	}
	t.Delims(fromLatin1(c.Left), fromLatin1(c.Right))
	if _, err := t.Parse(fromLatin1(c.Text)); err != nil {
		return nil, err
	}
	for _, more := range c.More {
		if _, err := t.New(fromLatin1(more[0])).Parse(fromLatin1(more[1])); err != nil {
			return nil, err
		}
	}
	if c.Trees {
		return trees(t), nil
	}
	data, err := decode(c.Data)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	var buffer bytes.Buffer
	if err := t.Execute(&buffer, data); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}

// trees prints all templates of a set, by name.
func trees(t *template.Template) []byte {
	templates := t.Templates()
	slices.SortFunc(templates, func(a, b *template.Template) int { return strings.Compare(a.Name(), b.Name()) })
	var out bytes.Buffer
	for _, each := range templates {
		fmt.Fprintf(&out, "%q\n%s\n", each.Name(), each.Root)
	}
	return out.Bytes()
}

// latin1 makes a string of characters that have the values of the bytes.
func latin1(b []byte) string {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

func fromLatin1(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}
