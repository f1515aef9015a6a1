//! Health checks as data, for kinds that have no rule in the code: those that we ship, in CEL, and those of an
//! installation, in CEL or Lua.
//!
//! One check counts for an object: the installation's own before ours, one that names the kind before one with a
//! pattern, the first of several. It may say nothing; then the object is judged as if there were no check.
//!
//! Checks are bounded in time, memory and input, and no check can fail another: one that cannot be compiled or
//! evaluated makes the objects of its kinds `Unknown` with a message that names it.

pub(crate) mod cel;
mod document;
mod lua;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock};

use serde_json::Value;
use tiphys_api::Health;

use self::document::{Document, KindPattern};
use super::HealthStatus;
use crate::cel::{CelError, MAX_OBJECT, is_visible};

/// Longest message that a check may give, in bytes.
const MAX_MESSAGE: usize = 2048;

/// Label of the ConfigMaps in which an installation keeps its checks, whatever its value.
pub const CHECKS_LABEL: &str = "tiphys.dev/health-checks";

/// Key of a ConfigMap in which Argo CD keeps the Lua check of one kind, without `GROUP_KIND`.
const ARGO_PREFIX: &str = "resource.customizations.health.";

/// The health checks of an installation: ours and its own. Clones share everything.
#[derive(Clone, Default)]
pub struct Checks {
    own: Arc<Table>,
}

/// Where a check of an installation stands, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckSource {
    /// The ConfigMap, as `NAMESPACE/NAME`.
    pub config_map: String,
    /// The key in its data: `*.yaml` for a list of checks, `GROUP_KIND.lua` for the Lua check of one kind.
    pub key: String,
    /// What stands there.
    pub text: String,
}

/// Something in a source that cannot be used. The other checks go on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckProblem {
    /// The ConfigMap, as `NAMESPACE/NAME`.
    pub config_map: String,
    /// The key in its data.
    pub key: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for CheckProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigMap {}, key {}: {}", self.config_map, self.key, self.message)
    }
}

/// A check that we ship, for documentation and tests.
#[derive(Clone, Debug)]
pub struct ShippedCheck {
    /// The kinds that it is for, as `GROUP/KIND`; `*` is any text.
    pub kinds: Vec<String>,
    /// The healths that it can give.
    pub healths: Vec<Health>,
}

/// The checks that we ship.
pub fn shipped() -> Vec<ShippedCheck> {
    let documents = SHIPPED_FILES.iter().flat_map(|(_, text)| document::parse(text).unwrap_or_default());
    documents
        .map(|document| ShippedCheck {
            healths: document.healths(),
            kinds: document.kinds.iter().map(KindPattern::to_string).collect(),
        })
        .collect()
}

/// What is known of an object's kind when its check is looked for.
type Kind<'a> = (&'a str, &'a str);

/// Checks by kind.
#[derive(Default)]
struct Table {
    exact: HashMap<String, HashMap<String, Arc<Check>>>,
    patterns: Vec<(KindPattern, Arc<Check>)>,
}

/// One check.
struct Check {
    /// Where it stands, for people.
    name: String,
    program: Program,
}

enum Program {
    Rules(Vec<cel::Rule>),
    Lua(lua::Script),
    /// It could not be compiled; this is why.
    Broken(String),
}

/// Why a check could not say how an object is.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    /// The object holds more than [`MAX_OBJECT`] bytes.
    #[error("the object is larger than {MAX_OBJECT} bytes, which no check is run for")]
    TooLarge,
    /// It ran into one of its bounds.
    #[error("it was stopped: {0}")]
    Stopped(&'static str),
    /// It failed.
    #[error("{0}")]
    Failed(String),
}

static SHIPPED: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::default();
    for (file, text) in SHIPPED_FILES {
        // A test proves that every file can be read and compiled.
        for (patterns, check) in document::parse(text).into_iter().flat_map(|it| checks_of(it, file)) {
            table.add(patterns, check);
        }
    }
    table
});

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../shipped/", $name)))),*]
    };
}

/// The checks that we ship, one file for each project whose kinds they are for.
const SHIPPED_FILES: &[(&str, &str)] = shipped![
    "argo.yaml",
    "cert-manager.yaml",
    "cluster-api.yaml",
    "crossplane.yaml",
    "databases.yaml",
    "external-secrets.yaml",
    "flux.yaml",
    "gateway-api.yaml",
    "istio.yaml",
    "keda.yaml",
    "knative.yaml",
    "platform.yaml",
    "prometheus-operator.yaml",
    "strimzi.yaml",
];

impl Checks {
    /// Our checks and these of the installation; also says what of these cannot be used.
    pub fn new(sources: &[CheckSource]) -> (Self, Vec<CheckProblem>) {
        let mut sources: Vec<_> = sources.iter().collect();
        sources.sort_by(|a, b| (&a.config_map, &a.key).cmp(&(&b.config_map, &b.key)));
        let (mut table, mut problems) = (Table::default(), BTreeSet::new());
        for source in sources {
            let problem = |message: String| CheckProblem {
                config_map: source.config_map.clone(),
                key: source.key.clone(),
                message,
            };
            let documents = match read(source) {
                Ok(documents) => documents,
                Err(message) => {
                    problems.insert(problem(message));
                    continue;
                }
            };
            let place = format!("ConfigMap {}, key {}", source.config_map, source.key);
            for (patterns, check) in checks_of(documents, &place) {
                let names = document::names(&patterns);
                if let Program::Broken(message) = &check.program {
                    problems.insert(problem(format!("the check for {names} cannot be used: {message}")));
                }
                if let Some(other) = table.add(patterns, check) {
                    problems
                        .insert(problem(format!("{names} has a check already: {other}; that one counts")));
                }
            }
        }
        (Self { own: Arc::new(table) }, problems.into_iter().collect())
    }

