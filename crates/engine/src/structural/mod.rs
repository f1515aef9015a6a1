//! What an API server will say of objects whose CustomResourceDefinition it does not have yet.
//!
//! A definition that comes with the same plan cannot be asked about by a dry-run of its objects: until it is applied,
//! the server does not know their kind, or knows an older schema of it. Its own dry-run was answered though, so it is
//! known to be well-formed; from its schema follows what becomes of an object, in the order in which the server does it:
//!
//! 1. nulls that may not be there are dropped, defaults are filled in (`normal`),
//! 2. unknown fields are refused, as a server does that is asked to validate strictly (`normal`),
//! 3. values are validated: types, bounds, patterns, formats, lists that are sets or maps (`validate`, `formats`), names
//!    and labels (`metadata`),
//! 4. rules in CEL are evaluated (`rules`), with the functions that Kubernetes adds to the language (`functions`).
//!
//! Where the server would go by something that is not in the schema, such as admission or a webhook that converts, or a
//! rule uses what is not known here, the verdict says that it is not complete ([`Verdict::unverified`]). Nothing here
//! does I/O. The semantics are those of `k8s.io/apiextensions-apiserver` 0.36; `tests/cluster/structural.rs` holds both
//! beside each other.

mod formats;
mod functions;
mod metadata;
mod normal;
mod rules;
mod schema;
mod validate;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use schema::Schema;

/// Most problems of one object that are named.
const NAMED: usize = 20;
/// How long the rules of one definition may be evaluated, in all; then the rest is not checked.
const PATIENCE: Duration = Duration::from_secs(2);

/// A CustomResourceDefinition: the schemas of the versions of a kind.
pub struct Definition {
    group: String,
    kind: String,
    versions: BTreeMap<String, Version>,
    /// Whether a webhook converts between versions.
    webhook: bool,
    /// How long its rules were evaluated so far, in microseconds.
    spent: AtomicU64,
}

struct Version {
    schema: Schema,
    served: bool,
    /// Whether the status is a resource of its own, which an apply of the object leaves alone.
    status: bool,
}

/// What becomes of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// The object with its defaults.
    pub object: Value,
    /// What is wrong, in the API server's words. Empty: it is accepted.
    pub problems: Vec<Problem>,
    /// What could not be checked, and why.
    pub unverified: Vec<String>,
}

/// Something that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, such as `spec.ports[0].name`. Empty: the whole object.
    pub path: String,
    /// What, in the API server's words.
    pub message: String,
    /// Whether rules are not even looked at because of this.
    blocks_rules: bool,
    /// Whether a rule in CEL says so.
    by_rule: bool,
}

impl Problem {
    fn new(path: &str, message: String) -> Self {
        Self { path: path.to_owned(), message, blocks_rules: false, by_rule: false }
    }

    /// Whether it may come from looking at a part of an object only: something is missing, or a rule does not hold.
    pub fn is_about_the_whole(&self) -> bool {
        self.by_rule || self.message.starts_with("Required value")
    }

    fn of_rule(path: &str, message: String) -> Self {
        Self { by_rule: true, ..Self::new(path, message) }
    }

