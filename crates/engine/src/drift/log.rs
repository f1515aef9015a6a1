use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tiphys_api::{DriftOutcome, DriftRecord};
use tiphys_manifest::ObjectId;

use super::sighting::{By, Sighting};
use crate::fields::Operation;

/// Most records that an Application keeps; the newest stay.
pub const MAX_RECORDS: usize = 20;
/// Most fields that a record names, and the longest text of one in bytes.
const MAX_FIELDS: usize = 10;
const MAX_TEXT: usize = 256;

/// The records of an Application, the newest first.
pub struct Log<'a>(pub &'a mut Vec<DriftRecord>);

impl Log<'_> {
    /// Notes what is seen now. Says whether something is news: a change that stays is seen once.
    pub fn see(&mut self, sightings: &[Sighting], now: Timestamp) -> Vec<Sighting> {
        let news: Vec<_> = sightings.iter().filter(|it| self.see_one(it, now)).cloned().collect();
        self.0.sort_by_key(|record| Reverse(record.last_seen.0));
        self.0.truncate(MAX_RECORDS);
        news
    }

    fn see_one(&mut self, sighting: &Sighting, now: Timestamp) -> bool {
        let seen = record(sighting, now);
        let Some(known) = self.0.iter_mut().find(|it| is_same(it, &seen)) else {
            self.0.push(seen);
            return true;
        };
        let is_there = matches!(known.outcome, DriftOutcome::Open | DriftOutcome::LeftAlone);
        let written_again = match &sighting.by {
            By::Manager(manager) => manager.time.is_some_and(|time| time > known.last_seen.0),
            By::Webhook | By::Nobody => false,
        };
        if is_there && !written_again {
            known.outcome = DriftOutcome::Open;
            return false;
        }
        known.count = known.count.saturating_add(1);
        // Two changes in one second must not look like one.
        known.last_seen = known.last_seen.clone().max(seen.last_seen);
        known.outcome = DriftOutcome::Open;
        true
    }

    /// Notes that a Sync corrected these objects.
    pub fn correct(&mut self, objects: &BTreeSet<ObjectId>, sync: &str) {
        for record in self.0.iter_mut().filter(|it| it.outcome == DriftOutcome::Open) {
            if objects.contains(&id_of(record)) {
                record.outcome = DriftOutcome::Corrected;
                record.sync = Some(sync.to_owned());
            }
        }
    }

    /// Notes that what was seen of these fields is left alone from now on.
    pub fn leave_alone(&mut self, fights: &[Sighting]) {
        for fight in fights {
            for known in self.0.iter_mut().filter(|it| id_of(it) == fight.id && it.by == fight.by.to_string())
            {
                let names = |path: &crate::fields::FieldPath| {
                    path.segments().is_empty() || known.fields.contains(&shorten(&path.to_string()))
                };
                if fight.fields.iter().any(names) {
                    known.outcome = DriftOutcome::LeftAlone;
                }
            }
        }
    }

    /// Notes that of all that is open and was looked at only what `remains` still is. Without `looked_at` that was
    /// everything.
    pub fn settle(&mut self, looked_at: Option<&BTreeSet<ObjectId>>, remains: &BTreeSet<ObjectId>) {
        for record in self.0.iter_mut().filter(|it| it.outcome == DriftOutcome::Open) {
            let id = id_of(record);
            if looked_at.is_none_or(|it| it.contains(&id)) && !remains.contains(&id) {
                record.outcome = DriftOutcome::Gone;
            }
        }
    }

    /// Notes that fields of these objects are no longer left alone.
    pub fn end(&mut self, objects: &BTreeSet<ObjectId>) {
        for record in self.0.iter_mut().filter(|it| it.outcome == DriftOutcome::LeftAlone) {
            if objects.contains(&id_of(record)) {
                record.outcome = DriftOutcome::Gone;
            }
        }
    }
}

fn record(sighting: &Sighting, now: Timestamp) -> DriftRecord {
    let id = &sighting.id;
    let manager = match &sighting.by {
        By::Manager(manager) => Some(manager),
        By::Webhook | By::Nobody => None,
    };
    let mut fields: Vec<_> = sighting.fields.iter().map(|path| shorten(&path.to_string())).collect();
    fields.retain(|field| !field.is_empty());
    let more = fields.len().saturating_sub(MAX_FIELDS);
    fields.truncate(MAX_FIELDS);
    // A clock that goes ahead must not hide what comes later.
    let when = manager.and_then(|it| it.time).unwrap_or(now).min(now);
    DriftRecord {
        group: id.group.clone(),
        kind: id.kind.clone(),
        namespace: id.namespace.clone(),
        name: id.name.clone(),
        fields,
        more_fields: u32::try_from(more).unwrap_or(u32::MAX),
        by: shorten(&sighting.by.to_string()),
        operation: manager.map(|it| match it.operation {
            Operation::Apply => "Apply".to_owned(),
            Operation::Update => "Update".to_owned(),
        }),
        subresource: manager.and_then(|it| it.subresource.clone()),
        first_seen: Time(when),
        last_seen: Time(when),
        count: 1,
        outcome: DriftOutcome::Open,
        sync: None,
    }
}

fn is_same(one: &DriftRecord, other: &DriftRecord) -> bool {
    id_of(one) == id_of(other)
        && (&one.fields, one.more_fields) == (&other.fields, other.more_fields)
        && (&one.by, &one.operation, &one.subresource) == (&other.by, &other.operation, &other.subresource)
}

fn id_of(record: &DriftRecord) -> ObjectId {
    ObjectId {
        group: record.group.clone(),
        kind: record.kind.clone(),
        namespace: record.namespace.clone(),
        name: record.name.clone(),
    }
}

/// Cuts a text at a character.
fn shorten(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
