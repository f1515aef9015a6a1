//! The tree of a document to a JSON value: aliases, merges, types, keys.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::error::{Error, Problem};
use super::number::{format_float_key, json_float};
use super::resolve::{Meaning, resolve};
use super::scanner::error_at;
use super::token::Mark;
use super::tree::{Content, NodeId, ParsedNode, Scalar, Tag, Tree};
use super::{Limits, Warning};

/// A text with a thousand slips is not understood better for a thousand warnings.
const MAX_WARNINGS: usize = 100;

/// Go: `base64.StdEncoding` does not look at the bits that are left over at the end.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// What decoding has cost so far, over all documents of a text.
#[derive(Debug, Default)]
pub(super) struct Spent {
    nodes: usize,
    /// Bytes of keys and strings.
    bytes: usize,
}

/// Whether a value is kept, by the mappings and lists that it is in (at least 1) and its key.
pub(super) type Wanted = fn(depth: usize, key: &str) -> bool;

/// Turns the tree of one document into a value.
pub(super) struct Decoder<'t, 'a> {
    text: &'a str,
    tree: &'t Tree<'a>,
    limits: Limits,
    spent: &'t mut Spent,
    /// Targets of the aliases that are being expanded, and where the aliases stand.
    open_aliases: Vec<(NodeId, Mark)>,
    warnings: Vec<Warning>,
    wanted: Wanted,
}

impl<'t, 'a> Decoder<'t, 'a> {
    pub(super) fn new(
        text: &'a str,
        tree: &'t Tree<'a>,
        limits: Limits,
        wanted: Wanted,
        spent: &'t mut Spent,
    ) -> Self {
        Self { text, tree, limits, spent, open_aliases: Vec::new(), warnings: Vec::new(), wanted }
    }

    pub(super) fn decode(mut self) -> Result<(Value, Vec<Warning>), Error> {
        let value = self.value(self.tree.root, 0)?;
        Ok((value, self.warnings))
    }

    fn error(&self, mark: Mark, message: impl Into<String>) -> Error {
        error_at(self.text, mark, Problem::Meaning(message.into()))
    }

