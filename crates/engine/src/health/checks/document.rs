//! Checks as people write them.

use std::fmt;

use serde::Deserialize;
use tiphys_api::Health;

/// Most kinds of one check, rules of one check, and checks of one document.
const MAX_ITEMS: usize = 256;
/// Longest Lua check, in bytes.
const MAX_LUA: usize = 64 * 1024;

/// A check for some kinds.
pub(super) struct Document {
    pub(super) kinds: Vec<KindPattern>,
    pub(super) body: Body,
}

/// How it is found.
pub(super) enum Body {
    /// The first rule that holds.
    Rules(Vec<RuleDocument>),
    /// Argo CD's interface: `obj` in, a table with `status` and `message` out.
    Lua(String),
}

/// A rule: when it holds, that is the health.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleDocument {
    /// An expression that is true or false.
    pub(super) when: String,
    /// What the object is then.
    pub(super) health: Health,
    /// Why, in one word for programs: a word, or an expression in `${ }`.
    #[serde(default)]
    pub(super) reason: String,
    /// Why, for people: text with expressions in `${ }`.
    #[serde(default)]
    pub(super) message: String,
}

/// A kind, or a pattern for kinds, as `GROUP/KIND`: `*` is any text. The group of the core API is empty: `/Pod`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KindPattern {
    pub(super) group: String,
    pub(super) kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kinds: Vec<String>,
    #[serde(default)]
    rules: Option<Vec<RuleDocument>>,
    #[serde(default)]
    lua: Option<String>,
}

/// Reads a list of checks.
pub(super) fn parse(text: &str) -> Result<Vec<Document>, String> {
    let written: Vec<Written> = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    if written.len() > MAX_ITEMS {
        return Err(format!("it has {} checks; at most {MAX_ITEMS} are read", written.len()));
    }
    written.into_iter().map(Document::new).collect()
}

/// The kinds of a check, for people.
pub(super) fn names(patterns: &[KindPattern]) -> String {
    let names: Vec<_> = patterns.iter().map(KindPattern::to_string).collect();
    names.join(", ")
}

impl Document {
    fn new(written: Written) -> Result<Self, String> {
        let named = written.kinds.join(", ");
        if written.kinds.is_empty() || written.kinds.len() > MAX_ITEMS {
            return Err(format!("a check has 1 to {MAX_ITEMS} `kinds`, as `GROUP/KIND`"));
        }
        let kinds = written.kinds.iter().map(|kind| KindPattern::parse(kind)).collect::<Result<_, _>>()?;
        let body = match (written.rules, written.lua) {
            (Some(rules), None) => {
                Body::rules(rules).map_err(|error| format!("the check for {named} {error}"))?
            }
            (None, Some(source)) => Body::lua(&source)?,
            _ => return Err(format!("the check for {named} needs either `rules` or `lua`")),
        };
        Ok(Self { kinds, body })
    }

    /// The healths that its rules can give, each once.
    pub(super) fn healths(&self) -> Vec<Health> {
        let Body::Rules(rules) = &self.body else {
            return Vec::new();
        };
        let mut healths: Vec<_> = rules.iter().map(|rule| rule.health).collect();
        healths.sort_unstable();
        healths.dedup();
        healths
    }

    /// The Lua check of one kind, written `GROUP_KIND` because it is part of a key.
    pub(super) fn lua(kind: &str, source: &str) -> Result<Self, String> {
        let (group, kind) = kind.rsplit_once('_').unwrap_or(("", kind));
        let kind = KindPattern::parse(&format!("{group}/{kind}"))?;
        Ok(Self { kinds: vec![kind], body: Body::lua(source)? })
    }
}

impl Body {
    fn rules(rules: Vec<RuleDocument>) -> Result<Self, String> {
        if rules.len() > MAX_ITEMS {
            return Err(format!("has {} rules; at most {MAX_ITEMS} are read", rules.len()));
        }
        if rules.iter().any(|rule| rule.health == Health::Missing) {
            return Err("gives the health Missing, which only an object has that does not exist".to_owned());
        }
        Ok(Self::Rules(rules))
    }

    fn lua(source: &str) -> Result<Self, String> {
        if source.len() > MAX_LUA {
            return Err(format!("a Lua check has at most {MAX_LUA} bytes"));
        }
        Ok(Self::Lua(source.to_owned()))
    }
}

impl KindPattern {
    fn parse(text: &str) -> Result<Self, String> {
        let fits = |part: &str| part.chars().all(|it| it.is_ascii_alphanumeric() || "-.*".contains(it));
        match text.split_once('/') {
            Some((group, kind)) if !kind.is_empty() && fits(group) && fits(kind) => {
                Ok(Self { group: group.to_owned(), kind: kind.to_owned() })
            }
            _ => Err(format!(
                "`{text}` is no kind: write `GROUP/KIND`, `/Pod` for the core API, `*` for any text"
            )),
        }
    }

    pub(super) fn is_exact(&self) -> bool {
        !self.group.contains('*') && !self.kind.contains('*')
    }

    pub(super) fn matches(&self, group: &str, kind: &str) -> bool {
        crate::glob::matches(&self.group, group) && crate::glob::matches(&self.kind, kind)
    }
}

impl fmt::Display for KindPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.kind)
    }
}
