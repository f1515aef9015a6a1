// Command yaml-peer answers what the libraries of Kubernetes and Helm make of a text, one JSON line for each.
//
// A request is {"op": "...", "text": "..."}, or {"op": "...", "bytes": "<base64>"} for what is not UTF-8.
// An answer is {"text": "..."} or {"error": "..."}. The operations:
//
//	read    YAML to JSON, first document only: what kubectl and Helm do with a manifest or a values file.
//	stream  YAML to a JSON array of all documents.
//	write   JSON to YAML through sigs.k8s.io/yaml: Helm's toYaml.
//	write3  JSON to YAML through go-yaml v3 with two columns of indentation: Helm's toYamlPretty.
//
//	quantity  A resource quantity in its canonical form.
//	compare   Two quantities with a line feed between them: -1, 0 or 1.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	yaml2 "go.yaml.in/yaml/v2"
	yaml3 "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"
)

type request struct {
	Op    string `json:"op"`
	Text  string `json:"text"`
	Bytes []byte `json:"bytes"`
}

type answer struct {
	Text  *string `json:"text,omitempty"`
	Error string  `json:"error,omitempty"`
}

func main() {
	requests := json.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<20))
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	answers := json.NewEncoder(out)
	for {
		var req request
		if err := requests.Decode(&req); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			fmt.Fprintln(os.Stderr, "yaml-peer: malformed request:", err)
			os.Exit(1)
		}
		if err := answers.Encode(respond(req)); err != nil {
			os.Exit(1)
		}
		// Whoever asks one question at a time waits for its answer.
		if err := out.Flush(); err != nil {
			os.Exit(1)
		}
	}
}

// respond also turns a panic of a library into an error: for its user the text is unreadable either way.
func respond(req request) (ans answer) {
	defer func() {
		if cause := recover(); cause != nil {
			ans = answer{Error: fmt.Sprint("panic: ", cause)}
		}
	}()
	input := req.Bytes
	if input == nil {
		input = []byte(req.Text)
	}
	text, err := run(req.Op, input)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Text: &text}
}

func run(op string, input []byte) (string, error) {
	switch op {
	case "read":
		out, err := yaml.YAMLToJSON(input)
		return string(out), err
	case "stream":
		return readStream(input)
	case "quantity":
		quantity, err := resource.ParseQuantity(string(input))
		number, suffix := quantity.CanonicalizeBytes(nil)
		return string(number) + string(suffix), err
	case "compare":
		left, right, _ := strings.Cut(string(input), "\n")
		one, err := resource.ParseQuantity(left)
		other, err2 := resource.ParseQuantity(right)
		return strconv.Itoa(one.Cmp(other)), errors.Join(err, err2)
	}
	value, err := decodeJSON(input)
	if err != nil {
		return "", err
	}
	switch op {
	case "write":
		out, err := yaml.Marshal(value)
		return string(out), err
	case "write3":
		var out bytes.Buffer
		encoder := yaml3.NewEncoder(&out)
		encoder.SetIndent(2)
		err := encoder.Encode(value)
		return out.String(), err
	}
	return "", fmt.Errorf("unknown operation %q", op)
}

// readStream reads all documents and sends each through the conversion of sigs.k8s.io/yaml.
func readStream(input []byte) (string, error) {
	documents := []json.RawMessage{}
	decoder := yaml2.NewDecoder(bytes.NewReader(input))
	for {
		var document any
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return "", err
		}
		converted, err := jsonable(document)
		if err != nil {
			return "", err
		}
		text, err := json.Marshal(converted)
		if err != nil {
			return "", err
		}
		documents = append(documents, text)
	}
	out, err := json.Marshal(documents)
	return string(out), err
}

// jsonable gives every mapping keys that are strings, by the rules of sigs.k8s.io/yaml.
func jsonable(value any) (any, error) {
	switch value := value.(type) {
	case map[any]any:
		out := make(map[string]any, len(value))
		for key, entry := range value {
			var name string
			switch key := key.(type) {
			case string:
				name = key
			case int, bool:
				name = fmt.Sprint(key)
			case float64:
				name = strconv.FormatFloat(key, 'g', -1, 32)
				name = strings.NewReplacer("+Inf", ".inf", "-Inf", "-.inf", "NaN", ".nan").Replace(name)
			default:
				return nil, fmt.Errorf("unsupported map key of type %T", key)
			}
			converted, err := jsonable(entry)
			if err != nil {
				return nil, err
			}
			out[name] = converted
		}
		return out, nil
	case []any:
		out := make([]any, len(value))
		for i, entry := range value {
			converted, err := jsonable(entry)
			if err != nil {
				return nil, err
			}
			out[i] = converted
		}
		return out, nil
	}
	return value, nil
}

// decodeJSON keeps integers and floats apart: a number with a point or an exponent is a float.
func decodeJSON(input []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(input))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return typed(value)
}

func typed(value any) (any, error) {
	switch value := value.(type) {
	case map[string]any:
		for key, entry := range value {
			converted, err := typed(entry)
			if err != nil {
				return nil, err
			}
			value[key] = converted
		}
		return value, nil
	case []any:
		for i, entry := range value {
			converted, err := typed(entry)
			if err != nil {
				return nil, err
			}
			value[i] = converted
		}
		return value, nil
	case json.Number:
		if strings.ContainsAny(value.String(), ".eE") {
			return value.Float64()
		}
		if integer, err := value.Int64(); err == nil {
			return integer, nil
		}
		return strconv.ParseUint(value.String(), 10, 64)
	}
	return value, nil
}
