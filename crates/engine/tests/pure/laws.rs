//! What holds whatever the objects are.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use tiphys_api::Action;
use tiphys_engine::fields::ProjectionHash;
use tiphys_engine::plan::{Policy, Prune};
use tiphys_manifest::ObjectId;

use crate::plan::World;
use crate::server::id_of;

const KINDS: [(&str, &str); 6] = [
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("apps/v1", "Deployment"),
    ("batch/v1", "Job"),
    ("example.com/v1", "Thing"),
];

fn object() -> impl Strategy<Value = Value> {
    let values = proptest::collection::btree_map("[a-e]", "[a-c]", 0..4);
    (0..KINDS.len(), "[a-d]", values).prop_map(|(kind, name, values)| {
        let (version, kind) = KINDS[kind];
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "web"}, "data": values})
    })
}

/// Objects of which none comes twice.
fn rendering() -> impl Strategy<Value = Vec<Value>> {
    proptest::collection::vec(object(), 0..10).prop_map(|mut objects| {
        let mut seen = BTreeSet::new();
        objects.retain(|object| seen.insert(id_of(object)));
        objects
    })
}

fn prune() -> Policy {
    Policy { prune: Prune::Enabled, ..Policy::default() }
}

fn questions(world: &World, objects: &[Value]) -> usize {
    world.draft(objects, &[], &[], prune()).questions().count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn applied_state_needs_no_plan_and_no_question(first in rendering(), second in rendering()) {
        let mut world = World::default();
        for objects in [&first, &second] {
            world.sync(objects, prune());
            prop_assert_eq!(questions(&world, objects), 0);
            let again = world.sync(objects, prune());
            prop_assert!(again.is_empty() && again.is_in_sync(), "{again:?}");
            prop_assert_eq!(again.unchanged.len(), objects.len());
            let live: BTreeSet<_> = world.server.objects.keys().cloned().collect();
            prop_assert_eq!(live, objects.iter().map(id_of).collect::<BTreeSet<_>>());
        }
    }

    #[test]
    fn fields_of_others_change_nothing(objects in rendering(), writes in proptest::collection::vec((any::<prop::sample::Index>(), "[v-z]", "[a-c]"), 1..6)) {
        let mut world = World::default();
        world.sync(&objects, prune());
        let ids: Vec<_> = world.server.objects.keys().cloned().collect();
        prop_assume!(!ids.is_empty());
        for (index, field, value) in writes {
            let id = index.get(&ids);
            let before = ProjectionHash::of(&world.server.objects[id].value(), "tiphys");
            world.server.update(id, "someone", &["data", &field], value.into());
            let after = ProjectionHash::of(&world.server.objects[id].value(), "tiphys");
            prop_assert_eq!(before, after);
        }
        prop_assert_eq!(questions(&world, &objects), 0);
    }

    #[test]
    fn every_drift_is_seen_and_put_right(objects in rendering(), which in any::<prop::sample::Index>(), value in prop_oneof![Just(Value::Null), Just(json!("drifted"))]) {
        let mut world = World::default();
        world.sync(&objects, prune());
        let owned: Vec<_> = objects
            .iter()
            .flat_map(|object| {
                let keys = object["data"].as_object().unwrap().keys().cloned();
                keys.map(|key| (id_of(object), key)).collect::<Vec<_>>()
            })
            .collect();
        prop_assume!(!owned.is_empty());
        let before: Vec<_> = world.server.objects.values().map(|it| it.value()["data"].clone()).collect();
        let (id, key) = which.get(&owned);
        world.server.update(id, "someone", &["data", key], value);
        prop_assert_eq!(questions(&world, &objects), 1);
        let plan = world.sync(&objects, prune());
        prop_assert_eq!(plan.steps.iter().map(|step| (&step.id, step.action)).collect::<Vec<_>>(), vec![(id, Action::Change)]);
        let after: Vec<_> = world.server.objects.values().map(|it| it.value()["data"].clone()).collect();
        prop_assert_eq!(before, after);
        prop_assert_eq!(questions(&world, &objects), 0);
    }

    #[test]
    fn nothing_is_pruned_that_is_not_in_the_inventory(ours in rendering(), theirs in rendering(), next in rendering()) {
        let mut world = World::default();
        world.sync(&theirs, prune());
        // They carry our mark, but no inventory knows them.
        world.inventory = tiphys_engine::Inventory::default();
        world.sync(&ours, prune());
        let inventory: BTreeSet<ObjectId> = world.inventory.iter().map(|(id, _)| id.clone()).collect();
        let rendering: BTreeSet<_> = next.iter().map(id_of).collect();
        let plan = world.sync(&next, prune());
        for step in plan.steps.iter().filter(|step| step.action == Action::Prune) {
            prop_assert!(inventory.contains(&step.id) && !rendering.contains(&step.id), "{}", step.id);
        }
        for id in theirs.iter().map(id_of).filter(|id| !inventory.contains(id)) {
            prop_assert!(world.server.objects.contains_key(&id), "{id} was deleted");
        }
    }

    #[test]
    fn the_order_is_total_and_does_not_depend_on_the_input(
        objects in rendering(), old in rendering(), seed in any::<u64>(),
    ) {
        let mut world = World::default();
        world.sync(&old, prune());
        let mut shuffled = objects.clone();
        shuffled.sort_by_key(|object| tiphys_engine::Digest::of_json(&(seed, object)));
        let plan = |objects: &[Value]| {
            let draft = world.draft(objects, &[], &[], prune());
            draft.finish(&world.server.check(&draft))
        };
        let (one, other) = (plan(&objects), plan(&shuffled));
        prop_assert_eq!(&one, &other);
        prop_assert!(one.steps.is_sorted_by_key(|step| step.rank));
        let first_prune = one.steps.iter().position(|step| step.action == Action::Prune);
        let last_apply = one.steps.iter().rposition(|step| step.action != Action::Prune);
        if let (Some(prune), Some(apply)) = (first_prune, last_apply) {
            prop_assert!(apply < prune, "pruning comes after applying");
        }
    }

    #[test]
    fn secret_values_are_in_no_plan(value in "[A-Za-z0-9+/]{12,24}", other in "[A-Za-z0-9+/]{12,24}") {
        let secret = |value: &str| json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "a", "namespace": "web"}, "data": {"k": value}});
        let mut world = World::default();
        let mut plans = vec![world.sync(&[secret(&value)], prune())];
        plans.push(world.sync(&[secret(&other)], prune()));
        plans.push(world.sync(&[], prune()));
        for plan in plans {
            let shown = format!("{} {plan:?}", serde_json::to_string(&plan).unwrap());
            prop_assert!(!shown.contains(&value) && !shown.contains(&other));
        }
    }
}
