use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tiphys_manifest::ObjectId;

use super::sighting::{By, Sighting};
use crate::diff::{compare, normalise};
use crate::fields::{FieldPath, managers_of};

/// A field that was corrected so often within [`WINDOW`] and has changed again is left alone.
pub const ROUNDS: usize = 3;
/// Corrections count for so long.
pub const WINDOW: SignedDuration = SignedDuration::from_hours(1);
/// A field is left alone for so long at most; then it is tried again.
pub const PATIENCE: SignedDuration = SignedDuration::from_hours(1);

/// A field of an object.
type Place = (ObjectId, String);

/// An object as it should be, and as it is; none when it is gone.
type Pair = (Value, Option<Value>);

/// Finds fields that somebody changes after each correction, and remembers that they are left alone: only these fields of
/// these objects. Lost with the process; a fight that goes on is found again within [`ROUNDS`] corrections.
#[derive(Clone, Debug, Default)]
pub struct Fights {
    corrections: BTreeMap<Place, Vec<Timestamp>>,
    left_alone: BTreeMap<Place, LeftAlone>,
    /// What was asked for while this was remembered.
    inputs: Option<String>,
}

/// A field that is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftAlone {
    /// Where it is. Empty: the whole object, which somebody deletes.
    pub path: FieldPath,
    /// Who changes it.
    pub by: By,
    /// Until when, at most.
    pub until: Timestamp,
}

/// A field that is no longer left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The object.
    pub id: ObjectId,
    /// The field.
    pub path: FieldPath,
    /// Whether it is as it should be.
    pub gave_in: bool,
}

impl Fights {
    /// Notes that what was seen is corrected at `now`.
    pub fn corrected(&mut self, sightings: &[Sighting], now: Timestamp) {
        self.corrections.retain(|_, times| {
            times.retain(|time| now.duration_since(*time) < WINDOW);
            !times.is_empty()
        });
        for place in sightings.iter().flat_map(places) {
            self.corrections.entry(place).or_default().push(now);
        }
    }

    /// Goes through what is seen, before it is corrected. What has come back often enough is left alone from now on; it is
    /// given back, each sighting with these fields alone.
    pub fn recognise(&mut self, sightings: &[Sighting], now: Timestamp) -> Vec<Sighting> {
        let mut fights = Vec::new();
        for sighting in sightings {
            let comes_back = |path: &&FieldPath| {
                let times = self.corrections.get(&(sighting.id.clone(), path.to_string()));
                let recent = times.into_iter().flatten().filter(|time| now.duration_since(**time) < WINDOW);
                recent.count() >= ROUNDS
            };
            let fields: Vec<_> = sighting.fields.iter().filter(comes_back).cloned().collect();
            if fields.is_empty() {
                continue;
            }
            let until = now.saturating_add(PATIENCE).unwrap_or(Timestamp::MAX);
            for path in &fields {
                let place = (sighting.id.clone(), path.to_string());
                self.corrections.remove(&place);
                let left_alone = LeftAlone { path: path.clone(), by: sighting.by.clone(), until };
                self.left_alone.insert(place, left_alone);
            }
            fights.push(Sighting { fields, ..sighting.clone() });
        }
        fights
    }

    /// Ends what has no reason any more: other `inputs` (what is asked for and with which rules), time, somebody else who
    /// changes the field, or the one who did has given in. `look` gives the object as it should be and as it is; it is
    /// asked only about objects of which a field is left alone.
    pub fn review(
        &mut self,
        inputs: &str,
        now: Timestamp,
        look: &dyn Fn(&ObjectId) -> Option<Pair>,
    ) -> Vec<Ended> {
        if self.inputs.as_deref() != Some(inputs) {
            self.inputs = Some(inputs.to_owned());
            return self.forget_all();
        }
        let ids: BTreeSet<_> = self.left_alone.keys().map(|(id, _)| id.clone()).collect();
        let mut ended = Vec::new();
        for id in ids {
            let seen = look(&id);
            self.left_alone.retain(|(of, _), it| {
                if *of != id {
                    return true;
                }
                let gave_in = seen.as_ref().is_some_and(|(wanted, live)| gave_in(it, wanted, live.as_ref()));
                let by_another = seen.as_ref().is_some_and(|(_, live)| is_by_another(it, live.as_ref()));
                let ends = gave_in || by_another || now >= it.until;
                if ends {
                    ended.push(Ended { id: id.clone(), path: it.path.clone(), gave_in });
                }
                !ends
            });
        }
        ended
    }

