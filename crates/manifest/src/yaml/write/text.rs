//! Scalars in their styles, folded at the 80th column.

use super::scalar::{ScalarText, Style, is_break, is_printable};
use super::{Dialect, Emitter, INDENT, Parent};

/// Columns after which go-yaml v2 breaks a line at the next single blank.
const WIDTH: usize = 80;

impl Emitter {
    /// Writes a scalar of a block at column `indent`. The key of a mapping stays on its line.
    pub(super) fn scalar(&mut self, scalar: &ScalarText<'_>, indent: Option<usize>, parent: Parent) {
        let indent = indent.map_or(INDENT, |indent| indent + INDENT);
        let may_fold = parent != Parent::Mapping && self.dialect == Dialect::V2;
        match scalar.style {
            Style::Plain => self.plain(&scalar.text, indent, may_fold),
            Style::SingleQuoted => self.single_quoted(&scalar.text, indent, may_fold),
            Style::DoubleQuoted => self.double_quoted(&scalar.text, indent, may_fold),
            Style::Literal => self.literal(&scalar.text, indent),
        }
    }

    fn plain(&mut self, text: &str, indent: usize, may_fold: bool) {
        if !self.after_blank {
            self.push(' ');
        }
        self.words(text, indent, may_fold, "");
        self.after_blank = false;
        self.in_indentation = false;
    }

    fn single_quoted(&mut self, text: &str, indent: usize, may_fold: bool) {
        self.write_indicator("'", true, false);
        self.words(text, indent, may_fold, "'");
        self.write_indicator("'", false, false);
    }

    /// Writes text word by word, with `doubled` characters twice.
    fn words(&mut self, text: &str, indent: usize, may_fold: bool, doubled: &str) {
        if !may_fold || self.column + text.len() <= WIDTH {
            if doubled.is_empty() {
                return self.push_all(text);
            }
            if !text.contains(is_break) {
                return self.push_all(&text.replace(doubled, &doubled.repeat(2)));
            }
        }
        let mut previous = None;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let after_break = previous.is_some_and(is_break);
            match character {
                ' ' => {
                    let is_inner = previous.is_some() && characters.peek().is_some_and(|next| *next != ' ');
                    if may_fold && self.column > WIDTH && is_inner && previous != Some(' ') {
                        self.write_indent(indent);
                    } else {
                        self.push(' ');
                    }
                }
                _ if is_break(character) => self.unicode_break(character),
                _ => {
                    if after_break {
                        self.write_indent(indent);
                    }
                    if doubled.contains(character) {
                        self.push(character);
                    }
                    self.push(character);
                    self.in_indentation = false;
                }
            }
            previous = Some(character);
        }
    }

    fn unicode_break(&mut self, character: char) {
        self.out.push(character);
        self.begin_line();
        self.in_indentation = true;
    }

    fn double_quoted(&mut self, text: &str, indent: usize, may_fold: bool) {
        self.write_indicator("\"", true, false);
        // go-yaml looks for a byte order mark at the start when it means to look at every character.
        let escapes_all = text.starts_with('\u{FEFF}');
        let mut previous = None;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            if escapes_all
                || !is_printable(character)
                || is_break(character)
                || matches!(character, '"' | '\\')
            {
                self.escape(character);
                previous = Some('\\');
                continue;
            }
            let is_inner = previous.is_some() && characters.peek().is_some();
            if character == ' ' && may_fold && self.column > WIDTH && is_inner && previous != Some(' ') {
                self.write_indent(indent);
                if characters.peek() == Some(&' ') {
                    self.push('\\');
                }
            } else {
                self.push(character);
            }
            previous = Some(character);
        }
        self.write_indicator("\"", false, false);
    }

    fn escape(&mut self, character: char) {
        let short = match character {
            '\0' => "\\0",
            '\x07' => "\\a",
            '\x08' => "\\b",
            '\t' => "\\t",
            '\n' => "\\n",
            '\x0B' => "\\v",
            '\x0C' => "\\f",
            '\r' => "\\r",
            '\x1B' => "\\e",
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{85}' => "\\N",
            '\u{A0}' => "\\_",
            '\u{2028}' => "\\L",
            '\u{2029}' => "\\P",
            _ => {
                let code = u32::from(character);
                let long = match code {
                    ..=0xFF => format!("\\x{code:02X}"),
                    0x100..=0xFFFF => format!("\\u{code:04X}"),
                    _ => format!("\\U{code:08X}"),
                };
                return self.push_all(&long);
            }
        };
        self.push_all(short);
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.write_indicator("|", true, false);
        if text.starts_with(|first| first == ' ' || is_break(first)) {
            self.push_all("2");
        }
        let mut from_end = text.chars().rev();
        match (from_end.next().map(is_break), from_end.next().map(is_break)) {
            (Some(true), None | Some(true)) => self.push('+'),
            (Some(true), Some(false)) => {}
            _ => self.push('-'),
        }
        self.write_break();
        self.in_indentation = true;
        self.after_blank = true;
        let mut line_begins = true;
        for line in text.split_inclusive(is_break) {
            let content = line.strip_suffix(is_break).unwrap_or(line);
            if !content.is_empty() {
                if line_begins {
                    self.write_indent(indent);
                }
                self.push_all(content);
                self.in_indentation = false;
            }
            line_begins = content.len() < line.len();
            match line.chars().next_back() {
                Some('\n') => {
                    self.write_break();
                    self.in_indentation = true;
                }
                Some(separator) if line_begins => self.unicode_break(separator),
                _ => {}
            }
        }
    }
}
