//! Block scalars: literal (`|`) and folded (`>`).

use std::borrow::Cow;

use super::Scanner;
use crate::yaml::error::Error;
use crate::yaml::token::{Mark, Style, Token};

/// What becomes of the line breaks at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

/// The characters after `|` or `>`.
struct Header {
    chomping: Chomping,
    /// Columns further in than the parent; 0 when to be found out.
    increment: usize,
}

impl Scanner<'_> {
    pub(super) fn scan_block_scalar(&mut self) -> Result<(), Error> {
        self.forget_simple_key()?;
        self.simple_key_allowed = true;
        let mark = self.cursor.mark();
        let literal = self.cursor.at(0) == b'|';
        self.cursor.skip_bytes(1);
        let header = self.scan_block_header(mark)?;
        let value = self.scan_block_content(mark, literal, &header)?;
        self.push(Token::Scalar { value: Cow::Owned(value), style: Style::QuotedOrBlock }, mark);
        Ok(())
    }

    fn scan_block_header(&mut self, mark: Mark) -> Result<Header, Error> {
        let chomping = self.take_chomping();
        let increment = self.take_indentation(mark)?;
        // The two may stand in either order.
        let chomping = chomping.or_else(|| self.take_chomping()).unwrap_or(Chomping::Clip);
        self.cursor.skip_blanks();
        self.cursor.skip_comment();
        if !self.cursor.is_break_or_end() {
            let message = "unexpected text after '|' or '>'; the text of a block starts on the next line";
            return Err(self.cursor.error_here(message));
        }
        self.cursor.skip_break();
        Ok(Header { chomping, increment })
    }

    fn take_chomping(&mut self) -> Option<Chomping> {
        let chomping = match self.cursor.at(0) {
            b'+' => Chomping::Keep,
            b'-' => Chomping::Strip,
            _ => return None,
        };
        self.cursor.skip_bytes(1);
        Some(chomping)
    }

    fn take_indentation(&mut self, mark: Mark) -> Result<usize, Error> {
        match self.cursor.at(0) {
            b'0' => Err(self.error(mark, "the indentation of a block is counted from 1")),
            digit @ b'1'..=b'9' => {
                self.cursor.skip_bytes(1);
                Ok(usize::from(digit - b'0'))
            }
            _ => Ok(0),
        }
    }

    fn scan_block_content(&mut self, mark: Mark, literal: bool, header: &Header) -> Result<String, Error> {
        let mut value = String::new();
        let mut indent = match header.increment {
            0 => 0,
            increment => self.indent.saturating_sub(1) + increment,
        };
        let mut line_break = "";
        let mut empty_lines = String::new();
        let mut after_blank = false;
        self.skip_block_indentation(mark, &mut indent, &mut empty_lines)?;
        while self.cursor.column() == indent && !self.cursor.at_end() {
            let starts_blank = self.cursor.is_blank(0);
            let folds = !literal && line_break == "\n" && !after_blank && !starts_blank;
            if !folds {
                value.push_str(line_break);
            } else if empty_lines.is_empty() {
                value.push(' ');
            }
            value.push_str(&empty_lines);
            empty_lines.clear();
            after_blank = starts_blank;
            let start = self.cursor.offset();
            self.cursor.skip_line_content();
            value.push_str(self.cursor.slice(start, self.cursor.offset()));
            line_break = self.cursor.take_break();
            self.skip_block_indentation(mark, &mut indent, &mut empty_lines)?;
        }
        if header.chomping != Chomping::Strip {
            value.push_str(line_break);
        }
        if header.chomping == Chomping::Keep {
            value.push_str(&empty_lines);
        }
        Ok(value)
    }

    /// Goes past indentation and empty lines. Without an `indent` (0), finds it: that of the first line with text,
    /// or of the longest empty line before it.
    fn skip_block_indentation(
        &mut self,
        mark: Mark,
        indent: &mut usize,
        empty_lines: &mut String,
    ) -> Result<(), Error> {
        let mut longest = 0;
        loop {
            while (*indent == 0 || self.cursor.column() < *indent) && self.cursor.at(0) == b' ' {
                self.cursor.skip_bytes(1);
            }
            longest = longest.max(self.cursor.column());
            if (*indent == 0 || self.cursor.column() < *indent) && self.cursor.at(0) == b'\t' {
                let message = format!("a tab cannot indent the block that starts at line {}", mark.line + 1);
                return Err(self.cursor.error_here(message));
            }
            if !self.cursor.is_break() {
                break;
            }
            empty_lines.push_str(self.cursor.take_break());
        }
        if *indent == 0 {
            *indent = longest.max(self.indent).max(1);
        }
        Ok(())
    }
}