    fn blocking(path: &str, message: String) -> Self {
        Self { blocks_rules: true, ..Self::new(path, message) }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

impl Definition {
    /// Reads the definition as the API server would store it. None: it is not one.
    pub fn new(definition: &Value) -> Option<Self> {
        let spec = definition.get("spec")?;
        let text = |pointer: &str| spec.pointer(pointer)?.as_str().map(str::to_owned);
        let versions = spec.get("versions")?.as_array()?.iter().filter_map(|version| {
            let name = version.get("name")?.as_str()?.to_owned();
            let schema = version.pointer("/schema/openAPIV3Schema").map(Schema::new).unwrap_or_default();
            let served = version.get("served").and_then(Value::as_bool).unwrap_or_default();
            let status = version.pointer("/subresources/status").is_some();
            Some((name, Version { schema, served, status }))
        });
        Some(Self {
            group: text("/group")?,
            kind: text("/names/kind")?,
            versions: versions.collect(),
            webhook: text("/conversion/strategy").as_deref() == Some("Webhook"),
            spent: AtomicU64::new(0),
        })
    }

    /// Group and kind that it defines.
    pub fn defines(&self) -> (String, String) {
        (self.group.clone(), self.kind.clone())
    }

    /// Whether objects may be applied in this version.
    pub fn serves(&self, version: &str) -> bool {
        self.versions.get(version).is_some_and(|it| it.served)
    }

    /// Whether it says the same of the objects of a version as another one.
    pub fn same_schema(&self, other: &Self, version: &str) -> bool {
        match (self.versions.get(version), other.versions.get(version)) {
            (Some(left), Some(right)) => {
                left.schema.source == right.schema.source && left.served == right.served
            }
            _ => false,
        }
    }

    /// What becomes of a whole object. `old` is the live one that it takes the place of, in the same version.
    ///
    /// `strictly`: fields that are not in the schema are problems, as in what somebody applies. Otherwise they are
    /// dropped, as from what the server has stored.
    pub fn judge(&self, version: &str, object: &Value, old: Option<&Value>, strictly: bool) -> Verdict {
        let mut verdict = Verdict { object: object.clone(), ..Verdict::default() };
        let Some(known) = self.versions.get(version).filter(|it| it.served) else {
            let message = format!("its definition does not serve the version {version}");
            verdict.problems.push(Problem::new("apiVersion", message));
            return verdict;
        };
        if self.webhook && self.versions.len() > 1 {
            verdict.unverified.push("a webhook converts between its versions".to_owned());
        }
        let unknown = normal::drop_unknown(&mut verdict.object, &known.schema);
        if strictly && !unknown.is_empty() {
            let problem = |path: String| Problem::new("", format!("{path}: field not declared in schema"));
            verdict.problems = unknown.into_iter().map(problem).collect();
            return verdict;
        }
        if known.status
            && let Value::Object(fields) = &mut verdict.object
        {
            match old.and_then(|old| old.get("status")) {
                Some(status) => drop(fields.insert("status".to_owned(), status.clone())),
                None => drop(fields.remove("status")),
            }
        }
        normal::drop_nulls(&mut verdict.object, Some(&known.schema));
        normal::fill_in(&mut verdict.object, &known.schema);
        let mut findings = validate::Findings::default();
        metadata::validate(&verdict.object, &mut findings);
        metadata::embedded(&verdict.object, &known.schema, "", &mut findings);
        validate::validate(&verdict.object, &known.schema, &mut findings);
        validate::lists(&verdict.object, &known.schema, "", &mut findings);
        if !findings.problems.iter().any(|it| it.blocks_rules) {
            self.evaluate(&known.schema, &verdict.object, old, &mut findings);
        }
        verdict.problems = findings.problems;
        verdict.unverified.extend(findings.unverified);
        verdict
    }

    fn evaluate(
        &self,
        schema: &Schema,
        object: &Value,
        old: Option<&Value>,
        findings: &mut validate::Findings,
    ) {
        if u128::from(self.spent.load(Ordering::Relaxed)) > PATIENCE.as_micros() {
            findings.unverified.insert("the rules of its definition take too long".to_owned());
            return;
        }
        let began = Instant::now();
        rules::evaluate(schema, object, old, findings);
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.spent.fetch_add(took, Ordering::Relaxed);
    }

    /// The fields of an object that are not in the schema, as `.spec.colour`.
    pub fn unknown_fields(&self, version: &str, object: &Value) -> Vec<String> {
        let schema = self.versions.get(version).map(|it| &it.schema);
        schema.map(|schema| normal::drop_unknown(&mut object.clone(), schema)).unwrap_or_default()
    }

    /// The sentence with which the API server refuses an object.
    pub fn refusal(&self, name: &str, problems: &[Problem]) -> String {
        let named: Vec<_> = problems.iter().take(NAMED).map(ToString::to_string).collect();
        let more = match problems.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let what = if let [one] = &named[..] { one.clone() } else { format!("[{}]", named.join(", ")) };
        format!("{}.{} \"{name}\" is invalid: {what}{more}", self.kind, self.group)
    }
}

/// The versions that a definition serves now and would not serve any more.
pub fn dropped_versions(live: &Value, becomes: &Value) -> Vec<String> {
    let served = |definition: &Value| -> Vec<String> {
        let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
        let served = versions.into_iter().flatten().filter(|it| it.get("served") == Some(&Value::Bool(true)));
        served.filter_map(|it| it.get("name")?.as_str().map(str::to_owned)).collect()
    };
    let after = served(becomes);
    served(live).into_iter().filter(|version| !after.contains(version)).collect()
}
