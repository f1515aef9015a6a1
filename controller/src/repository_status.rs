//! What we say of a Repository: whether it can be read, and when something new was found.

use std::collections::HashMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use tiphys_api::{Condition, ConditionStatus, READY, RECONCILING, RepositoryStatus, STALLED, set_conditions};
use tiphys_source::{Class, Status};

use crate::application::key_of;
use crate::context::Context;
use crate::repositories::{Entry, RepositoryKey};
use crate::slots::{HOME, Slot};

/// Writes the status of every Repository whose state changed since it was last written.
pub async fn report_all(ctx: &Context) {
    let readers = readers(ctx);
    for (key, entry) in ctx.repositories.all() {
        if ctx.slots.is_open(readers.get(&key).copied().unwrap_or(HOME)) {
            write(ctx, &key, &entry).await;
        }
    }
}

/// Writes the status of a Repository if it changed, and if it is ours to tell of it.
pub async fn report(ctx: &Context, key: &RepositoryKey, entry: &Entry) {
    if is_ours(ctx, key) {
        write(ctx, key, entry).await;
    }
}

/// Whether this replica tells of a Repository: the one that works on the first of the slots that read it does, and knows
/// best, because it asks it.
pub fn is_ours(ctx: &Context, key: &RepositoryKey) -> bool {
    ctx.slots.is_open(readers(ctx).get(key).copied().unwrap_or(HOME))
}

/// The first slot that reads each Repository; with one slot nobody needs to ask.
fn readers(ctx: &Context) -> HashMap<RepositoryKey, Slot> {
    let mut readers = HashMap::new();
    if ctx.slots.count() == 1 {
        return readers;
    }
    for application in ctx.applications.state() {
        let key = key_of(&application);
        if let Some(repository) = ctx.repositories.find(&key.0, &application.spec.source.repo) {
            let slot = ctx.slots.of(&key);
            let first: &mut Slot = readers.entry(repository).or_insert(slot);
            *first = slot.min(*first);
        }
    }
    readers
}

async fn write(ctx: &Context, key: &RepositoryKey, entry: &Entry) {
    let known = entry.remote.as_ref().ok().and_then(|it| ctx.mirrors.status(ctx.mirrors.key(it)));
    let after = status(entry, known.as_ref());
    if after == entry.status {
        return;
    }
    match ctx.records.repository_status(&key.0, &key.1, &after).await {
        Ok(_) => ctx.repositories.note_status(key, after),
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        Err(error) => {
            tracing::warn!(%error, repository = key.1, "the status of a repository could not be written");
        }
    }
}

/// The status of a Repository: a pure function of what is known.
fn status(entry: &Entry, known: Option<&Status>) -> RepositoryStatus {
    let mut after = entry.status.clone();
    after.observed_generation = Some(entry.generation);
    let fetched = known.and_then(|it| it.fetched_at).and_then(|it| Timestamp::try_from(it).ok());
    // Whole seconds, as the API server keeps them.
    let fetched = fetched.and_then(|it| Timestamp::from_second(it.as_second()).ok());
    after.fetched_at = fetched.map(Time).or(after.fetched_at);
    let (ready, companion, reason, message) = match (&entry.remote, known) {
        (Err(problem), _) => (ConditionStatus::False, Some(STALLED), "Invalid", problem.clone()),
        (Ok(_), Some(Status { error: Some(error), .. })) => {
            let companion = if error.class() == Class::Transient { RECONCILING } else { STALLED };
            (ConditionStatus::False, Some(companion), reason(error.class()), crate::error::chain(error))
        }
        (Ok(_), Some(known)) if known.checked_at.is_some() => {
            (ConditionStatus::True, None, "Reachable", "the repository can be read".to_owned())
        }
        (Ok(_), Some(_)) => (
            ConditionStatus::Unknown,
            Some(RECONCILING),
            "Fetching",
            "the repository is being asked".to_owned(),
        ),
        (Ok(_), None) => (
            ConditionStatus::Unknown,
            None,
            "Unused",
            "no Application reads it, so it is not asked".to_owned(),
        ),
    };
    let generation = Some(entry.generation);
    let mut conditions = vec![Condition::new(READY, ready, reason, message.clone(), generation)];
    conditions
        .extend(companion.map(|it| Condition::new(it, ConditionStatus::True, reason, message, generation)));
    set_conditions(&mut after.conditions, conditions);
    after
}

fn reason(class: Class) -> &'static str {
    match class {
        Class::Transient => "Unreachable",
        Class::Forbidden => "Forbidden",
        Class::NotFound => "NotFound",
        Class::Invalid => "Invalid",
    }
}