    /// Forgets everything, since somebody asks for it as it should be. Gives what was left alone.
    pub fn forget_all(&mut self) -> Vec<Ended> {
        self.corrections.clear();
        let left_alone = std::mem::take(&mut self.left_alone);
        left_alone.into_iter().map(|((id, _), it)| Ended { id, path: it.path, gave_in: false }).collect()
    }

    /// The fields that are left alone, for a plan.
    pub fn fields(&self) -> BTreeMap<ObjectId, Vec<FieldPath>> {
        let mut fields: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for ((id, _), it) in self.left_alone.iter().filter(|(_, it)| !it.path.segments().is_empty()) {
            fields.entry(id.clone()).or_default().push(it.path.clone());
        }
        fields
    }

    /// Whether the object as a whole is left alone: somebody deletes it.
    pub fn leaves_whole(&self, id: &ObjectId) -> bool {
        self.left_alone.contains_key(&(id.clone(), String::new()))
    }

    /// What is left alone of one object, for people. None: nothing.
    pub fn text_of(&self, id: &ObjectId) -> Option<String> {
        let texts: Vec<_> =
            self.left_alone.iter().filter(|((of, _), _)| of == id).map(|(_, it)| it.to_string()).collect();
        (!texts.is_empty()).then(|| format!("left alone: {}", texts.join("; ")))
    }

    /// What is left alone of all objects, for people. None: nothing.
    pub fn text(&self) -> Option<String> {
        let mut texts = self.left_alone.iter().map(|((id, _), it)| format!("{it} of {id}"));
        let first = texts.next()?;
        let more = texts.count();
        let more = if more == 0 { String::new() } else { format!(" (and {more} more fields)") };
        Some(format!(
            "{first}{more}: after {ROUNDS} corrections this is left alone; let one of the two own it \
             (spec.ignoreDifferences), or sync to try again"
        ))
    }

    /// When the first field is tried again by itself.
    pub fn next_end(&self) -> Option<Timestamp> {
        self.left_alone.values().map(|it| it.until).min()
    }
}

impl std::fmt::Display for LeftAlone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.segments().is_empty() {
            return write!(f, "{} keeps deleting the object", self.by);
        }
        write!(f, "{} keeps changing {}", self.by, self.path)
    }
}

fn places(sighting: &Sighting) -> impl Iterator<Item = Place> {
    sighting.fields.iter().map(|path| (sighting.id.clone(), path.to_string()))
}

/// Whether the field is as it should be again.
fn gave_in(it: &LeftAlone, wanted: &Value, live: Option<&Value>) -> bool {
    let Some(live) = live else { return false };
    if it.path.segments().is_empty() {
        return true;
    }
    let text = it.path.to_string();
    let (wanted, live) = (normalise(wanted), normalise(live));
    !compare::changes(&wanted, &live)
        .iter()
        .any(|change| change.before.is_some() && change.path.to_string() == text)
}

/// Whether another one changes the field now.
fn is_by_another(it: &LeftAlone, live: Option<&Value>) -> bool {
    let (Some(live), By::Manager(before)) = (live, &it.by) else {
        return false;
    };
    let owners = managers_of(live, &it.path);
    !owners.is_empty()
        && !owners.iter().any(|owner| By::Manager(owner.clone()).is_same(&By::Manager(before.clone())))
}
