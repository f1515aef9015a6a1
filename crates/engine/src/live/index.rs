//! The live objects as plain data: what watches and our own writes told, in any order. No I/O, nothing async.
//!
//! Two sources tell of the same object: the watch of its kind, and the answer to our own write, which is often
//! earlier. Resource versions say which is newer (they are numbers that grow within a kind; Kubernetes promises
//! this since 1.35 and has always done it). A watch tells everything in order, so
//!
//! * what an answer says counts only if it is newer than everything that the watch has told (otherwise the watch
//!   has told it, or a later deletion, already), or says better what is known of the same version;
//! * what a watch says counts only if it is not older than what an answer said before.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tiphys_manifest::{GroupVersionKind, ObjectId};

use crate::live_object::LiveObject;

/// What happened to a live object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is there now, and was not.
    Added,
    /// It is not as it was.
    Modified,
    /// It is gone, or no longer carries the owner's mark.
    Removed,
}

/// A change of a live object, told to the owner whose mark it carries or carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveEvent {
    /// Value of the tracking label.
    pub owner_label: String,
    /// Which object.
    pub id: ObjectId,
    /// What happened to it.
    pub change: Change,
}

/// All live objects that carry a tracking label.
#[derive(Default)]
pub(crate) struct Index {
    kinds: HashMap<GroupVersionKind, KindIndex>,
    owners: HashMap<String, BTreeMap<ObjectId, Vec<Arc<LiveObject>>>>,
}

#[derive(Default)]
struct KindIndex {
    objects: HashMap<ObjectId, Arc<LiveObject>>,
    /// The watch has told everything up to here.
    told: u64,
    listing: Option<Listing>,
}

/// What a list that is under way has named so far.
#[derive(Default)]
struct Listing {
    named: HashSet<ObjectId>,
    /// Objects of which something newer is known, as the list has them.
    outdated: Vec<LiveObject>,
}

impl Index {
    /// A list of a kind begins.
    pub(crate) fn list_started(&mut self, gvk: &GroupVersionKind) {
        self.kind(gvk).listing = Some(Listing::default());
    }

    /// Whether the index already has this version of an object; then the object need not be read at all.
    ///
    /// While a list is under way the object counts as named by it.
    pub(crate) fn already_has(&mut self, gvk: &GroupVersionKind, id: &ObjectId, version: &str) -> bool {
        let kind = self.kind(gvk);
        let known = kind.objects.get(id).is_some_and(|object| object.resource_version == version);
        if known && let Some(listing) = &mut kind.listing {
            listing.named.insert(id.clone());
        }
        known
    }

    /// The watch, or its list, says that an object is like this.
    pub(crate) fn applied(&mut self, object: LiveObject) -> Vec<LiveEvent> {
        let kind = self.kind(&object.gvk);
        let version = number(&object.resource_version);
        let known = kind.objects.get(&object.id).map(|known| number(&known.resource_version));
        match &mut kind.listing {
            Some(listing) => {
                listing.named.insert(object.id.clone());
                if known > Some(version) {
                    listing.outdated.push(object);
                    return Vec::new();
                }
            }
            None => kind.told = kind.told.max(version),
        }
        if known >= Some(version) { Vec::new() } else { self.put(object) }
    }

    /// The watch says that an object of this version is gone.
    pub(crate) fn deleted(&mut self, gvk: &GroupVersionKind, id: &ObjectId, version: &str) -> Vec<LiveEvent> {
        let kind = self.kind(gvk);
        kind.told = kind.told.max(number(version));
        let newer =
            kind.objects.get(id).is_some_and(|known| number(&known.resource_version) > number(version));
        if newer { Vec::new() } else { self.take(gvk, id) }
    }

    /// The watch has told everything up to this version.
    pub(crate) fn progress(&mut self, gvk: &GroupVersionKind, version: &str) {
        let kind = self.kind(gvk);
        kind.told = kind.told.max(number(version));
    }

