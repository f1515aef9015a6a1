//! What differs between what two Syncs applied, told from their snapshots alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::AnsiColor;
use serde::Serialize;
use tiphys_manifest::{Manifest, ObjectId, Origin};

use super::Snapshot;
use crate::diff::{self, Diff, Style};
use crate::order;

/// What differs between what two Syncs applied. Values of Secrets are hidden.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The one that is compared with.
    pub from: Side,
    /// The one that is compared.
    pub to: Side,
    /// The objects that differ, in the order of their names.
    pub objects: Vec<Difference>,
    /// Number of objects that are the same in both.
    pub unchanged: usize,
}

/// One of two snapshots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// Number of the Sync that wrote it.
    pub number: u64,
    /// The revision that was rendered.
    pub revision: String,
    /// Digest of the rendering.
    pub rendering: String,
}

/// An object that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Which object.
    pub id: ObjectId,
    /// What became of it.
    pub change: Change,
    /// Where its manifest was written; of a removed one, where it was.
    pub origin: Origin,
    /// Whether it is a hook, which belongs to a run and not to what stays.
    pub hook: bool,
    /// The fields that differ.
    pub diff: Diff,
}

/// What became of an object between two snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// Only the later one has it.
    Added,
    /// Only the earlier one has it.
    Removed,
    /// Both have it, and it differs.
    Changed,
}

impl Comparison {
    /// Compares what was rendered, not what the API server made of it: its defaults are in neither.
    pub fn between(from: &Snapshot, to: &Snapshot) -> Self {
        let (before, after) = (by_id(from), by_id(to));
        let mut comparison =
            Self { from: Side::of(from), to: Side::of(to), objects: Vec::new(), unchanged: 0 };
        let removed = before.iter().filter(|(id, _)| !after.contains_key(*id));
        let removed = removed.map(|(id, manifest)| difference(id, Some(manifest), None));
        let others =
            after.iter().map(|(id, manifest)| difference(id, before.get(id).copied(), Some(manifest)));
        for found in removed.chain(others) {
            match found {
                Some(found) => comparison.objects.push(found),
                None => comparison.unchanged += 1,
            }
        }
        comparison.objects.sort_by(|left, right| left.id.cmp(&right.id));
        comparison
    }

    /// Whether both are the same.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

impl Side {
    fn of(snapshot: &Snapshot) -> Self {
        Self {
            number: snapshot.number,
            revision: snapshot.revision.clone(),
            rendering: snapshot.rendering.clone(),
        }
    }
}

fn by_id(snapshot: &Snapshot) -> BTreeMap<ObjectId, &Manifest> {
    snapshot.manifests.iter().map(|manifest| (manifest.id(), manifest)).collect()
}

/// None when nothing differs.
fn difference(id: &ObjectId, before: Option<&Manifest>, after: Option<&Manifest>) -> Option<Difference> {
    let (change, manifest) = match (before, after) {
        (_, Some(after)) if before.is_some() => (Change::Changed, after),
        (_, Some(after)) => (Change::Added, after),
        (Some(before), None) => (Change::Removed, before),
        (None, None) => return None,
    };
    let value = |manifest: &Manifest| serde_json::Value::Object(manifest.object().clone());
    let (old, new) = (before.map(value), after.map(value));
    let diff = Diff::between(old.as_ref(), new.as_ref());
    (!diff.is_empty()).then(|| Difference {
        id: id.clone(),
        change,
        origin: manifest.origin().clone(),
        hook: !order::is_plain(manifest),
        diff,
    })
}

/// How much of a comparison is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// A line for each object.
    Table,
    /// The lines, and the diff of every object.
    Diffs,
}

/// Fields of a change that the table names.
const FIELDS: usize = 3;

/// The comparison for people.
pub fn text(comparison: &Comparison, style: Style, detail: Detail) -> String {
    let mut parts = vec![table(comparison, style)];
    if detail == Detail::Diffs {
        parts.extend(comparison.objects.iter().map(|it| changes(it, style)));
    }
    parts.push(totals(comparison));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

const fn describe(change: Change) -> (char, &'static str, AnsiColor) {
    match change {
        Change::Added => ('+', "added", AnsiColor::Green),
        Change::Removed => ('-', "removed", AnsiColor::Red),
        Change::Changed => ('~', "changed", AnsiColor::Yellow),
    }
}

fn table(comparison: &Comparison, style: Style) -> String {
    let width = comparison.objects.iter().map(|it| it.id.to_string().chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for it in &comparison.objects {
        let (sign, word, colour) = describe(it.change);
        let head = style.paint(colour, &format!("{sign} {word:<8}"));
        let mut notes = Vec::new();
        notes.extend(it.hook.then(|| "hook".to_owned()));
        notes.extend((it.change == Change::Changed).then(|| it.diff.summary(FIELDS)));
        let line = format!("{head} {:<width$}  {}", it.id.to_string(), notes.join(", "));
        // Writing into a string cannot fail.
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

fn changes(it: &Difference, style: Style) -> String {
    let (sign, word, colour) = describe(it.change);
    let head = style.paint(colour, &format!("{sign} {word} {} ({})", it.id, it.origin));
    format!("{head}\n{}", diff::text(&it.diff, style))
}

fn totals(comparison: &Comparison) -> String {
    let count = |change| comparison.objects.iter().filter(|it| it.change == change).count();
    let counts = [
        (count(Change::Added), "added"),
        (count(Change::Removed), "removed"),
        (count(Change::Changed), "changed"),
        (comparison.unchanged, "unchanged"),
    ];
    let named: Vec<_> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if named.is_empty() { "Both are empty.\n".to_owned() } else { format!("{}.\n", named.join(", ")) }
}
