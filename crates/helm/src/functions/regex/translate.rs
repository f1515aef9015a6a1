//! From Go's syntax of expressions to that of the crate `regex`, with Go's errors.
//!
//! What both write the same way is taken over, flags for instance. What differs is written out: `\d`, `\s`, `\w` and `\b`
//! know ASCII only, `\Q…\E` quotes, `{` may stand for itself, `&&` and `[` in brackets too, and groups lose their names,
//! which need not be different.

use std::fmt::Write as _;

use super::class;

/// Greatest count of a repetition, also of several inside one another.
const MAX_REPEAT: u64 = 1000;
/// Groups and repetitions inside one another.
const MAX_NESTING: usize = 1000;
/// A measure of what an expression is compiled to.
const MAX_SIZE: u64 = 1 << 20;

/// An expression for the crate `regex`.
pub(super) struct Translated {
    pub(super) text: String,
    /// The names of the groups in order; empty for those without.
    pub(super) names: Vec<String>,
    /// A measure of what it is compiled to.
    pub(super) size: u64,
}

/// Translates an expression, or gives Go's message: what is wrong, and the part in backquotes.
pub(super) fn translate(expression: &[u8]) -> Result<Translated, String> {
    let expression = std::str::from_utf8(expression).map_err(|error| {
        let rest = expression.get(error.valid_up_to()..).unwrap_or_default();
        problem("invalid UTF-8", &String::from_utf8_lossy(rest))
    })?;
    let mut translator = Translator {
        whole: expression,
        rest: expression,
        out: String::new(),
        names: Vec::new(),
        groups: vec![Group::default()],
    };
    translator.run()?;
    let size = translator.close().map_or(1, |item| item.size);
    Ok(Translated { text: translator.out, names: translator.names, size })
}

/// What is wrong, and with which part of an expression.
pub(super) fn problem(what: &str, part: &str) -> String {
    format!("{what}: `{part}`")
}

/// What repetitions need to know of what they repeat.
#[derive(Clone, Copy, Default)]
struct Item {
    /// The greatest product of counts inside one another.
    repeats: u64,
    /// A measure of what it is compiled to.
    size: u64,
}

/// A group, or the whole expression.
#[derive(Default)]
struct Group {
    /// What stands before `last`.
    before: Item,
    /// What a repetition would repeat.
    last: Option<Item>,
}

struct Translator<'e> {
    whole: &'e str,
    rest: &'e str,
    out: String,
    names: Vec<String>,
    groups: Vec<Group>,
}

impl<'e> Translator<'e> {
    fn run(&mut self) -> Result<(), String> {
        // What stands from the last repetition on, as long as nothing came after it.
        let mut last_repeat: Option<&'e str> = None;
        while let Some(first) = self.rest.chars().next() {
            let before = self.rest;
            let mut is_repeat = false;
            match first {
                '(' => self.open()?,
                ')' => self.close_group()?,
                '|' => {
                    self.finish_item();
                    self.take(first);
                }
                '^' | '$' | '.' => {
                    self.take(first);
                    self.item(1);
                }
                '[' => {
                    let (class, rest) = class::bracketed(self.rest)?;
                    self.out.push_str(&class);
                    self.rest = rest;
                    self.item(16);
                }
                '*' | '+' | '?' => {
                    self.rest = self.rest.get(1..).unwrap_or_default();
                    self.repeat(before, last_repeat, None)?;
                    is_repeat = true;
                }
                '{' => match counts(self.rest) {
                    Some((least, most, after)) => {
                        self.rest = after;
                        self.check_counts(before, least, most)?;
                        self.repeat(before, last_repeat, Some(most.or(least).unwrap_or(0)))?;
                        is_repeat = true;
                    }
                    None => self.literal(first),
                },
                '\\' => self.backslash()?,
                _ => self.literal(first),
            }
            last_repeat = is_repeat.then_some(before);
        }
        if self.groups.len() > 1 {
            return Err(problem("missing closing )", self.whole));
        }
        Ok(())
    }