    /// The list is complete: what it did not name is gone, unless it was written after it.
    pub(crate) fn list_done(&mut self, gvk: &GroupVersionKind, version: &str) -> Vec<LiveEvent> {
        let listed_at = number(version);
        let kind = self.kind(gvk);
        let Some(listing) = kind.listing.take() else {
            return Vec::new();
        };
        // An older list than what was told before: the cluster was restored from a backup. The list is true.
        let restored = listed_at < kind.told;
        kind.told = listed_at;
        let gone = |object: &&Arc<LiveObject>| {
            !listing.named.contains(&object.id) && (restored || number(&object.resource_version) <= listed_at)
        };
        let gone: Vec<_> = kind.objects.values().filter(gone).map(|object| object.id.clone()).collect();
        let mut events: Vec<_> = gone.iter().flat_map(|id| self.take(gvk, id)).collect();
        if restored {
            events.extend(listing.outdated.into_iter().flat_map(|object| self.put(object)));
        }
        events
    }

    /// The answer to our own write says that an object is like this.
    pub(crate) fn observed(&mut self, object: LiveObject) -> Vec<LiveEvent> {
        let kind = self.kind(&object.gvk);
        let version = number(&object.resource_version);
        let known = kind.objects.get(&object.id);
        // The same version may have come from a watch that still read with an older schema of the kind.
        let same = known.filter(|known| known.resource_version == object.resource_version);
        if let Some(same) = same {
            let tells_nothing = same.projection == object.projection;
            let events = self.put(object);
            return if tells_nothing { Vec::new() } else { events };
        }
        let known = known.map_or(0, |known| number(&known.resource_version));
        if version <= known.max(kind.told) { Vec::new() } else { self.put(object) }
    }

    /// The health of an object was told anew; what is known of it otherwise stays.
    pub(crate) fn reassessed(&mut self, object: LiveObject) -> Vec<LiveEvent> {
        let known = self.kind(&object.gvk).objects.get(&object.id);
        let same = known.is_some_and(|known| known.resource_version == object.resource_version);
        if same { self.put(object) } else { Vec::new() }
    }

    /// All objects of the kinds that fulfil a condition.
    pub(crate) fn of_kinds(&self, condition: impl Fn(&GroupVersionKind) -> bool) -> Vec<Arc<LiveObject>> {
        let kinds = self.kinds.iter().filter(|(gvk, _)| condition(gvk));
        kinds.flat_map(|(_, kind)| kind.objects.values().cloned()).collect()
    }

    /// The kind is not served any more, or nobody needs it: all its objects are out of sight.
    pub(crate) fn forget(&mut self, gvk: &GroupVersionKind) -> Vec<LiveEvent> {
        let Some(kind) = self.kinds.get(gvk) else {
            return Vec::new();
        };
        let ids: Vec<_> = kind.objects.keys().cloned().collect();
        let events = ids.iter().flat_map(|id| self.take(gvk, id)).collect();
        self.kinds.remove(gvk);
        events
    }

    /// An object at the version of its API that is asked for.
    pub(crate) fn get_at(&self, gvk: &GroupVersionKind, id: &ObjectId) -> Option<Arc<LiveObject>> {
        self.kinds.get(gvk)?.objects.get(id).cloned()
    }

    /// An object, at whichever version of its API is watched; at the one that we apply, if several are.
    pub(crate) fn get(&self, id: &ObjectId) -> Option<Arc<LiveObject>> {
        let same_kind = |gvk: &GroupVersionKind| gvk.group == id.group && gvk.kind == id.kind;
        let versions = self.kinds.iter().filter(|(gvk, _)| same_kind(gvk));
        best(versions.filter_map(|(_, kind)| kind.objects.get(id))).cloned()
    }

    /// All objects with this tracking label, sorted, each once.
    pub(crate) fn by_owner(&self, label: &str) -> Vec<Arc<LiveObject>> {
        let objects = self.owners.get(label).into_iter().flat_map(BTreeMap::values);
        objects.filter_map(|versions| best(versions).cloned()).collect()
    }

    /// Whether some object is in a namespace.
    pub(crate) fn has_namespace(&self, namespace: &str) -> bool {
        let mut objects = self.kinds.values().flat_map(|kind| kind.objects.keys());
        objects.any(|id| id.namespace.as_deref() == Some(namespace))
    }

    /// How many objects are held.
    pub(crate) fn len(&self) -> usize {
        self.kinds.values().map(|kind| kind.objects.len()).sum()
    }

    fn kind(&mut self, gvk: &GroupVersionKind) -> &mut KindIndex {
        self.kinds.entry(gvk.clone()).or_default()
    }

