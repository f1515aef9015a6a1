//! Go's own functions.

pub(crate) mod compare;
pub(crate) mod escape;
pub(crate) mod index;

/// A function that every template can call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builtin {
    And,
    Or,
    Not,
    Call,
    Html,
    Index,
    Slice,
    Js,
    Len,
    Print,
    Printf,
    Println,
    UrlQuery,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Builtin {
    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"and" => Self::And,
            b"or" => Self::Or,
            b"not" => Self::Not,
            b"call" => Self::Call,
            b"html" => Self::Html,
            b"index" => Self::Index,
            b"slice" => Self::Slice,
            b"js" => Self::Js,
            b"len" => Self::Len,
            b"print" => Self::Print,
            b"printf" => Self::Printf,
            b"println" => Self::Println,
            b"urlquery" => Self::UrlQuery,
            b"eq" => Self::Eq,
            b"ne" => Self::Ne,
            b"lt" => Self::Lt,
            b"le" => Self::Le,
            b"gt" => Self::Gt,
            b"ge" => Self::Ge,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::And => "and",
            Self::Or => "or",
            Self::Not => "not",
            Self::Call => "call",
            Self::Html => "html",
            Self::Index => "index",
            Self::Slice => "slice",
            Self::Js => "js",
            Self::Len => "len",
            Self::Print => "print",
            Self::Printf => "printf",
            Self::Println => "println",
            Self::UrlQuery => "urlquery",
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Lt => "lt",
            Self::Le => "le",
            Self::Gt => "gt",
            Self::Ge => "ge",
        }
    }

    /// The number of parameters that must be given, and whether more may be.
    pub(crate) fn arity(self) -> (usize, bool) {
        match self {
            Self::Html | Self::Js | Self::Print | Self::Println | Self::UrlQuery => (0, true),
            Self::And | Self::Or | Self::Call | Self::Index | Self::Slice | Self::Printf | Self::Eq => {
                (1, true)
            }
            Self::Not | Self::Len => (1, false),
            Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge => (2, false),
        }
    }

    /// Whether the function takes values as they are, with an interface around them or with none at all;
    /// the printing functions take what is in the interface.
    pub(crate) fn takes_reflected(self) -> bool {
        !matches!(self, Self::Html | Self::Js | Self::Print | Self::Println | Self::Printf | Self::UrlQuery)
    }
}
