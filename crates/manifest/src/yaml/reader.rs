use serde_json::Value;

use super::decode::{Decoder, Spent, Wanted};
use super::error::{Error, Problem};
use super::input::decode;
use super::parser::Parser;
use super::scanner::error_at;
use super::tree::{Content, Tree};
use super::{Document, Limits};

/// A document and what only the reader of manifests wants to know.
pub(crate) struct LocatedDocument {
    pub(crate) document: Document,
    /// Lines of the children of a list called `items` at the top, counted from 1.
    pub(crate) item_lines: Vec<u32>,
}

/// Reads at most so many documents and looks no further.
pub(crate) fn read_located(
    bytes: &[u8],
    limits: &Limits,
    most: usize,
) -> Result<Vec<LocatedDocument>, Error> {
    read_wanted(bytes, limits, most, |_, _| true)
}

fn read_wanted(
    bytes: &[u8],
    limits: &Limits,
    most: usize,
    wanted: Wanted,
) -> Result<Vec<LocatedDocument>, Error> {
    check_size(bytes, limits)?;
    let limits = limits.within_stack();
    let text = decode(bytes)?;
    let mut parser = Parser::new(&text, limits);
    let mut spent = Spent::default();
    let mut documents = Vec::new();
    while documents.len() < most {
        let Some(tree) = parser.next_document()? else {
            break;
        };
        let mark = tree.node(tree.root).map(|root| root.mark).unwrap_or_default();
        if documents.len() >= limits.documents {
            let message = format!("more than {} documents", limits.documents);
            return Err(error_at(&text, mark, Problem::Limit(message)));
        }
        let (value, warnings) = Decoder::new(&text, &tree, limits, wanted, &mut spent).decode()?;
        let document = Document { value, line: mark.line.saturating_add(1), warnings };
        documents.push(LocatedDocument { document, item_lines: item_lines(&tree) });
    }
    Ok(documents)
}

pub(crate) fn check_size(bytes: &[u8], limits: &Limits) -> Result<(), Error> {
    if bytes.len() <= limits.bytes {
        return Ok(());
    }
    let message = format!("{} bytes are more than the limit of {}", bytes.len(), limits.bytes);
    Err(Error::new(1, 1, Problem::Limit(message)))
}

fn item_lines(tree: &Tree<'_>) -> Vec<u32> {
    let Some(Content::Mapping(entries)) = tree.node(tree.root).map(|root| &root.content) else {
        return Vec::new();
    };
    let is_items = |content: &Content<'_>| matches!(content, Content::Scalar(key) if key.value == "items");
    let items = entries
        .iter()
        .rev()
        .find(|(key, _)| tree.node(*key).is_some_and(|key| is_items(&key.content)))
        .and_then(|(_, items)| tree.node(*items));
    match items.map(|items| &items.content) {
        Some(Content::Sequence(items)) => items
            .iter()
            .map(|item| tree.node(*item).map_or(1, |item| item.mark.line.saturating_add(1)))
            .collect(),
        _ => Vec::new(),
    }
}

/// An empty text is null, as go-yaml has it.
pub(super) fn read_first(bytes: &[u8], limits: &Limits, wanted: Wanted) -> Result<Document, Error> {
    let first = read_wanted(bytes, limits, 1, wanted)?.pop();
    Ok(first.map_or(Document { value: Value::Null, line: 1, warnings: Vec::new() }, |first| first.document))
}
