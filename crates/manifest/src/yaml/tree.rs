use std::borrow::Cow;

use super::token::Mark;

/// Where a node is in its [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(u32);

/// The tags that change what a scalar means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Text,
    Integer,
    Float,
    Boolean,
    Null,
    Timestamp,
    Binary,
    Merge,
    /// Any other: the scalar stays text.
    Other,
}

impl Tag {
    pub(super) fn parse(tag: &str) -> Self {
        match tag.strip_prefix("tag:yaml.org,2002:") {
            Some("str") => Self::Text,
            Some("int") => Self::Integer,
            Some("float") => Self::Float,
            Some("bool") => Self::Boolean,
            Some("null") => Self::Null,
            Some("timestamp") => Self::Timestamp,
            Some("binary") => Self::Binary,
            Some("merge") => Self::Merge,
            _ => Self::Other,
        }
    }

    pub(super) fn short_name(self) -> &'static str {
        match self {
            Self::Text => "!!str",
            Self::Integer => "!!int",
            Self::Float => "!!float",
            Self::Boolean => "!!bool",
            Self::Null => "!!null",
            Self::Timestamp => "!!timestamp",
            Self::Binary => "!!binary",
            Self::Merge => "!!merge",
            Self::Other => "this tag",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Scalar<'a> {
    pub(super) value: Cow<'a, str>,
    pub(super) tag: Option<Tag>,
    /// Written without quotes and tag, or with the tag `!`: may be the merge key.
    pub(super) implicit: bool,
}

#[derive(Debug)]
pub(super) enum Content<'a> {
    Scalar(Scalar<'a>),
    Alias {
        name: &'a str,
        target: NodeId,
    },
    Sequence(Vec<NodeId>),
    Mapping(Vec<(NodeId, NodeId)>),
    /// A collection whose end is not read yet.
    Open,
}

#[derive(Debug)]
pub(super) struct ParsedNode<'a> {
    pub(super) content: Content<'a>,
    pub(super) mark: Mark,
}

/// The nodes of one document as they are written, aliases not expanded.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    nodes: Vec<ParsedNode<'a>>,
    pub(super) root: NodeId,
}

impl<'a> Tree<'a> {
    pub(super) fn new(nodes: Vec<ParsedNode<'a>>, root: NodeId) -> Self {
        Self { nodes, root }
    }

    pub(super) fn node(&self, id: NodeId) -> Option<&ParsedNode<'a>> {
        self.nodes.get(id.0 as usize)
    }
}

/// Closes a collection.
pub(super) fn set_content<'a>(nodes: &mut [ParsedNode<'a>], id: NodeId, content: Content<'a>) {
    if let Some(node) = nodes.get_mut(id.0 as usize) {
        node.content = content;
    }
}

/// Adds a node to those of a document.
pub(super) fn push_node<'a>(nodes: &mut Vec<ParsedNode<'a>>, node: ParsedNode<'a>) -> NodeId {
    let id = NodeId(u32::try_from(nodes.len()).unwrap_or(u32::MAX));
    nodes.push(node);
    id
}