    fn put(&mut self, object: LiveObject) -> Vec<LiveEvent> {
        let object = Arc::new(object);
        let before = self.kind(&object.gvk).objects.insert(object.id.clone(), Arc::clone(&object));
        if let Some(before) = &before {
            self.disown(before);
        }
        self.own(&object);
        let same_owner = before.as_ref().is_some_and(|before| before.owner_label == object.owner_label);
        let change = if same_owner { Change::Modified } else { Change::Added };
        let lost = before.filter(|_| !same_owner).and_then(|before| event(&before, Change::Removed));
        lost.into_iter().chain(event(&object, change)).collect()
    }

    fn take(&mut self, gvk: &GroupVersionKind, id: &ObjectId) -> Vec<LiveEvent> {
        let Some(object) = self.kind(gvk).objects.remove(id) else {
            return Vec::new();
        };
        self.disown(&object);
        event(&object, Change::Removed).into_iter().collect()
    }

    fn own(&mut self, object: &Arc<LiveObject>) {
        if let Some(label) = &object.owner_label {
            let owned = self.owners.entry(label.clone()).or_default();
            owned.entry(object.id.clone()).or_default().push(Arc::clone(object));
        }
    }

    fn disown(&mut self, object: &LiveObject) {
        let Some(label) = &object.owner_label else { return };
        let Some(owned) = self.owners.get_mut(label) else {
            return;
        };
        if let Some(versions) = owned.get_mut(&object.id) {
            versions.retain(|other| other.gvk != object.gvk);
            if versions.is_empty() {
                owned.remove(&object.id);
            }
        }
        if owned.is_empty() {
            self.owners.remove(label);
        }
    }
}

/// Of one object at several versions of its API, the one at which we apply it: only there our fields are found.
fn best<'a>(versions: impl IntoIterator<Item = &'a Arc<LiveObject>>) -> Option<&'a Arc<LiveObject>> {
    versions
        .into_iter()
        .max_by_key(|object| (object.projection.is_some(), number(&object.resource_version), &object.gvk))
}

fn event(object: &LiveObject, change: Change) -> Option<LiveEvent> {
    Some(LiveEvent { owner_label: object.owner_label.clone()?, id: object.id.clone(), change })
}