    /// Whether the installation has a check of its own for a kind.
    pub fn covers(&self, group: &str, kind: &str) -> bool {
        self.own.find((group, kind)).is_some()
    }

    /// Whether these are the very same checks, not only equal ones.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.own, &other.own)
    }

    /// What the check for an object's kind says, if there is one and it says something.
    pub(super) fn judge(&self, kind: Kind<'_>, object: &Value) -> Option<HealthStatus> {
        let check = self.own.find(kind).or_else(|| SHIPPED.find(kind))?;
        check.judge(object)
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own: usize = self.own.exact.values().map(HashMap::len).sum();
        f.debug_struct("Checks").field("own", &(own + self.own.patterns.len())).finish_non_exhaustive()
    }
}

/// The checks that a source holds.
fn read(source: &CheckSource) -> Result<Vec<Document>, String> {
    let kind = source.key.strip_suffix(".lua").or_else(|| source.key.strip_prefix(ARGO_PREFIX));
    if let Some(kind) = kind {
        return Ok(vec![Document::lua(kind, &source.text)?]);
    }
    let is_list = [".yaml", ".yml"].iter().any(|suffix| source.key.ends_with(suffix));
    if is_list {
        document::parse(&source.text)
    } else {
        Err("a key ends in `.yaml` (a list of checks) or `.lua` (the check of one kind)".to_owned())
    }
}

/// Compiles what documents say.
fn checks_of(documents: impl IntoIterator<Item = Document>, place: &str) -> Vec<(Vec<KindPattern>, Check)> {
    let compile = |document: Document| {
        let name = format!("health check for {} ({place})", document::names(&document.kinds));
        let program = match document.body {
            document::Body::Rules(rules) => {
                let rules = rules.into_iter().enumerate().map(|(index, rule)| {
                    cel::Rule::compile(&rule).map_err(|message| format!("rule {}: {message}", index + 1))
                });
                rules.collect::<Result<_, _>>().map(Program::Rules)
            }
            document::Body::Lua(source) => lua::Script::compile(&source).map(Program::Lua),
        };
        (document.kinds, Check { name, program: program.unwrap_or_else(Program::Broken) })
    };
    documents.into_iter().map(compile).collect()
}

impl Table {
    /// Adds a check for kinds. Says the name of another check that stays in its place for one of them.
    fn add(&mut self, patterns: Vec<KindPattern>, check: Check) -> Option<String> {
        let check = Arc::new(check);
        let mut taken = None;
        for pattern in patterns {
            if !pattern.is_exact() {
                self.patterns.push((pattern, Arc::clone(&check)));
                continue;
            }
            let kinds = self.exact.entry(pattern.group).or_default();
            let there = kinds.entry(pattern.kind).or_insert_with(|| Arc::clone(&check));
            if !Arc::ptr_eq(there, &check) {
                taken = Some(there.name.clone());
            }
        }
        taken
    }

    fn find(&self, (group, kind): Kind<'_>) -> Option<&Check> {
        let exact = self.exact.get(group).and_then(|kinds| kinds.get(kind));
        let pattern = || self.patterns.iter().find(|(it, _)| it.matches(group, kind)).map(|(_, check)| check);
        exact.or_else(pattern).map(Arc::as_ref)
    }
}

impl Check {
    fn judge(&self, object: &Value) -> Option<HealthStatus> {
        // The interpreters are not ours: a mistake in one must not end the watch that asks.
        let said = std::panic::catch_unwind(AssertUnwindSafe(|| self.run(object)));
        let said = said.unwrap_or_else(|_| Err(CheckError::Failed("its interpreter failed".to_owned())));
        said.unwrap_or_else(|error| {
            let reason = match error {
                CheckError::TooLarge => "ObjectTooLarge",
                CheckError::Stopped(_) => "CheckStopped",
                CheckError::Failed(_) => "CheckFailed",
            };
            let message = shorten(format!("the {} says nothing: {error}", self.name));
            Some(HealthStatus::new(Health::Unknown, reason, message))
        })
    }

    fn run(&self, object: &Value) -> Result<Option<HealthStatus>, CheckError> {
        match &self.program {
            Program::Rules(rules) => match super::not_observed(super::Object::new(object)) {
                // Nobody looks at what is suspended, so its newest generation may never be seen.
                Some(status) => {
                    let suspending = rules.iter().filter(|rule| rule.suspends());
                    cel::judge(suspending, object).map(|said| said.or(Some(status)))
                }
                None => cel::judge(rules, object),
            },
            Program::Lua(script) => script.judge(object),
            Program::Broken(message) => Err(CheckError::Failed(message.clone())),
        }
    }
}

/// Cuts what a check says to [`MAX_MESSAGE`].
fn shorten(mut text: String) -> String {
    if text.len() > MAX_MESSAGE {
        text.truncate(text.floor_char_boundary(MAX_MESSAGE));
        text.push('…');
    }
    text
}

impl From<CelError> for CheckError {
    fn from(error: CelError) -> Self {
        match error {
            CelError::TooLarge => Self::TooLarge,
            CelError::Stopped(bound) => Self::Stopped(bound),
            CelError::Failed(why) => Self::Failed(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_file_is_read_and_compiled() {
        let mut seen = BTreeSet::new();
        for (file, text) in SHIPPED_FILES {
            for (patterns, check) in checks_of(document::parse(text).unwrap(), file) {
                if let Program::Broken(message) = &check.program {
                    panic!("{}: {message}", check.name);
                }
                for pattern in patterns {
                    assert!(seen.insert(pattern.to_string()), "{file}: {pattern} has a check already");
                }
            }
        }
        assert!(seen.len() > 100, "{}", seen.len());
    }
}
