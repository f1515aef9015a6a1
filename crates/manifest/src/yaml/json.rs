//! JSON texts, which may hold what YAML refuses: surrogate pairs, escaped slashes, keys of any length.

use serde_json::{Deserializer, Value};

use super::number::json_float;
use super::reader::{LocatedDocument, check_size, read_located};
use super::{Document, Error, Limits, Problem};

/// Reads JSON texts that stand one after the other; `None` when this is not JSON.
pub(crate) fn read_json(bytes: &[u8], limits: &Limits) -> Result<Option<Vec<LocatedDocument>>, Error> {
    check_size(bytes, limits)?;
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if !matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return Ok(None);
    }
    let mut documents = Vec::new();
    let mut nodes = 0;
    let mut values = Deserializer::from_slice(bytes).into_iter::<Value>();
    let mut position = Position { bytes, offset: 0, line: 1 };
    while let Some(value) = values.next() {
        let Ok(mut value) = value else { return Ok(None) };
        let line = position.advance_to_content();
        position.advance_to(values.byte_offset());
        normalise(&mut value, &mut nodes);
        if documents.len() >= limits.documents || nodes > limits.nodes {
            let message = format!("more than {} documents or {} values", limits.documents, limits.nodes);
            return Err(Error::new(line, 1, Problem::Limit(message)));
        }
        let document = Document { value, line, warnings: Vec::new() };
        documents.push(LocatedDocument { document, item_lines: Vec::new() });
    }
    locate_items(bytes, limits, &mut documents);
    Ok(Some(documents))
}

/// Takes the lines of list items from the YAML reader, which knows them, if it can read this text as well.
fn locate_items(bytes: &[u8], limits: &Limits, documents: &mut [LocatedDocument]) {
    let is_list =
        |document: &LocatedDocument| document.document.value.get("items").is_some_and(Value::is_array);
    let [only] = documents else { return };
    if is_list(only)
        && let Ok(mut located) = read_located(bytes, limits, 1)
        && let Some(located) = located.pop()
    {
        only.item_lines = located.item_lines;
    }
}

/// Whole numbers are integers, however they are written. Counts what it sees.
fn normalise(value: &mut Value, nodes: &mut usize) {
    *nodes += 1;
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Some(normal) = number.as_f64().and_then(json_float) {
                *value = normal;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| normalise(item, nodes)),
        Value::Object(entries) => entries.values_mut().for_each(|entry| normalise(entry, nodes)),
        _ => {}
    }
}

/// A position in a text whose lines are counted on the way.
struct Position<'a> {
    bytes: &'a [u8],
    offset: usize,
    line: u32,
}

impl Position<'_> {
    fn advance_to(&mut self, offset: usize) {
        let passed = self.bytes.get(self.offset..offset).unwrap_or_default();
        let lines = passed.split(|byte| *byte == b'\n').count() - 1;
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.offset = offset;
    }

    /// Goes past white space and gives the line there.
    fn advance_to_content(&mut self) -> u32 {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        self.advance_to(self.offset + (rest.len() - rest.trim_ascii_start().len()));
        self.line
    }
}
