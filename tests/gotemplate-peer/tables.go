package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// writeTables prints crates/gotemplate/src/unicode/tables.rs: the classes of characters as this version of Go
// knows them, as sorted runs of first and last code point.
func writeTables(out io.Writer) {
	fmt.Fprintf(out, "//! Classes of characters in Unicode %s, made by `gotemplate-peer tables`. Do not edit.\n", unicode.Version)
	writeTable(out, "LETTERS", "`unicode.IsLetter`.", unicode.IsLetter)
	writeTable(out, "DIGITS", "`unicode.IsDigit`.", unicode.IsDigit)
	writeTable(out, "PRINTABLE", "`strconv.IsPrint`.", strconv.IsPrint)
}

func writeTable(out io.Writer, name, doc string, in func(rune) bool) {
	fmt.Fprintf(out, "\n/// Characters above ASCII for which Go says %s\n#[rustfmt::skip]\n", doc)
	fmt.Fprintf(out, "pub(crate) static %s: &[(u32, u32)] = &[\n", name)
	line := "   "
	first := rune(-1)
	for r := rune(0x80); r <= unicode.MaxRune+1; r++ {
		inside := r <= unicode.MaxRune && in(r)
		switch {
		case inside && first < 0:
			first = r
		case !inside && first >= 0:
			entry := fmt.Sprintf(" (%#x, %#x),", first, r-1)
			if len(line)+len(entry) > 110 {
				fmt.Fprintln(out, line)
				line = "   "
			}
			line += entry
			first = -1
		}
	}
	if strings.TrimSpace(line) != "" {
		fmt.Fprintln(out, line)
	}
	fmt.Fprintln(out, "];")
}
