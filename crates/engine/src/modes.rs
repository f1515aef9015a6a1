//! How one object is applied: `tiphys.dev/mode` and what Flux and Argo CD have for it. Pure; for people: `docs/modes.md`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tiphys_api::{FIELD_MANAGER, MODE_ANNOTATION, RECREATE_ANNOTATION};
use tiphys_manifest::Manifest;

use crate::fields::{FieldPath, FieldSet, managed_fields};
use crate::migrate::is_taken_over;

const FLUX_MODE: &str = "kustomize.toolkit.fluxcd.io/ssa";
const FLUX_FORCE: &str = "kustomize.toolkit.fluxcd.io/force";
const ARGO_OPTIONS: &str = "argocd.argoproj.io/sync-options";

/// How one object is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Server-side apply that takes what the rendering names from whoever has it.
    #[default]
    Override,
    /// Server-side apply of what no other manager has.
    Merge,
    /// It is created when it does not exist, and never changed after that.
    IfNotPresent,
    /// It is not applied at all.
    Ignore,
    /// The whole object is replaced.
    Replace,
    /// The whole object is replaced for this once, because the Sync asks for it. After that it is applied on the server
    /// as ever.
    ReplaceOnce,
}

impl Mode {
    /// Whether this is how objects are applied that say nothing.
    pub fn is_default(&self) -> bool {
        *self == Self::Override
    }

    /// Whether the whole object is written, so that fields of others go.
    pub fn replaces(self) -> bool {
        matches!(self, Self::Replace | Self::ReplaceOnce)
    }

    /// How the object is applied when a Sync asks to replace what it applies. What says of itself that others may have a
    /// part in it counts more than that.
    #[must_use]
    pub fn asked_to_replace(self) -> Self {
        match self {
            Self::Override => Self::ReplaceOnce,
            other => other,
        }
    }
}

/// What the annotations of one object say about how it is applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// How.
    pub mode: Mode,
    /// Whether it is deleted and created again when a field changed that cannot be changed.
    pub force: bool,
    /// What is wrong in our own annotation.
    pub errors: Vec<String>,
    /// What has no effect in those of others.
    pub warnings: Vec<String>,
}

impl Manner {
    /// Reads the annotations of a manifest. Ours counts before that of Flux, that before Argo CD's; permissions to
    /// recreate add up.
    pub fn of(manifest: &Manifest) -> Self {
        Self::read(&|key| manifest.annotation(key))
    }

    /// Reads the annotations of a live object.
    pub fn of_live(object: &Value) -> Self {
        let annotations = object.pointer("/metadata/annotations");
        Self::read(&|key| annotations?.get(key)?.as_str())
    }

    fn read<'a>(annotation: &dyn Fn(&str) -> Option<&'a str>) -> Self {
        let mut manner = Self::default();
        let argo: Vec<_> = annotation(ARGO_OPTIONS).unwrap_or_default().split(',').map(str::trim).collect();
        manner.force = annotation(RECREATE_ANNOTATION) == Some("Allowed")
            || annotation(FLUX_FORCE) == Some("enabled")
            || argo.contains(&"Force=true");
        if let Some(text) = annotation(MODE_ANNOTATION) {
            manner.own(text);
        } else if let Some(text) = annotation(FLUX_MODE) {
            manner.flux(text);
        } else if argo.contains(&"Replace=true") {
            manner.mode = Mode::Replace;
        }
        manner
    }

    fn own(&mut self, text: &str) {
        match text {
            "Force" => self.force = true,
            _ => match of_word(text).or((text == "Replace").then_some(Mode::Replace)) {
                Some(mode) => self.mode = mode,
                None => self.errors.push(format!(
                    "the annotation {MODE_ANNOTATION} is {text:?}: write one of Override, Merge, IfNotPresent, Ignore, \
                     Replace, Force"
                )),
            },
        }
    }

    /// Flux takes its words in any case.
    fn flux(&mut self, text: &str) {
        match ["Override", "Merge", "IfNotPresent", "Ignore"].iter().find(|it| it.eq_ignore_ascii_case(text))
        {
            Some(word) => self.mode = of_word(word).unwrap_or_default(),
            None => self.warnings.push(format!(
                "the annotation {FLUX_MODE} has the unknown word {text:?}, which has no effect"
            )),
        }
    }
}

fn of_word(word: &str) -> Option<Mode> {
    match word {
        "Override" => Some(Mode::Override),
        "Merge" => Some(Mode::Merge),
        "IfNotPresent" => Some(Mode::IfNotPresent),
        "Ignore" => Some(Mode::Ignore),
        _ => None,
    }
}

/// Lists and maps of `metadata` that stay as others have them when an object is replaced.
const KEPT_WHOLE: &[&str] = &["finalizers", "ownerReferences"];

/// What an object is replaced with: what is desired, in the version of the live object, so that nobody's change is lost
/// unseen. Finalizers, owners, and the labels and annotations of other managers stay, since they are not about what the
/// rendering says; so does a status that the rendering does not have.
pub fn replacement(desired: &Map<String, Value>, live: &Value) -> Map<String, Value> {
    let mut object = desired.clone();
    if let (false, Some(status)) = (object.contains_key("status"), live.get("status")) {
        object.insert("status".to_owned(), status.clone());
    }
    let Some(Value::Object(metadata)) = object.get_mut("metadata") else {
        return object;
    };
    let Some(Value::Object(before)) = live.get("metadata") else {
        return object;
    };
    for field in ["resourceVersion", "uid"].iter().chain(KEPT_WHOLE) {
        if let Some(value) = before.get(*field) {
            metadata.insert((*field).to_owned(), value.clone());
        }
    }
    let theirs = others(live);
    for field in ["annotations", "labels"] {
        let Some(Value::Object(before)) = before.get(field) else {
            continue;
        };
        let path = FieldPath::default().field("metadata").field(field);
        let kept = before.iter().filter(|(key, _)| theirs.covers(live, &path.field(key)));
        let kept: Vec<_> = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
        if kept.is_empty() {
            continue;
        }
        if let Value::Object(now) = metadata.entry(field).or_insert_with(|| Value::Object(Map::new())) {
            for (key, value) in kept {
                now.entry(key).or_insert(value);
            }
        }
    }
    object
}

/// The part of a live object that is as the rendering says when it is replaced as a whole: all of it but what
/// [`replacement`] leaves to others.
pub(crate) fn replaced_part(live: &Value) -> Value {
    let mut object = crate::diff::normalise(live);
    let theirs = others(live);
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.retain(|field, _| !KEPT_WHOLE.contains(&field.as_str()));
        for field in ["annotations", "labels"] {
            let path = FieldPath::default().field("metadata").field(field);
            if let Some(Value::Object(values)) = metadata.get_mut(field) {
                values.retain(|key, _| !theirs.covers(live, &path.field(key)));
            }
        }
    }
    object
}

/// What managers own that are neither us nor kubectl.
fn others(live: &Value) -> FieldSet {
    let mut others = FieldSet::default();
    for entry in managed_fields(live) {
        if entry.manager.name != FIELD_MANAGER && !is_taken_over(&entry.manager) {
            others.extend(&entry.fields);
        }
    }
    others
}
