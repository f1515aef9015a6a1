//! What an Application waits for that depends on others.
//!
//! The rules are Flux's (`reference/flux-and-others.md` K9): the other one is ready and what is known of it is current;
//! and when both read the same branch of one repository, it is at the revision that is to be synced. So one commit
//! that changes both goes in order.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;
use tiphys_api::{ApplicationStatus, ConditionStatus, ProjectSpec, READY, SyncState};

use crate::cel::{Expression, Scope};
use crate::glob;

/// When another Application counts as ready: an expression that was understood.
#[derive(Clone, Debug)]
pub struct Readiness(Expression);

impl Readiness {
    /// Understands an expression, or says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        Expression::compile(text).map(Self)
    }

    fn holds(&self, own: &Value, other: &Value) -> Result<bool, String> {
        let evaluate = || {
            let mut scope = Scope::new()?;
            scope.object("self", own)?;
            scope.object("dep", other)?;
            self.0.holds(&scope)
        };
        evaluate().map_err(|error| error.to_string())
    }
}

/// What is known of an Application that another one depends on.
#[derive(Clone, Copy, Debug)]
pub struct Other<'a> {
    /// Generation of its spec.
    pub generation: Option<i64>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Its status.
    pub status: &'a ApplicationStatus,
    /// Whether a Sync of it is under way.
    pub busy: bool,
    /// What its source held when it was last looked at.
    pub seen: Option<&'a Seen>,
}

/// What a source held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The revision.
    pub revision: String,
    /// Digest of its rendering; none when it cannot be rendered.
    pub rendering: Option<String>,
}

/// An expression with what it is about.
#[derive(Debug)]
pub struct Check<'a> {
    /// The expression.
    pub readiness: &'a Readiness,
    /// The Application that waits.
    pub own: Value,
    /// The one that it waits for.
    pub other: Value,
}

/// What there is still to wait for, in a sentence; none when there is nothing.
///
/// `name` is the other Application as it is named to the reader. `revision` is what is to be synced, when both read
/// the same. The error says why `check` cannot be evaluated.
pub fn wait(
    name: &str,
    revision: Option<&str>,
    other: Option<&Other<'_>>,
    check: Option<&Check<'_>>,
) -> Result<Option<String>, String> {
    let Some(other) = other else {
        return Ok(Some(format!("waits for Application {name}, which does not exist")));
    };
    if other.deleting {
        return Ok(Some(format!("waits for Application {name}, which is being deleted")));
    }
    if let Some(why) = not_current(other).or_else(|| revision.and_then(|it| not_at(other, it))) {
        return Ok(Some(format!("waits for Application {name}: {why}")));
    }
    let why = match check {
        Some(check) => match check.readiness.holds(&check.own, &check.other) {
            Ok(true) => None,
            Ok(false) => Some("what spec.dependsOn asks for in `ready` does not hold".to_owned()),
            Err(error) => {
                return Err(format!("spec.dependsOn: `ready` for Application {name} fails: {error}"));
            }
        },
        None => not_ready(other),
    };
    Ok(why.map(|why| format!("waits for Application {name}: {why}")))
}

/// Why what is known of it says nothing about its present spec.
fn not_current(other: &Other<'_>) -> Option<String> {
    let observed = other.status.observed_generation;
    (observed.is_none() || observed != other.generation)
        .then(|| "it has not been looked at since it changed".to_owned())
}

/// Why it is not at a revision.
fn not_at(other: &Other<'_>, revision: &str) -> Option<String> {
    let Some(seen) = other.seen else {
        return Some(format!("it has not looked at {revision} yet"));
    };
    if seen.revision != revision {
        return Some(format!("it has not looked at {revision} yet"));
    }
    let Some(rendering) = &seen.rendering else {
        return Some(format!("it cannot be rendered at {revision}"));
    };
    (other.status.rendering.as_ref() != Some(rendering)).then(|| format!("it has not applied {revision} yet"))
}

/// Why it is not Ready with everything synced.
fn not_ready(other: &Other<'_>) -> Option<String> {
    if other.busy {
        return Some("a Sync of it is under way".to_owned());
    }
    let Some(ready) = other.status.conditions.iter().find(|it| it.type_ == READY) else {
        return Some("it is not Ready yet".to_owned());
    };
    if ready.status != ConditionStatus::True {
        return Some(format!("it is not Ready ({})", ready.reason));
    }
    (other.status.sync != Some(SyncState::Synced)).then(|| "it is not what its source says".to_owned())
}

/// Whether an Application may name another one in `spec.dependsOn`.
///
/// In its own namespace always; from the installation's namespace any; from others what a Project that they may use
/// says in `spec.dependencies`.
pub fn may_name(
    namespace: &str,
    installation: &str,
    project: Option<&ProjectSpec>,
    (other_namespace, other): (&str, &str),
) -> bool {
    if namespace == other_namespace || namespace == installation {
        return true;
    }
    let full = format!("{other_namespace}/{other}");
    project.is_some_and(|project| {
        project.namespaces.iter().any(|it| glob::matches(it, namespace))
            && project.dependencies.iter().any(|it| glob::matches(it, &full))
    })
}

/// The shortest way from `start` over its dependencies back to itself, both ends included.
pub fn cycle<Key: Ord + Clone>(start: &Key, dependencies: impl Fn(&Key) -> Vec<Key>) -> Option<Vec<Key>> {
    let mut came_from: BTreeMap<Key, Key> = BTreeMap::new();
    let mut queue = VecDeque::from([start.clone()]);
    while let Some(key) = queue.pop_front() {
        for next in dependencies(&key) {
            if next == *start {
                let mut path = vec![next, key.clone()];
                while let Some(before) = came_from.get(path.last()?) {
                    path.push(before.clone());
                }
                path.reverse();
                return Some(path);
            }
            if !came_from.contains_key(&next) {
                came_from.insert(next.clone(), key.clone());
                queue.push_back(next);
            }
        }
    }
    None
}
