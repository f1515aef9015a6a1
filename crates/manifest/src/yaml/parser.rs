//! Tokens to the tree of a document, by the grammar of libyaml 0.1, which go-yaml v2 keeps.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Limits;
use super::error::{Error, Problem};
use super::scanner::{Scanner, error_at};
use super::token::{Mark, Style, TagDirective, TagName, Token};
use super::tree::{Content, NodeId, ParsedNode, Scalar, Tag, Tree, push_node, set_content};

/// Which collections may start a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Block,
    /// In a block mapping, where the dashes of a list need not be further in.
    MappingValue,
    Flow,
}

/// Reads the documents of a text one after the other.
pub(super) struct Parser<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
    limits: Limits,
    is_first: bool,
    depth: usize,
    nodes: Vec<ParsedNode<'a>>,
    anchors: HashMap<&'a str, NodeId>,
    /// Handle and prefix.
    tag_directives: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, limits: Limits) -> Self {
        /// Bytes of text for each node; there are seldom more nodes than this says.
        const NODE: usize = 16;
        const MOST: usize = 4096;
        Self {
            text,
            scanner: Scanner::new(text, limits.depth),
            limits,
            is_first: true,
            depth: 0,
            nodes: Vec::with_capacity((text.len() / NODE).min(MOST)),
            anchors: HashMap::new(),
            tag_directives: Vec::new(),
        }
    }

    /// The next document, or none at the end of the text.
    pub(super) fn next_document(&mut self) -> Result<Option<Tree<'a>>, Error> {
        if !self.is_first {
            while self.next_is(&Token::DocumentEnd)? {
                self.scanner.take()?;
            }
        }
        let next = self.scanner.peek()?;
        let explicit = matches!(
            next.token,
            Token::VersionDirective { .. } | Token::TagDirective(_) | Token::DocumentStart
        );
        if next.token == Token::StreamEnd {
            return Ok(None);
        }
        let is_explicit = explicit || !self.is_first;
        self.is_first = false;
        self.read_directives()?;
        let root = if is_explicit { self.parse_explicit_content()? } else { self.parse_node(Place::Block)? };
        if self.next_is(&Token::DocumentEnd)? {
            self.scanner.take()?;
        }
        self.tag_directives.clear();
        self.anchors.clear();
        Ok(Some(Tree::new(std::mem::take(&mut self.nodes), root)))
    }

    fn next_is(&mut self, token: &Token<'a>) -> Result<bool, Error> {
        Ok(self.scanner.peek()?.token == *token)
    }

    fn read_directives(&mut self) -> Result<(), Error> {
        let mut has_version = false;
        loop {
            let mark = self.scanner.peek()?.mark;
            match &self.scanner.peek()?.token {
                Token::VersionDirective { major: 1, minor: 1 } if !has_version => has_version = true,
                Token::VersionDirective { major: 1, minor: 1 } => {
                    return Err(self.scanner.error(mark, "a second %YAML directive"));
                }
                Token::VersionDirective { major, minor } => {
                    let message =
                        format!("YAML {major}.{minor} is not read here, only 1.1; remove the directive");
                    return Err(self.scanner.error(mark, message));
                }
                Token::TagDirective(directive) => {
                    let TagDirective { handle, prefix } = (**directive).clone();
                    if self.tag_directives.iter().any(|(known, _)| *known == handle) {
                        return Err(self.scanner.error(mark, "a second %TAG directive for the same handle"));
                    }
                    self.tag_directives.push((handle, prefix));
                }
                _ => break,
            }
            self.scanner.take()?;
        }
        for (handle, prefix) in [("!", "!"), ("!!", "tag:yaml.org,2002:")] {
            if !self.tag_directives.iter().any(|(known, _)| *known == handle) {
                self.tag_directives.push((handle, Cow::Borrowed(prefix)));
            }
        }
        Ok(())
    }

    fn parse_explicit_content(&mut self) -> Result<NodeId, Error> {
        if !self.next_is(&Token::DocumentStart)? {
            let mark = self.scanner.peek()?.mark;
            return Err(self.scanner.error(mark, "expected '---' before another document"));
        }
        self.scanner.take()?;
        let next = self.scanner.peek()?;
        let mark = next.mark;
        let is_empty = matches!(
            next.token,
            Token::VersionDirective { .. }
                | Token::TagDirective(_)
                | Token::DocumentStart
                | Token::DocumentEnd
                | Token::StreamEnd
        );
        if is_empty { self.push_empty(mark) } else { self.parse_node(Place::Block) }
    }

    fn push(&mut self, content: Content<'a>, mark: Mark) -> Result<NodeId, Error> {
        if self.nodes.len() >= self.limits.nodes {
            let message = format!("more than {} mappings, lists and values", self.limits.nodes);
            return Err(self.limit_error(mark, message));
        }
        Ok(push_node(&mut self.nodes, ParsedNode { content, mark }))
    }

    fn push_empty(&mut self, mark: Mark) -> Result<NodeId, Error> {
        let scalar = Scalar { value: Cow::Borrowed(""), tag: None, implicit: true };
        self.push(Content::Scalar(scalar), mark)
    }

    fn limit_error(&self, mark: Mark, message: String) -> Error {
        error_at(self.text, mark, Problem::Limit(message))
    }

    fn parse_node(&mut self, place: Place) -> Result<NodeId, Error> {
        let next = self.scanner.peek()?;
        let mark = next.mark;
        if let Token::Alias(name) = next.token {
            self.scanner.take()?;
            let Some(target) = self.anchors.get(name).copied() else {
                return Err(self.scanner.error(mark, format!("no anchor &{name} before this alias")));
            };
            return self.push(Content::Alias { name, target }, mark);
        }
        let (anchor, tag) = self.take_properties()?;
        let next = self.scanner.peek()?;
        let start = next.mark;
        let opens = match &next.token {
            Token::Scalar { .. } => return self.parse_scalar(anchor, tag.as_deref(), mark),
            Token::FlowSequenceStart | Token::FlowMappingStart => true,
            Token::BlockSequenceStart | Token::BlockMappingStart => place != Place::Flow,
            Token::BlockEntry => place == Place::MappingValue,
            _ => false,
        };
        if !opens {
            if anchor.is_none() && tag.is_none() {
                return Err(self.scanner.error(start, "expected a value"));
            }
            let scalar = Scalar {
                value: Cow::Borrowed(""),
                tag: tag.as_deref().map(Tag::parse),
                implicit: tag.is_none(),
            };
            return self.push_anchored(Content::Scalar(scalar), mark, anchor);
        }
        let id = self.push_anchored(Content::Open, mark, anchor)?;
        self.depth += 1;
        if self.depth > self.limits.depth {
            let message = format!("more than {} mappings and lists inside each other", self.limits.depth);
            return Err(self.limit_error(start, message));
        }
        let content = self.parse_collection()?;
        self.depth -= 1;
        set_content(&mut self.nodes, id, content);
        Ok(id)
    }

    fn push_anchored(
        &mut self,
        content: Content<'a>,
        mark: Mark,
        anchor: Option<&'a str>,
    ) -> Result<NodeId, Error> {
        let id = self.push(content, mark)?;
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
        Ok(id)
    }

    /// An anchor and a tag, in either order.
    fn take_properties(&mut self) -> Result<(Option<&'a str>, Option<Cow<'a, str>>), Error> {
        let mut anchor = None;
        let mut tag = None;
        loop {
            let next = self.scanner.peek()?;
            match &next.token {
                Token::Anchor(name) if anchor.is_none() => anchor = Some(*name),
                Token::Tag(name) if tag.is_none() => {
                    let (TagName { handle, suffix }, mark) = ((**name).clone(), next.mark);
                    tag = Some(self.resolve_tag(handle, suffix, mark)?);
                }
                _ => return Ok((anchor, tag)),
            }
            self.scanner.take()?;
        }
    }

    fn resolve_tag(&self, handle: &str, suffix: Cow<'a, str>, mark: Mark) -> Result<Cow<'a, str>, Error> {
        if handle.is_empty() {
            return Ok(suffix);
        }
        match self.tag_directives.iter().find(|(known, _)| *known == handle) {
            Some((_, prefix)) => Ok(Cow::Owned(format!("{prefix}{suffix}"))),
            None => Err(self.scanner.error(mark, format!("no %TAG directive for the handle {handle}"))),
        }
    }

    fn parse_scalar(
        &mut self,
        anchor: Option<&'a str>,
        tag: Option<&str>,
        mark: Mark,
    ) -> Result<NodeId, Error> {
        let Token::Scalar { value, style } = self.scanner.take()?.token else {
            return Err(self.scanner.error(mark, "expected a value"));
        };
        let implicit = match tag {
            None => style == Style::Plain,
            Some(tag) => tag == "!",
        };
        let tag = match tag {
            None if style == Style::Plain => None,
            None => Some(Tag::Text),
            Some(tag) => Some(Tag::parse(tag)),
        };
        self.push_anchored(Content::Scalar(Scalar { value, tag, implicit }), mark, anchor)
    }

    fn parse_collection(&mut self) -> Result<Content<'a>, Error> {
        match self.scanner.peek()?.token {
            Token::BlockSequenceStart => self.parse_block_sequence(),
            Token::BlockMappingStart => self.parse_block_mapping(),
            Token::FlowSequenceStart => self.parse_flow_sequence(),
            Token::FlowMappingStart => self.parse_flow_mapping(),
            _ => self.parse_indentless_sequence(),
        }
    }

    fn parse_block_sequence(&mut self) -> Result<Content<'a>, Error> {
        let start = self.scanner.take()?.mark;
        let mut items = Vec::new();
        loop {
            let next = self.scanner.take()?;
            match next.token {
                Token::BlockEntry => {
                    let is_empty = matches!(self.scanner.peek()?.token, Token::BlockEntry | Token::BlockEnd);
                    items.push(if is_empty {
                        self.push_empty(next.mark)?
                    } else {
                        self.parse_node(Place::Block)?
                    });
                }
                Token::BlockEnd => return Ok(Content::Sequence(items)),
                _ => {
                    let message =
                        format!("expected another '- ' of the list that starts at line {}", start.line + 1);
                    return Err(self.scanner.error(next.mark, message));
                }
            }
        }
    }

    /// A list whose dashes stand at the column of the key above.
    fn parse_indentless_sequence(&mut self) -> Result<Content<'a>, Error> {
        let mut items = Vec::new();
        while self.next_is(&Token::BlockEntry)? {
            let mark = self.scanner.take()?.mark;
            let is_empty = matches!(
                self.scanner.peek()?.token,
                Token::BlockEntry | Token::Key | Token::Value | Token::BlockEnd
            );
            items.push(if is_empty { self.push_empty(mark)? } else { self.parse_node(Place::Block)? });
        }
        Ok(Content::Sequence(items))
    }

    fn parse_block_mapping(&mut self) -> Result<Content<'a>, Error> {
        let start = self.scanner.take()?.mark;
        let mut entries = Vec::new();
        loop {
            let next = self.scanner.take()?;
            match next.token {
                Token::Key => {
                    let key = self.parse_block_entry(next.mark)?;
                    let mark = self.scanner.peek()?.mark;
                    let value = if self.next_is(&Token::Value)? {
                        self.scanner.take()?;
                        self.parse_block_entry(mark)?
                    } else {
                        self.push_empty(mark)?
                    };
                    entries.push((key, value));
                }
                Token::BlockEnd => return Ok(Content::Mapping(entries)),
                _ => {
                    let message =
                        format!("expected another key of the mapping that starts at line {}", start.line + 1);
                    return Err(self.scanner.error(next.mark, message));
                }
            }
        }
    }

    /// A key or a value of a block mapping, which may be left out.
    fn parse_block_entry(&mut self, mark: Mark) -> Result<NodeId, Error> {
        match self.scanner.peek()?.token {
            Token::Key | Token::Value | Token::BlockEnd => self.push_empty(mark),
            _ => self.parse_node(Place::MappingValue),
        }
    }

    fn parse_flow_sequence(&mut self) -> Result<Content<'a>, Error> {
        let start = self.scanner.take()?.mark;
        let mut items = Vec::new();
        loop {
            self.take_flow_separator(&Token::FlowSequenceEnd, items.is_empty(), start)?;
            let mark = self.scanner.peek()?.mark;
            match self.scanner.peek()?.token {
                Token::FlowSequenceEnd => {
                    self.scanner.take()?;
                    return Ok(Content::Sequence(items));
                }
                Token::Key => {
                    self.scanner.take()?;
                    let pair = self.parse_flow_pair()?;
                    items.push(self.push(Content::Mapping(vec![pair]), mark)?);
                }
                _ => items.push(self.parse_node(Place::Flow)?),
            }
        }
    }

    /// The comma between the entries of a flow collection; none before the first and none before the end.
    fn take_flow_separator(&mut self, end: &Token<'a>, is_first: bool, start: Mark) -> Result<(), Error> {
        if is_first || self.next_is(end)? {
            return Ok(());
        }
        let mark = self.scanner.peek()?.mark;
        if self.next_is(&Token::FlowEntry)? {
            self.scanner.take()?;
            return Ok(());
        }
        let bracket = if *end == Token::FlowSequenceEnd { ']' } else { '}' };
        let line = start.line + 1;
        Err(self.scanner.error(mark, format!("expected ',' or '{bracket}' (opened at line {line})")))
    }

    /// A mapping of one pair within a flow sequence, its key mark already taken.
    fn parse_flow_pair(&mut self) -> Result<(NodeId, NodeId), Error> {
        let next = self.scanner.peek()?;
        let mark = next.mark;
        let key = match next.token {
            // go-yaml swallows the token here, so that what follows is mostly an error.
            Token::Value | Token::FlowEntry | Token::FlowSequenceEnd => {
                self.scanner.take()?;
                self.push_empty(mark)?
            }
            _ => self.parse_node(Place::Flow)?,
        };
        Ok((key, self.parse_flow_value(&Token::FlowSequenceEnd)?))
    }

    /// A colon and a value, either of which may be left out.
    fn parse_flow_value(&mut self, end: &Token<'a>) -> Result<NodeId, Error> {
        if self.next_is(&Token::Value)? {
            self.scanner.take()?;
            if !self.next_is(&Token::FlowEntry)? && !self.next_is(end)? {
                return self.parse_node(Place::Flow);
            }
        }
        let mark = self.scanner.peek()?.mark;
        self.push_empty(mark)
    }

    fn parse_flow_mapping(&mut self) -> Result<Content<'a>, Error> {
        let start = self.scanner.take()?.mark;
        let mut entries = Vec::new();
        loop {
            self.take_flow_separator(&Token::FlowMappingEnd, entries.is_empty(), start)?;
            match self.scanner.peek()?.token {
                Token::FlowMappingEnd => {
                    self.scanner.take()?;
                    return Ok(Content::Mapping(entries));
                }
                Token::Key => {
                    self.scanner.take()?;
                    let next = self.scanner.peek()?;
                    let mark = next.mark;
                    let key = match next.token {
                        Token::Value | Token::FlowEntry | Token::FlowMappingEnd => self.push_empty(mark)?,
                        _ => self.parse_node(Place::Flow)?,
                    };
                    entries.push((key, self.parse_flow_value(&Token::FlowMappingEnd)?));
                }
                _ => {
                    let key = self.parse_node(Place::Flow)?;
                    let mark = self.scanner.peek()?.mark;
                    entries.push((key, self.push_empty(mark)?));
                }
            }
        }
    }
}
