//! Directives, anchors, aliases and tags.

use std::borrow::Cow;

use super::Scanner;
use crate::yaml::error::Error;
use crate::yaml::token::{LocatedToken, Mark, TagDirective, TagName, Token};

/// Digits of a version number, as go-yaml limits them.
const MAX_VERSION_DIGITS: usize = 2;

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

impl<'a> Scanner<'a> {
    /// `%YAML` or `%TAG` and the rest of its line.
    pub(super) fn scan_directive(&mut self) -> Result<LocatedToken<'a>, Error> {
        let mark = self.cursor.mark();
        self.cursor.skip_bytes(1);
        let name = self.take_word();
        if name.is_empty() || !self.cursor.is_blank_or_end(0) {
            return Err(self.error(mark, "expected the name of a directive after '%'"));
        }
        self.cursor.skip_blanks();
        let token = match name {
            "YAML" => self.scan_version()?,
            "TAG" => self.scan_tag_directive()?,
            _ => {
                return Err(self.error(
                    mark,
                    format!("unknown directive %{name}; a value that starts with % needs quotes"),
                ));
            }
        };
        self.cursor.skip_blanks();
        self.cursor.skip_comment();
        if !self.cursor.is_break_or_end() {
            return Err(self.cursor.error_here("unexpected text after a directive"));
        }
        self.cursor.skip_break();
        Ok(LocatedToken { token, mark })
    }

    fn scan_version(&mut self) -> Result<Token<'a>, Error> {
        let major = self.take_version_number()?;
        if self.cursor.at(0) != b'.' {
            return Err(self.cursor.error_here("expected a version such as 1.1"));
        }
        self.cursor.skip_bytes(1);
        let minor = self.take_version_number()?;
        Ok(Token::VersionDirective { major, minor })
    }

    fn take_version_number(&mut self) -> Result<u8, Error> {
        let start = self.cursor.offset();
        while self.cursor.at(0).is_ascii_digit() {
            self.cursor.skip_bytes(1);
        }
        let digits = self.cursor.slice(start, self.cursor.offset());
        match digits.parse() {
            Ok(number) if digits.len() <= MAX_VERSION_DIGITS => Ok(number),
            _ => Err(self.cursor.error_here("expected a version such as 1.1")),
        }
    }

    fn scan_tag_directive(&mut self) -> Result<Token<'a>, Error> {
        let mark = self.cursor.mark();
        let handle = self.take_tag_handle()?;
        if handle != "!" && !handle.ends_with('!') {
            return Err(self.error(mark, "the handle of a tag must end with '!'"));
        }
        if !self.cursor.is_blank(0) {
            return Err(self.cursor.error_here("expected a blank after the handle of a tag"));
        }
        self.cursor.skip_blanks();
        let prefix = self.take_uri(mark)?;
        if prefix.is_empty() {
            return Err(self.cursor.error_here("expected the prefix of a tag"));
        }
        if !self.cursor.is_blank_or_end(0) {
            return Err(self.cursor.error_here("unexpected character in the prefix of a tag"));
        }
        Ok(Token::TagDirective(Box::new(TagDirective { handle, prefix })))
    }

    /// The name of an anchor or an alias.
    pub(super) fn scan_name(&mut self, token: fn(&'a str) -> Token<'a>) -> Result<LocatedToken<'a>, Error> {
        let mark = self.cursor.mark();
        self.cursor.skip_bytes(1);
        let name = self.take_word();
        let ends_well = self.cursor.is_blank_or_end(0)
            || matches!(self.cursor.at(0), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
        if name.is_empty() || !ends_well {
            let message = "the name of an anchor or alias has only letters, digits, '-' and '_'; \
                           a value that starts with '&' or '*' needs quotes";
            return Err(self.error(mark, message));
        }
        Ok(LocatedToken { token: token(name), mark })
    }

    /// `!suffix`, `!handle!suffix`, `!<verbatim>` or `!` alone.
    pub(super) fn scan_tag(&mut self) -> Result<LocatedToken<'a>, Error> {
        let mark = self.cursor.mark();
        let token = if self.cursor.at(1) == b'<' {
            self.cursor.skip_bytes(2);
            let suffix = self.take_uri(mark)?;
            if suffix.is_empty() || self.cursor.at(0) != b'>' {
                return Err(self.error(mark, "expected a tag between '!<' and '>'"));
            }
            self.cursor.skip_bytes(1);
            tag("", suffix)
        } else {
            self.scan_shorthand_tag(mark)?
        };
        if !self.cursor.is_blank_or_end(0) {
            return Err(
                self.error(mark, "unexpected character in a tag; a value that starts with '!' needs quotes")
            );
        }
        Ok(LocatedToken { token, mark })
    }

    fn scan_shorthand_tag(&mut self, mark: Mark) -> Result<Token<'a>, Error> {
        let handle = self.take_tag_handle()?;
        let rest = self.take_uri(mark)?;
        if handle.len() > 1 && handle.ends_with('!') {
            if rest.is_empty() {
                return Err(self.error(mark, "expected a tag after its handle"));
            }
            return Ok(tag(handle, rest));
        }
        let word = handle.strip_prefix('!').unwrap_or(handle);
        let suffix = match (word, rest) {
            ("", rest) => rest,
            (word, rest) if rest.is_empty() => Cow::Borrowed(word),
            (word, rest) => Cow::Owned(format!("{word}{rest}")),
        };
        Ok(if suffix.is_empty() { tag("", Cow::Borrowed("!")) } else { tag("!", suffix) })
    }

    /// An exclamation mark, a word that may be empty, and another exclamation mark if there is one.
    fn take_tag_handle(&mut self) -> Result<&'a str, Error> {
        let start = self.cursor.offset();
        if self.cursor.at(0) != b'!' {
            return Err(self.cursor.error_here("expected '!'"));
        }
        self.cursor.skip_bytes(1);
        self.take_word();
        if self.cursor.at(0) == b'!' {
            self.cursor.skip_bytes(1);
        }
        Ok(self.cursor.slice(start, self.cursor.offset()))
    }

    fn take_word(&mut self) -> &'a str {
        let start = self.cursor.offset();
        while is_word(self.cursor.at(0)) {
            self.cursor.skip_bytes(1);
        }
        self.cursor.slice(start, self.cursor.offset())
    }

    /// The characters of a URI that follow, percent escapes decoded.
    fn take_uri(&mut self, mark: Mark) -> Result<Cow<'a, str>, Error> {
        let start = self.cursor.offset();
        let mut escaped = false;
        loop {
            match self.cursor.at(0) {
                b'%' if self.cursor.at(1).is_ascii_hexdigit() && self.cursor.at(2).is_ascii_hexdigit() => {
                    escaped = true;
                    self.cursor.skip_bytes(3);
                }
                b'%' => return Err(self.error(mark, "expected two hexadecimal digits after '%' in a tag")),
                byte if is_word(byte) || b";/?:@&=+$,.!~*'()[]".contains(&byte) => self.cursor.skip_bytes(1),
                _ => break,
            }
        }
        let raw = self.cursor.slice(start, self.cursor.offset());
        if !escaped {
            return Ok(Cow::Borrowed(raw));
        }
        match String::from_utf8(decode_percent(raw)) {
            Ok(decoded) => Ok(Cow::Owned(decoded)),
            Err(_) => Err(self.error(mark, "the percent escapes of a tag are not UTF-8")),
        }
    }
}

fn decode_percent(raw: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        match tail.split_at_checked(2) {
            Some((digits, after)) if first == b'%' => {
                let digits = std::str::from_utf8(digits).unwrap_or_default();
                decoded.push(u8::from_str_radix(digits, 16).unwrap_or_default());
                rest = after;
            }
            _ => {
                decoded.push(first);
                rest = tail;
            }
        }
    }
    decoded
}

fn tag<'a>(handle: &'a str, suffix: Cow<'a, str>) -> Token<'a> {
    Token::Tag(Box::new(TagName { handle, suffix }))
}