/// A version as a number; what is none counts as the oldest.
fn number(version: &str) -> u64 {
    version.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tiphys_api::APPLICATION_LABEL;

    use super::*;

    fn config_map(name: &str, version: u64, owner: &str) -> LiveObject {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": name, "namespace": "web", "uid": format!("uid-{name}"),
                "resourceVersion": version.to_string(), "labels": {APPLICATION_LABEL: owner},
            },
        });
        LiveObject::new(&object).unwrap()
    }

    fn gvk() -> GroupVersionKind {
        GroupVersionKind::new("", "v1", "ConfigMap")
    }

    fn id(name: &str) -> ObjectId {
        format!("ConfigMap web/{name}").parse().unwrap()
    }

    fn text(events: &[LiveEvent]) -> String {
        let lines = events
            .iter()
            .map(|event| format!("{:?} {} of {}", event.change, event.id.name, event.owner_label));
        lines.collect::<Vec<_>>().join(", ")
    }

    fn listed(objects: &[(&str, u64)], version: u64) -> (Index, String) {
        let mut index = Index::default();
        let events = list(&mut index, objects, version);
        (index, events)
    }

    fn list(index: &mut Index, objects: &[(&str, u64)], version: u64) -> String {
        index.list_started(&gvk());
        let mut events = Vec::new();
        for (name, version) in objects {
            events.extend(index.applied(config_map(name, *version, "app")));
        }
        events.extend(index.list_done(&gvk(), &version.to_string()));
        text(&events)
    }

    fn names(index: &Index) -> Vec<String> {
        index.by_owner("app").iter().map(|object| object.id.name.clone()).collect()
    }

    #[test]
    fn a_list_then_changes() {
        let (mut index, events) = listed(&[("a", 3), ("b", 5)], 7);
        assert_eq!(events, "Added a of app, Added b of app");
        assert_eq!(text(&index.applied(config_map("a", 8, "app"))), "Modified a of app");
        assert_eq!(text(&index.deleted(&gvk(), &id("b"), "9")), "Removed b of app");
        assert_eq!(names(&index), ["a"]);
        assert_eq!(index.get(&id("a")).unwrap().resource_version, "8");
        assert_eq!(index.len(), 1);
    }

    #[test]
    fn a_second_list_tells_only_what_is_different() {
        let (mut index, _) = listed(&[("a", 3), ("b", 5)], 7);
        assert_eq!(list(&mut index, &[("a", 3), ("c", 9)], 10), "Added c of app, Removed b of app");
        index.list_started(&gvk());
        assert!(index.already_has(&gvk(), &id("a"), "3"));
        assert!(!index.already_has(&gvk(), &id("c"), "11"));
        assert_eq!(text(&index.list_done(&gvk(), "12")), "Removed c of app");
    }

    #[test]
    fn our_own_answer_comes_first_and_the_watch_repeats_it() {
        let (mut index, _) = listed(&[("a", 3)], 7);
        assert_eq!(text(&index.observed(config_map("a", 9, "app"))), "Modified a of app");
        assert_eq!(text(&index.applied(config_map("a", 8, "app"))), "", "older than the answer");
        assert_eq!(text(&index.applied(config_map("a", 9, "app"))), "", "the same as the answer");
        assert_eq!(text(&index.applied(config_map("a", 10, "app"))), "Modified a of app");
    }

    #[test]
    fn an_answer_knows_better_what_a_watch_told_of_the_same_version() {
        let (mut index, _) = listed(&[("a", 3)], 7);
        let mut object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": "a", "namespace": "web", "uid": "uid-a", "resourceVersion": "9",
                "labels": {APPLICATION_LABEL: "app"},
                "managedFields": [{"manager": "tiphys", "operation": "Apply", "fieldsV1": {"f:data": {"f:x": {}}}}],
            },
        });
        assert_eq!(text(&index.applied(LiveObject::new(&object).unwrap())), "Modified a of app");
        assert_eq!(text(&index.observed(LiveObject::new(&object).unwrap())), "");
        object["data"] = json!({"x": "new field"});
        assert_eq!(text(&index.observed(LiveObject::new(&object).unwrap())), "Modified a of app");
        assert_eq!(index.get(&id("a")).unwrap().object().unwrap()["data"]["x"], "new field");
    }

    #[test]
    fn a_late_answer_does_not_bring_back_what_is_gone() {
        let (mut index, _) = listed(&[("a", 3)], 7);
        index.deleted(&gvk(), &id("a"), "12");
        assert_eq!(text(&index.observed(config_map("a", 11, "app"))), "");
        assert_eq!(names(&index), Vec::<String>::new());
        index.progress(&gvk(), "20");
        assert_eq!(text(&index.observed(config_map("a", 15, "app"))), "");
        assert_eq!(text(&index.observed(config_map("a", 21, "app"))), "Added a of app");
    }

    #[test]
    fn a_deletion_does_not_take_what_was_created_after_it() {
        let (mut index, _) = listed(&[("a", 3)], 7);
        index.observed(config_map("a", 14, "app"));
        assert_eq!(text(&index.deleted(&gvk(), &id("a"), "12")), "");
        assert_eq!(names(&index), ["a"]);
    }

    #[test]
    fn a_list_does_not_take_what_was_written_after_it() {
        let (mut index, _) = listed(&[("a", 3)], 7);
        index.observed(config_map("b", 14, "app"));
        assert_eq!(list(&mut index, &[("a", 3)], 12), "");
        assert_eq!(names(&index), ["a", "b"]);
        assert_eq!(list(&mut index, &[("a", 3)], 15), "Removed b of app");
    }

    #[test]
    fn after_a_restore_the_list_is_true() {
        let (mut index, _) = listed(&[("a", 300), ("b", 500)], 700);
        assert_eq!(list(&mut index, &[("b", 50)], 90), "Removed a of app, Modified b of app");
        assert_eq!(index.get(&id("b")).unwrap().resource_version, "50");
    }

    #[test]
    fn an_object_that_changes_hands_is_told_to_both() {
        let (mut index, _) = listed(&[("a", 3)], 7);
        let events = text(&index.applied(config_map("a", 8, "other")));
        assert_eq!(events, "Removed a of app, Added a of other");
        assert_eq!(names(&index), Vec::<String>::new());
        assert_eq!(index.by_owner("other").len(), 1);
    }

    #[test]
    fn forgetting_a_kind_tells_of_every_object() {
        let (mut index, _) = listed(&[("a", 3)], 7);
        assert_eq!(text(&index.forget(&gvk())), "Removed a of app");
        assert_eq!(index.len(), 0);
        assert_eq!(text(&index.forget(&gvk())), "");
    }
}