    /// Takes a character over as it is.
    fn take(&mut self, character: char) {
        self.out.push(character);
        self.rest = self.rest.get(character.len_utf8()..).unwrap_or_default();
    }

    /// A character that stands for itself.
    fn literal(&mut self, character: char) {
        class::push_literal(&mut self.out, character);
        self.rest = self.rest.get(character.len_utf8()..).unwrap_or_default();
        self.item(1);
    }

    /// Notes something that can be repeated.
    fn item(&mut self, size: u64) {
        self.finish_item();
        if let Some(group) = self.groups.last_mut() {
            group.last = Some(Item { repeats: 1, size });
        }
    }

    /// Notes that what came last cannot be repeated any more.
    fn finish_item(&mut self) {
        if let Some(group) = self.groups.last_mut()
            && let Some(last) = group.last.take()
        {
            group.before.repeats = group.before.repeats.max(last.repeats);
            group.before.size = group.before.size.saturating_add(last.size);
        }
    }

    /// Takes the innermost group away.
    fn close(&mut self) -> Option<Item> {
        self.finish_item();
        let group = self.groups.pop()?;
        Some(Item { repeats: group.before.repeats.max(1), size: group.before.size.saturating_add(1) })
    }

    fn close_group(&mut self) -> Result<(), String> {
        if self.groups.len() < 2 {
            return Err(problem("unexpected )", self.whole));
        }
        let item = self.close();
        self.take(')');
        self.finish_item();
        if let Some(group) = self.groups.last_mut() {
            group.last = item;
        }
        Ok(())
    }