    fn warn_of_duplicate(&mut self, mark: Mark, key: &str) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(Warning {
                line: mark.line.saturating_add(1),
                message: format!("the key {key:?} stands twice in this mapping; the last one counts"),
                repeated_key: key.to_owned(),
            });
        }
    }

    /// Looks a node up and counts it.
    fn node(&mut self, id: NodeId) -> Result<&'t ParsedNode<'a>, Error> {
        let Some(node) = self.tree.node(id) else {
            return Err(self.error(Mark::default(), "a node is missing"));
        };
        self.spent.nodes += 1;
        let message = if self.spent.nodes > self.limits.nodes {
            format!("more than {} mappings, lists and values after aliases are expanded", self.limits.nodes)
        } else if self.spent.bytes > self.limits.bytes {
            format!("more than {} bytes of text after aliases are expanded", self.limits.bytes)
        } else {
            return Ok(node);
        };
        Err(self.limit_error(node.mark, message))
    }

    /// The place of an error within an alias is that of the alias, not that of what it means.
    fn limit_error(&self, mark: Mark, message: String) -> Error {
        let mark = self.open_aliases.first().map_or(mark, |(_, mark)| *mark);
        error_at(self.text, mark, Problem::Limit(message))
    }

    fn check_depth(&self, depth: usize, mark: Mark) -> Result<usize, Error> {
        if depth < self.limits.depth {
            return Ok(depth + 1);
        }
        let message = format!("more than {} mappings and lists inside each other", self.limits.depth);
        Err(self.limit_error(mark, message))
    }

    fn value(&mut self, id: NodeId, depth: usize) -> Result<Value, Error> {
        let node = self.node(id)?;
        match &node.content {
            Content::Scalar(scalar) => self.scalar_value(scalar, node.mark),
            Content::Alias { name, target } => {
                self.within_alias(name, *target, node.mark, |decoder| decoder.value(*target, depth))
            }
            Content::Sequence(items) => {
                let depth = self.check_depth(depth, node.mark)?;
                items.iter().map(|item| self.value(*item, depth)).collect::<Result<_, _>>().map(Value::Array)
            }
            Content::Mapping(entries) => {
                let depth = self.check_depth(depth, node.mark)?;
                let mut mapping = Map::new();
                self.fill(entries, depth, &mut mapping, Duplicates::Warn)?;
                Ok(Value::Object(mapping))
            }
            Content::Open => Err(self.error(node.mark, "a collection is not closed")),
        }
    }

    /// Finds every error that [`value`](Self::value) would find, and counts the same, without making a value.
    fn check(&mut self, id: NodeId, depth: usize) -> Result<(), Error> {
        let node = self.node(id)?;
        match &node.content {
            Content::Scalar(scalar) => self.check_scalar(scalar, node.mark),
            Content::Alias { name, target } => {
                self.within_alias(name, *target, node.mark, |decoder| decoder.check(*target, depth))
            }
            Content::Sequence(items) => {
                let depth = self.check_depth(depth, node.mark)?;
                items.iter().try_for_each(|item| self.check(*item, depth))
            }
            Content::Mapping(entries) => {
                let depth = self.check_depth(depth, node.mark)?;
                for (key, value) in entries {
                    if self.is_merge(*key) {
                        self.merge(*value, depth, &mut Map::new())?;
                    } else {
                        self.key(*key)?;
                        self.check(*value, depth)?;
                    }
                }
                Ok(())
            }
            Content::Open => Err(self.error(node.mark, "a collection is not closed")),
        }
    }

    fn check_scalar(&mut self, scalar: &Scalar<'a>, mark: Mark) -> Result<(), Error> {
        if self.meaning(scalar, mark)? == Meaning::Text {
            self.spent.bytes += scalar.value.len();
            return Ok(());
        }
        self.scalar_value(scalar, mark).map(drop)
    }

    /// Decodes what an alias means. One within what it means itself is an error.
    fn within_alias<T>(
        &mut self,
        name: &str,
        target: NodeId,
        mark: Mark,
        decode: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.open_aliases.iter().any(|(open, _)| *open == target) {
            return Err(self.error(mark, format!("the anchor &{name} contains itself")));
        }
        self.open_aliases.push((target, mark));
        let decoded = decode(self)?;
        self.open_aliases.pop();
        Ok(decoded)
    }

    fn meaning(&self, scalar: &Scalar<'a>, mark: Mark) -> Result<Meaning, Error> {
        resolve(scalar.tag, &scalar.value).ok_or_else(|| {
            let tag = scalar.tag.map_or("", Tag::short_name);
            self.error(mark, format!("this value does not fit the tag {tag}"))
        })
    }

    fn scalar_value(&mut self, scalar: &Scalar<'a>, mark: Mark) -> Result<Value, Error> {
        match self.meaning(scalar, mark)? {
            Meaning::Null => Ok(Value::Null),
            Meaning::Boolean(boolean) => Ok(Value::Bool(boolean)),
            Meaning::Integer(integer) => Ok(integer.into()),
            Meaning::Unsigned(unsigned) => Ok(unsigned.into()),
            Meaning::Float(float) => json_float(float)
                .ok_or_else(|| self.error(mark, "infinity and NaN cannot be said in JSON; put it in quotes")),
            Meaning::Text => {
                self.spent.bytes += scalar.value.len();
                Ok(Value::String(scalar.value.clone().into_owned()))
            }
            Meaning::Binary => self.binary_text(&scalar.value, mark).map(Value::String),
        }
    }

    /// What base64 stands for. Go: `encoding/json` writes a replacement character for every byte that is no UTF-8.
    fn binary_text(&mut self, value: &str, mark: Mark) -> Result<String, Error> {
        let value: String = value.chars().filter(|character| !matches!(character, '\r' | '\n')).collect();
        let bytes = BASE64
            .decode(value)
            .map_err(|_| self.error(mark, "the value of the tag !!binary is not base64"))?;
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
        }
        self.spent.bytes += text.len();
        Ok(text)
    }

    fn fill(
        &mut self,
        entries: &'t [(NodeId, NodeId)],
        depth: usize,
        mapping: &mut Map<String, Value>,
        duplicates: Duplicates,
    ) -> Result<(), Error> {
        let has_merge = entries.iter().any(|(key, _)| self.is_merge(*key));
        let mut own_keys: HashMap<String, Mark> = HashMap::new();
        for (key_id, value_id) in entries {
            let mark = self.tree.node(*key_id).map_or(Mark::default(), |node| node.mark);
            if self.is_merge(*key_id) {
                self.merge(*value_id, depth, mapping)?;
                continue;
            }
            let key = self.key(*key_id)?;
            if !(self.wanted)(depth, &key) {
                self.check(*value_id, depth)?;
                continue;
            }
            let value = self.value(*value_id, depth)?;
            let key = key.into_owned();
            let is_repeated = duplicates == Duplicates::Warn
                && if has_merge {
                    own_keys.insert(key.clone(), mark).is_some()
                } else {
                    mapping.contains_key(&key)
                };
            if is_repeated {
                self.warn_of_duplicate(mark, &key);
            }
            mapping.insert(key, value);
        }
        Ok(())
    }

    fn is_merge(&self, key: NodeId) -> bool {
        match self.tree.node(key).map(|node| &node.content) {
            Some(Content::Scalar(key)) => key.value == "<<" && (key.implicit || key.tag == Some(Tag::Merge)),
            _ => false,
        }
    }

    /// Copies the entries of the mapping or mappings under `<<`. Of several, the earlier one wins.
    fn merge(&mut self, id: NodeId, depth: usize, mapping: &mut Map<String, Value>) -> Result<(), Error> {
        let Some(node) = self.tree.node(id) else {
            return Ok(());
        };
        match &node.content {
            Content::Sequence(items) => {
                items.iter().rev().try_for_each(|item| self.merge_one(*item, depth, mapping))
            }
            _ => self.merge_one(id, depth, mapping),
        }
    }

    fn merge_one(&mut self, id: NodeId, depth: usize, mapping: &mut Map<String, Value>) -> Result<(), Error> {
        let node = self.node(id)?;
        match &node.content {
            Content::Mapping(entries) => self.fill(entries, depth, mapping, Duplicates::Ignore),
            Content::Alias { name, target } => match self.tree.node(*target).map(|target| &target.content) {
                Some(Content::Mapping(entries)) => self.within_alias(name, *target, node.mark, |decoder| {
                    decoder.node(*target)?;
                    decoder.fill(entries, depth, mapping, Duplicates::Ignore)
                }),
                _ => {
                    Err(self.error(node.mark, format!("<< merges mappings, and the anchor &{name} is none")))
                }
            },
            _ => Err(self.error(node.mark, "<< merges a mapping or a list of mappings")),
        }
    }

    /// The text of a key. JSON has no other keys; sigs.k8s.io/yaml turns numbers and booleans into text.
    fn key(&mut self, id: NodeId) -> Result<Cow<'t, str>, Error> {
        let node = self.node(id)?;
        let scalar = match &node.content {
            Content::Scalar(scalar) => scalar,
            Content::Alias { target, .. } => match self.node(*target)?.content {
                Content::Scalar(ref scalar) => scalar,
                _ => return Err(self.error(node.mark, "a mapping or a list cannot be a key")),
            },
            _ => {
                return Err(self.error(
                    node.mark,
                    "a mapping or a list cannot be a key; are braces missing their quotes?",
                ));
            }
        };
        let text = match self.meaning(scalar, node.mark)? {
            Meaning::Text => Cow::Borrowed(&*scalar.value),
            Meaning::Binary => return self.binary_text(&scalar.value, node.mark).map(Cow::Owned),
            Meaning::Boolean(boolean) => Cow::Borrowed(if boolean { "true" } else { "false" }),
            Meaning::Integer(integer) => Cow::Owned(integer.to_string()),
            Meaning::Float(float) => Cow::Owned(format_float_key(float)),
            Meaning::Null => return Err(self.error(node.mark, "null cannot be a key; put it in quotes")),
            Meaning::Unsigned(_) => {
                return Err(self.error(node.mark, "a number this large cannot be a key; put it in quotes"));
            }
        };
        self.spent.bytes += text.len();
        Ok(text)
    }
}

/// Whether keys that come twice are told. A mapping is told about where it stands, not where it is merged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Duplicates {
    Warn,
    Ignore,
}
