use std::borrow::Cow;

/// A place in the text. Offset and column count bytes, line and column count from 0.
///
/// Columns are compared only where nothing but ASCII stands before them on the line, so bytes do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) offset: usize,
    pub(super) line: u32,
    pub(super) column: usize,
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
    VersionDirective {
        major: u8,
        minor: u8,
    },
    TagDirective {
        handle: &'a str,
        prefix: Cow<'a, str>,
    },
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
    /// An empty handle means that the suffix is the whole tag.
    Tag {
        handle: &'a str,
        suffix: Cow<'a, str>,
    },
    Scalar {
        value: Cow<'a, str>,
        style: Style,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct LocatedToken<'a> {
    pub(super) token: Token<'a>,
    pub(super) mark: Mark,
}
