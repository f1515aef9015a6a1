use std::borrow::Cow;

/// A place in the text. Offset and column count bytes, line and column count from 0.
///
/// Columns are compared only where nothing but ASCII stands before them on the line, so bytes do. Marks are small, for
/// there is one in each token and node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) offset: usize,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// How a scalar was written, as far as its meaning depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    QuotedOrBlock,
}

/// What the scanner makes of the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    StreamEnd,
    VersionDirective { major: u8, minor: u8 },
    TagDirective(Box<TagDirective<'a>>),
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'a str),
    Anchor(&'a str),
    Tag(Box<TagName<'a>>),
    Scalar { value: Cow<'a, str>, style: Style },
}

/// What a handle stands for in the tags of a document.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TagDirective<'a> {
    pub(super) handle: &'a str,
    pub(super) prefix: Cow<'a, str>,
}

/// A tag as it is written. An empty handle means that the suffix is the whole tag.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TagName<'a> {
    pub(super) handle: &'a str,
    pub(super) suffix: Cow<'a, str>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct LocatedToken<'a> {
    pub(super) token: Token<'a>,
    pub(super) mark: Mark,
}
