//! Printing as Go's `fmt` does it.

mod float;
mod number;
mod printf;
pub(crate) mod quote;
mod value;

pub use float::print_float;

use crate::limits::Limit;
use crate::unicode;
use crate::value::Value;

/// How deep values may be nested when they are printed.
const MAX_NESTING: u32 = 10_000;
/// What printing outside an execution may give.
const MAX_FREE_BYTES: usize = 1 << 30;

/// Go's `fmt.Sprintf`: formats values by verbs, with Go's error forms such as `%!d(float64=1)`.
///
/// ```
/// use gotemplate::{Value, sprintf};
///
/// assert_eq!(sprintf(b"%-5s|%05d", &[Value::from("ab"), Value::int(42)]), b"ab   |00042");
/// assert_eq!(sprintf(b"%d", &[Value::float64(1.0)]), b"%!d(float64=1)");
/// ```
pub fn sprintf(format: &[u8], args: &[Value]) -> Vec<u8> {
    let mut printer = Printer::new(Vec::new(), MAX_FREE_BYTES);
    printer.printf(format, args);
    printer.out
}

/// Go's `fmt.Sprint`: the values with a blank between two that are not strings.
pub fn sprint(args: &[Value]) -> Vec<u8> {
    let mut printer = Printer::new(Vec::new(), MAX_FREE_BYTES);
    printer.print(args);
    printer.out
}

/// Go's `fmt.Sprintln`: the values with blanks between them and a line feed.
pub fn sprintln(args: &[Value]) -> Vec<u8> {
    let mut printer = Printer::new(Vec::new(), MAX_FREE_BYTES);
    printer.println(args);
    printer.out
}

/// A code point as `%#U` prints it.
pub(crate) fn unicode_point(character: char) -> String {
    let code = u32::from(character);
    if unicode::is_print(character) { format!("U+{code:04X} '{character}'") } else { format!("U+{code:04X}") }
}

/// The first `count` characters.
pub(crate) fn cut_runes(text: &[u8], count: usize) -> &[u8] {
    let end: usize = unicode::Runes(text).take(count).map(|(_, width)| width).sum();
    text.get(..end).unwrap_or(text)
}

/// Flags, width and precision of a verb.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of printf")]
struct Flags {
    width: Option<usize>,
    precision: Option<usize>,
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v`
    plus_v: bool,
    /// `%#v`
    sharp_v: bool,
}

/// Prints values to a buffer, up to a size.
pub(crate) struct Printer {
    out: Vec<u8>,
    /// The length of `out` at which printing stops.
    max: usize,
    failed: Option<Limit>,
    flags: Flags,
    /// Whether a verb that does not fit is being reported, when methods are not called.
    erroring: bool,
}

impl Printer {
    /// A printer that appends to `out` until it has `max` bytes.
    pub(crate) fn new(out: Vec<u8>, max: usize) -> Self {
        Self { out, max, failed: None, flags: Flags::default(), erroring: false }
    }

    /// What was printed, and the limit that was met.
    pub(crate) fn finish(self) -> (Vec<u8>, Option<Limit>) {
        (self.out, self.failed)
    }

    pub(crate) fn print(&mut self, args: &[Value]) {
        let mut after_string = false;
        for (index, arg) in args.iter().enumerate() {
            let is_string = arg.kind() == crate::value::Kind::String;
            if index > 0 && !is_string && !after_string {
                self.out.push(b' ');
            }
            self.arg(arg, 'v');
            after_string = is_string;
        }
    }

    pub(crate) fn println(&mut self, args: &[Value]) {
        for (index, arg) in args.iter().enumerate() {
            if index > 0 {
                self.out.push(b' ');
            }
            self.arg(arg, 'v');
        }
        self.out.push(b'\n');
    }

    /// Prints a value as an action of a template does: what a pointer points to, not the pointer.
    pub(crate) fn shown(&mut self, value: &Value) {
        match value {
            Value::Native(native) if native.type_of().kind() == crate::value::Kind::Pointer => {
                self.pointee(&**native, value);
            }
            Value::Nil => self.write(b"<no value>"),
            _ => self.arg(value, 'v'),
        }
    }

    /// Whether printing has to stop.
    fn is_full(&mut self) -> bool {
        if self.failed.is_none() && self.out.len() > self.max {
            self.failed = Some(Limit::AllocatedBytes(self.max as u64));
        }
        self.failed.is_some()
    }

    fn write(&mut self, text: &[u8]) {
        if !self.is_full() {
            self.out.extend_from_slice(text);
        }
    }

    fn padding(&mut self, count: usize) {
        if self.is_full() {
            return;
        }
        // Zeros are only for the left side.
        let byte = if self.flags.zero && !self.flags.minus { b'0' } else { b' ' };
        self.out.resize(self.out.len() + count, byte);
    }

    /// Writes a text, padded to the width.
    fn pad(&mut self, text: &[u8]) {
        let missing = match self.flags.width {
            Some(width) if width > 0 => width.saturating_sub(unicode::count(text)),
            _ => 0,
        };
        if self.flags.minus {
            self.write(text);
            self.padding(missing);
        } else {
            self.padding(missing);
            self.write(text);
        }
    }
}