    fn open_group(&mut self, opening: &str) -> Result<(), String> {
        self.out.push_str(opening);
        self.finish_item();
        self.groups.push(Group::default());
        if self.groups.len() > MAX_NESTING {
            return Err(problem("expression nests too deeply", self.whole));
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), String> {
        let start = self.rest;
        if !start.starts_with("(?") {
            self.rest = start.get(1..).unwrap_or_default();
            self.names.push(String::new());
            return self.open_group("(");
        }
        let name = start.strip_prefix("(?P<").filter(|rest| !rest.is_empty());
        let name = name.or_else(|| start.strip_prefix("(?<").filter(|rest| !rest.is_empty()));
        if let Some(name) = name {
            let Some((name, rest)) = name.split_once('>') else {
                return Err(problem("invalid named capture", start));
            };
            let is_part = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
            if name.is_empty() || !name.bytes().all(is_part) {
                return Err(problem("invalid named capture", until(start, rest)));
            }
            self.rest = rest;
            self.names.push(name.to_owned());
            return self.open_group("(");
        }
        self.flags(start)
    }

    /// `(?flags)` and `(?flags:`.
    fn flags(&mut self, start: &'e str) -> Result<(), String> {
        let mut rest = start.get(2..).unwrap_or_default();
        let (mut is_negative, mut saw_flag) = (false, false);
        while let Some(flag) = rest.chars().next() {
            rest = rest.get(flag.len_utf8()..).unwrap_or_default();
            match flag {
                'i' | 'm' | 's' | 'U' => saw_flag = true,
                '-' if !is_negative => (is_negative, saw_flag) = (true, false),
                ':' | ')' if is_negative && !saw_flag => break,
                ':' => {
                    self.rest = rest;
                    return self.open_group(until(start, rest));
                }
                ')' => {
                    self.rest = rest;
                    // The crate has no word for no flags at all.
                    self.out.push_str(if saw_flag { until(start, rest) } else { "(?:)" });
                    return Ok(());
                }
                _ => break,
            }
        }
        Err(problem("invalid or unsupported Perl syntax", until(start, rest)))
    }

    fn check_counts(&self, before: &str, least: Option<u64>, most: Option<u64>) -> Result<(), String> {
        let is_wrong = least.is_none_or(|least| least > MAX_REPEAT)
            || most.is_some_and(|most| most > MAX_REPEAT || least.is_some_and(|least| least > most));
        if is_wrong { Err(problem("invalid repeat count", until(before, self.rest))) } else { Ok(()) }
    }

    /// A repetition that stands from `before` on, up to `count` times if that is given.
    fn repeat(&mut self, before: &str, last_repeat: Option<&str>, count: Option<u64>) -> Result<(), String> {
        if let Some(rest) = self.rest.strip_prefix('?') {
            self.rest = rest;
        }
        if let Some(last) = last_repeat {
            return Err(problem("invalid nested repetition operator", until(last, self.rest)));
        }
        let operator = until(before, self.rest);
        let Some(item) = self.groups.last_mut().and_then(|group| group.last.as_mut()) else {
            return Err(problem("missing argument to repetition operator", operator));
        };
        let times = count.unwrap_or(1).max(1);
        let repeats = if count == Some(0) { 1 } else { item.repeats.saturating_mul(times) };
        if repeats > MAX_REPEAT {
            return Err(problem("invalid repeat count", operator));
        }
        *item = Item { repeats, size: item.size.saturating_mul(times).saturating_add(1) };
        if item.size > MAX_SIZE {
            return Err(problem("expression too large", self.whole));
        }
        self.out.push_str(operator);
        Ok(())
    }

    fn backslash(&mut self) -> Result<(), String> {
        let start = self.rest;
        let mut characters = start.chars().skip(1);
        let second = characters.next();
        let after = |length: usize| start.get(length..).unwrap_or_default();
        let simple = match second {
            Some('A') => r"\A",
            Some('z') => r"\z",
            Some('b') => r"(?-u:\b)",
            Some('B') => r"(?-u:\B)",
            Some('C') => return Err(problem("invalid escape sequence", r"\C")),
            Some('Q') => {
                let quoted = after(2);
                let (quoted, rest) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
                self.rest = quoted;
                while let Some(character) = self.rest.chars().next() {
                    self.literal(character);
                }
                self.rest = rest;
                return Ok(());
            }
            _ => "",
        };
        if !simple.is_empty() {
            self.out.push_str(simple);
            self.rest = after(2);
            self.item(1);
            return Ok(());
        }
        if let Some((class, rest)) = class::escaped(start)? {
            // A class of ASCII letters must not take in others that differ only in case.
            let is_unicode = class.starts_with(r"\p") || class.starts_with(r"\P");
            if is_unicode {
                self.out.push_str(&class);
            } else {
                let _ = write!(self.out, "(?-i:[{class}])");
            }
            self.rest = rest;
            self.item(if is_unicode { 300 } else { 4 });
            return Ok(());
        }
        let (code, rest) = class::escape(start)?;
        match char::from_u32(code) {
            Some(character) => class::push_literal(&mut self.out, character),
            None => self.out.push_str(class::NOTHING),
        }
        self.rest = rest;
        self.item(1);
        Ok(())
    }
}

/// What stands in `text` before its end `rest`.
pub(super) fn until<'t>(text: &'t str, rest: &str) -> &'t str {
    text.get(..text.len() - rest.len()).unwrap_or_default()
}

/// `{2}`, `{2,}` or `{2,3}`: the least and the most, and what follows. A number that is far too large is `None`.
fn counts(text: &str) -> Option<(Option<u64>, Option<u64>, &str)> {
    let (least, rest) = number(text.strip_prefix('{')?)?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((least, least, rest));
    }
    let rest = rest.strip_prefix(',')?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((least, None, rest));
    }
    let (most, rest) = number(rest)?;
    // A number too large to be read is as wrong as one that is only too large.
    Some((least, Some(most.unwrap_or(u64::MAX)), rest.strip_prefix('}')?))
}

/// A number without zeros before it.
fn number(text: &str) -> Option<(Option<u64>, &str)> {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(len)?;
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some((digits.parse().ok(), rest))
}
