//! A small model of what the API server does with objects: server-side apply with field ownership, where maps are
//! merged and lists are one value. Planning is tested against it; the real one is in `tests/cluster`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tiphys_engine::modes::{Mode, replacement};
use tiphys_engine::plan::{Checked, Draft, Existed, Live, Plan, Tracking};
use tiphys_engine::{Inventory, InventoryEntry, LiveObject};
use tiphys_manifest::{Manifest, ObjectId, Origin};

type Path = Vec<String>;
type Manager = (String, &'static str);

#[derive(Clone, Default)]
pub struct Server {
    pub objects: BTreeMap<ObjectId, Stored>,
    pub unknown: BTreeSet<ObjectId>,
    uids: u64,
}

#[derive(Clone)]
pub struct Stored {
    object: Value,
    owners: BTreeMap<Manager, BTreeSet<Path>>,
    uid: u64,
    version: u64,
}

const IDENTITY: [&[&str]; 4] =
    [&["apiVersion"], &["kind"], &["metadata", "name"], &["metadata", "namespace"]];

impl Server {
    /// What the object would become.
    pub fn predict(&self, manifest: &Value, manager: Manager) -> (Value, Existed) {
        let mut copy = self.clone();
        let existed = if copy.objects.contains_key(&id_of(manifest)) { Existed::Yes } else { Existed::No };
        copy.apply(manifest, manager);
        (copy.objects[&id_of(manifest)].value(), existed)
    }

    fn predict_replaced(&self, manifest: &Value) -> (Value, Existed) {
        let mut copy = self.clone();
        let existed = if copy.objects.contains_key(&id_of(manifest)) { Existed::Yes } else { Existed::No };
        (copy.replace(manifest), existed)
    }

    /// Replaces the whole object, or creates it.
    fn replace(&mut self, manifest: &Value) -> Value {
        let Some(stored) = self.objects.get_mut(&id_of(manifest)) else {
            return self.apply(manifest, updater());
        };
        let new = Value::Object(replacement(manifest.as_object().unwrap(), &stored.value()));
        let mut wanted = BTreeSet::new();
        leaves(&new, &mut Vec::new(), &mut wanted);
        wanted.retain(|path| !IDENTITY.iter().any(|it| path == it));
        wanted.retain(|path| path.last().is_none_or(|it| it != "resourceVersion" && it != "uid"));
        let changed: BTreeSet<_> =
            wanted.iter().filter(|path| get(&stored.object, path) != get(&new, path)).cloned().collect();
        for owned in stored.owners.values_mut() {
            owned.retain(|path| wanted.contains(path) && !changed.contains(path));
        }
        stored.owners.entry(updater()).or_default().extend(changed);
        stored.owners.retain(|_, owned| !owned.is_empty());
        stored.object = new;
        stored.version += 1;
        stored.value()
    }

    /// Server-side apply (or a create, for managers that are not appliers).
    pub fn apply(&mut self, manifest: &Value, manager: Manager) -> Value {
        let id = id_of(manifest);
        let next_uid = self.uids + 1;
        let stored = self.objects.entry(id).or_insert_with(|| Stored {
            object: json!({}),
            owners: BTreeMap::new(),
            uid: next_uid,
            version: 0,
        });
        self.uids = self.uids.max(stored.uid);
        let mut wanted = BTreeSet::new();
        leaves(manifest, &mut Vec::new(), &mut wanted);
        wanted.retain(|path| !IDENTITY.iter().any(|it| path == it));
        let before = stored.owners.remove(&manager).unwrap_or_default();
        for path in before.difference(&wanted) {
            if !stored.owners.values().any(|owned| owned.contains(path)) {
                remove(&mut stored.object, path);
            }
        }
        for path in &wanted {
            let new = get(manifest, path);
            if get(&stored.object, path) != new {
                stored.owners.values_mut().for_each(|owned| {
                    owned.remove(path);
                });
            }
        }
        merge(&mut stored.object, manifest);
        stored.owners.insert(manager, wanted);
        stored.owners.retain(|_, owned| !owned.is_empty());
        stored.version += 1;
        stored.value()
    }

    /// Somebody sets one field by other means than server-side apply; null removes it.
    pub fn update(&mut self, id: &ObjectId, manager: &str, path: &[&str], value: Value) {
        let stored = self.objects.get_mut(id).unwrap();
        let path: Path = path.iter().map(ToString::to_string).collect();
        stored.version += 1;
        if get(&stored.object, &path) == Some(&value) {
            return;
        }
        stored.owners.values_mut().for_each(|owned| {
            owned.remove(&path);
        });
        if value.is_null() {
            remove(&mut stored.object, &path);
            return;
        }
        set(&mut stored.object, &path, value);
        let owner = (manager.to_owned(), "Update");
        stored.owners.entry(owner).or_default().insert(path);
    }

    /// Admission sets one field of a request of somebody else; nobody becomes its owner.
    pub fn mutate(&mut self, id: &ObjectId, path: &[&str], value: Value) {
        let stored = self.objects.get_mut(id).unwrap();
        let path: Path = path.iter().map(ToString::to_string).collect();
        stored.version += 1;
        set(&mut stored.object, &path, value);
    }

    /// Everything that carries somebody's mark, as the live cache sees it.
    pub fn live(&self, id: &ObjectId) -> Live {
        if self.unknown.contains(id) {
            return Live::Unknown;
        }
        let live = self.objects.get(id).map(|stored| LiveObject::new(&stored.value()).unwrap());
        Live::from(live.filter(|live| live.owner_label.is_some()).map(Arc::new))
    }

    /// Answers a draft's questions as a dry-run would.
    pub fn check(&self, draft: &Draft) -> BTreeMap<ObjectId, Checked> {
        draft
            .questions()
            .map(|question| {
                let manifest = Value::Object(question.manifest.object().clone());
                let (object, existed) = match question.mode {
                    Mode::Replace | Mode::ReplaceOnce => self.predict_replaced(&manifest),
                    _ => self.predict(&manifest, applier()),
                };
                let live = self.objects.get(question.id).map(Stored::value);
                let dropped = match &live {
                    Some(live) => tiphys_engine::structural::dropped_versions(live, &object),
                    None => Vec::new(),
                };
                let answer = Checked::Predicted { object, existed, live, warnings: Vec::new(), dropped };
                (question.id.clone(), answer)
            })
            .collect()
    }

    /// Runs a plan.
    pub fn run(&mut self, plan: &Plan, manifests: &[Manifest], before: &Inventory) -> Inventory {
        use tiphys_api::Action;
        let mut inventory = tiphys_engine::apply::planned_inventory(plan, before);
        for step in &plan.steps {
            if matches!(step.action, Action::Prune | Action::Recreate) {
                let removed = self.objects.remove(&step.id).expect("what is deleted exists");
                assert_eq!(step.uid, Some(removed.uid_text()));
            }
            if step.action == Action::Prune {
                inventory.forget(&step.id);
                continue;
            }
            let mut manifest = manifests[step.manifest.unwrap()].clone();
            if let Some(hook) = &step.hook {
                self.objects.remove(&step.id);
                manifest.set_annotation(tiphys_api::HOOK_RUN_ANNOTATION, &hook.mark);
            }
            let object = Value::Object(manifest.object().clone());
            match step.mode {
                Mode::Replace => drop(self.replace(&object)),
                Mode::ReplaceOnce => {
                    self.replace(&object);
                    self.objects.get_mut(&step.id).unwrap().owners.remove(&updater());
                    self.apply(&object, applier());
                }
                Mode::IfNotPresent => drop(self.apply(&object, updater())),
                _ => drop(self.apply(&object, applier())),
            }
            if step.tracking == Tracking::Owned {
                let entry = InventoryEntry {
                    version: step.version.clone(),
                    desired: step.desired.unwrap(),
                    live: step.predicted,
                };
                inventory.insert(step.id.clone(), entry);
            }
        }
        inventory
    }
}

/// As who we write what we do not apply.
fn updater() -> Manager {
    ("tiphys".to_owned(), "Update")
}

pub fn applier() -> Manager {
    ("tiphys".to_owned(), "Apply")
}

pub fn manifest(object: &Value) -> Manifest {
    Manifest::from_value(object.clone(), Origin::new("a.yaml", 1)).unwrap()
}

pub fn id_of(object: &Value) -> ObjectId {
    manifest(object).id()
}

impl Stored {
    fn uid_text(&self) -> String {
        format!("uid-{}", self.uid)
    }

    pub fn set_metadata(&mut self, field: &str, value: Value) {
        self.object["metadata"][field] = value;
    }

    pub fn value(&self) -> Value {
        let mut object = self.object.clone();
        let entries: Vec<_> = self
            .owners
            .iter()
            .map(|((manager, operation), paths)| {
                let mut fields = json!({});
                for path in paths {
                    let path: Path = path.iter().map(|part| format!("f:{part}")).collect();
                    set(&mut fields, &path, json!({}));
                }
                json!({"manager": manager, "operation": operation, "apiVersion": object["apiVersion"],
                       "fieldsType": "FieldsV1", "fieldsV1": fields})
            })
            .collect();
        object["metadata"]["managedFields"] = entries.into();
        object["metadata"]["uid"] = self.uid_text().into();
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        object
    }
}

fn leaves(value: &Value, path: &mut Path, found: &mut BTreeSet<Path>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                path.push(name.clone());
                leaves(value, path, found);
                path.pop();
            }
        }
        _ => {
            found.insert(path.clone());
        }
    }
}

fn get<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, part| value.get(part))
}

fn set(value: &mut Value, path: &[String], new: Value) {
    match path.split_first() {
        None => *value = new,
        Some((first, rest)) => {
            if !value.is_object() {
                *value = Value::Object(Map::new());
            }
            let below = value.as_object_mut().unwrap().entry(first.clone()).or_insert(Value::Null);
            set(below, rest, new);
        }
    }
}

fn remove(value: &mut Value, path: &[String]) {
    if let Some((last, above)) = path.split_last()
        && let Some(Value::Object(fields)) = above.iter().try_fold(value, |value, part| value.get_mut(part))
    {
        fields.remove(last);
    }
}

fn merge(value: &mut Value, from: &Value) {
    match (value, from) {
        (Value::Object(fields), Value::Object(from)) => {
            for (name, new) in from {
                merge(fields.entry(name.clone()).or_insert(Value::Null), new);
            }
        }
        (value, from) => *value = from.clone(),
    }
}
