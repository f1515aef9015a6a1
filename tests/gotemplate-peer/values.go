package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// Values is a defined map type, as Helm's common.Values.
type Values map[string]any

// Names is a defined slice type with a method.
type Names []string

// Has says whether a name is in the list.
func (n Names) Has(name string) bool {
	for _, have := range n {
		if have == name {
			return true
		}
	}
	return false
}

// Level is a defined integer with a text.
type Level int

func (l Level) String() string { return fmt.Sprintf("level-%d", int(l)) }

// Box is a struct with fields and methods.
type Box struct {
	Label string
	Count int
	Inner any
}

// Greet is a method with arguments.
func (b *Box) Greet(greeting string, names ...string) string {
	return greeting + " " + b.Label + " " + strings.Join(names, ",")
}

// Fail is a method that fails.
func (b *Box) Fail(message string) (string, error) { return "", errors.New(message) }

// decode reads a value. JSON stands for itself; an object with one key that begins with a dollar sign stands for a
// value of another type, such as {"$int64": 5}.
func decode(raw json.RawMessage) (any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var plain any
	if err := decoder.Decode(&plain); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return typed(plain), nil
}

func typed(plain any) any {
	switch plain := plain.(type) {
	case json.Number:
		f, _ := plain.Float64()
		return f
	case []any:
		list := make([]any, len(plain))
		for i, item := range plain {
			list[i] = typed(item)
		}
		return list
	case map[string]any:
		if len(plain) == 1 {
			for key, value := range plain {
				if strings.HasPrefix(key, "$") {
					return special(key[1:], value)
				}
			}
		}
		m := make(map[string]any, len(plain))
		for key, value := range plain {
			m[key] = typed(value)
		}
		return m
	}
	return plain
}

func special(name string, value any) any {
	integer := func() int64 { n, _ := value.(json.Number).Int64(); return n }
	number := func() float64 { f, _ := value.(json.Number).Float64(); return f }
	switch name {
	case "int":
		return int(integer())
	case "int8":
		return int8(integer())
	case "int16":
		return int16(integer())
	case "int32":
		return int32(integer())
	case "int64":
		return integer()
	case "uint":
		return uint(integer())
	case "uint8":
		return uint8(integer())
	case "uint16":
		return uint16(integer())
	case "uint32":
		return uint32(integer())
	case "uint64":
		n, _ := strconv.ParseUint(value.(json.Number).String(), 10, 64)
		return n
	case "float32":
		return float32(number())
	case "inf":
		f := number()
		zero := 0.0
		return f / zero
	case "complex":
		parts := value.([]any)
		re, _ := parts[0].(json.Number).Float64()
		im, _ := parts[1].(json.Number).Float64()
		return complex(re, im)
	case "latin1":
		return fromLatin1(value.(string))
	case "bytes":
		return []byte(fromLatin1(value.(string)))
	case "strings":
		list := make([]string, 0)
		for _, item := range value.([]any) {
			list = append(list, item.(string))
		}
		return list
	case "ints":
		list := make([]int, 0)
		for _, item := range value.([]any) {
			n, _ := item.(json.Number).Int64()
			list = append(list, int(n))
		}
		return list
	case "stringmap":
		m := make(map[string]string)
		for key, item := range value.(map[string]any) {
			m[key] = item.(string)
		}
		return m
	case "values":
		m := make(Values)
		for key, item := range value.(map[string]any) {
			m[key] = typed(item)
		}
		return m
	case "names":
		list := make(Names, 0)
		for _, item := range value.([]any) {
			list = append(list, item.(string))
		}
		return list
	case "level":
		return Level(integer())
	case "duration":
		return time.Duration(integer())
	case "box":
		fields := value.(map[string]any)
		label, _ := fields["Label"].(string)
		count, _ := fields["Count"].(json.Number)
		n, _ := count.Int64()
		return &Box{Label: label, Count: int(n), Inner: typed(fields["Inner"])}
	case "nil":
		switch value {
		case "map":
			return map[string]any(nil)
		case "strings":
			return []string(nil)
		case "list":
			return []any(nil)
		case "bytes":
			return []byte(nil)
		case "box":
			return (*Box)(nil)
		}
	case "func":
		switch value {
		case "add":
			return func(a, b int) int { return a + b }
		case "join":
			return func(separator string, parts ...string) string { return strings.Join(parts, separator) }
		case "fail":
			return func() (string, error) { return "", errors.New("failed as asked") }
		}
	}
	panic(fmt.Sprintf("no value of kind %q", name))
}

// functions are those that the cases can call; the Rust side has the same.
func functions(t *template.Template, depths map[string]int) template.FuncMap {
	return template.FuncMap{
		"add":     func(a, b int) int { return a + b },
		"sum":     func(numbers ...int) int { return sum(numbers) },
		"upper":   strings.ToUpper,
		"opt":     func(s string, numbers ...int) string { return fmt.Sprint(s, len(numbers)) },
		"half":    func(f float64) float64 { return f / 2 },
		"byte":    func(b uint8) uint8 { return b },
		"toInt64": func(n int) int64 { return int64(n) },
		"list":    func(items ...any) []any { return append([]any{}, items...) },
		"strs":    func(items ...string) []string { return append([]string{}, items...) },
		"any":     func(v any) any { return v },
		"same":    func(c complex128) complex128 { return c },
		"isBool":  func(b bool) bool { return b },
		"typed":   func(v any) string { return fmt.Sprintf("%T", v) },
		"one":     func() int { return 1 },
		"nothing": func() any { return nil },
		"fail":    func(message string) (string, error) { return "", errors.New(message) },
		"size":    func(m map[string]any) int { return len(m) },
		"count":   func(s []string) int { return len(s) },
		"set":     func(m map[string]any, key string, v any) map[string]any { m[key] = v; return m },
		"unset":   func(m map[string]any, key string) map[string]any { delete(m, key); return m },
		"dict": func(pairs ...any) map[string]any {
			m := map[string]any{}
			for i := 0; i+1 < len(pairs); i += 2 {
				m[fmt.Sprint(pairs[i])] = pairs[i+1]
			}
			return m
		},
		"include": func(name string, data any) (string, error) {
			if depths[name] >= 50 {
				return "", fmt.Errorf("too deep: %s", name)
			}
			depths[name]++
			defer func() { depths[name]-- }()
			var out strings.Builder
			err := t.ExecuteTemplate(&out, name, data)
			return out.String(), err
		},
		"tpl": func(text string, data any) (string, error) {
			clone, err := t.Clone()
			if err != nil {
				return "", err
			}
			clone, err = clone.New(t.Name()).Parse(text)
			if err != nil {
				return "", fmt.Errorf("cannot parse template %q: %w", text, err)
			}
			var out strings.Builder
			if err := clone.Execute(&out, data); err != nil {
				return "", fmt.Errorf("error during tpl function execution for %q: %w", text, err)
			}
			return out.String(), nil
		},
	}
}

func sum(numbers []int) int {
	total := 0
	for _, n := range numbers {
		total += n
	}
	return total
}
