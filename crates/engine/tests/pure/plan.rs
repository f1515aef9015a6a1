use std::collections::BTreeMap;

use serde_json::{Value, json};
use tiphys_api::{IgnoreDifference, ObjectReference};
use tiphys_engine::diff::Style;
use tiphys_engine::hooks::Run;
use tiphys_engine::plan::{
    Blocked, BySchema, Checked, Creating, Detail, Draft, DraftInput, Handover, Moved, Policy, Prune,
    Recreate, Removing, Replace, Selection, compare, text as plan_text,
};
use tiphys_engine::tracking::{InstallationId, Owner};
use tiphys_engine::{Class, Inventory};
use tiphys_manifest::ObjectId;

use crate::data::{check_all, text};
use crate::order::occasion;
use crate::server::{Server, id_of, manifest};

pub fn owner(name: &str) -> Owner {
    Owner {
        installation: InstallationId("test".to_owned()),
        namespace: "apps".to_owned(),
        name: name.to_owned(),
    }
}

/// A cluster and what is known of it.
#[derive(Clone, Default)]
pub struct World {
    pub server: Server,
    pub inventory: Inventory,
}

impl World {
    pub fn draft(
        &self,
        manifests: &[Value],
        ensure: &[Value],
        ignore: &[IgnoreDifference],
        policy: Policy,
    ) -> Draft {
        Draft::new(DraftInput {
            owner: &owner("web"),
            manifests: manifests.iter().map(manifest).collect(),
            ensure: ensure.iter().map(manifest).collect(),
            ignore,
            live: &|id| self.server.live(id),
            inventory: &self.inventory,
            policy,
        })
    }

    /// Plans and runs.
    pub fn sync(&mut self, manifests: &[Value], policy: Policy) -> tiphys_engine::plan::Plan {
        let draft = self.draft(manifests, &[], &[], policy);
        let plan = draft.finish(&self.server.check(&draft));
        self.inventory = self.server.run(&plan, draft.manifests(), &self.inventory);
        plan
    }
}

/// A file says what was `applied` by an earlier Sync, what exists beside it, what happened to it, and what is to be
/// planned. It expects the `plan` as text, what was `asked` of the API server, and why the plan is `blocked`.
#[test]
fn plans_are_as_their_files_say() {
    check_all("plan", |case| {
        let world = world(case);
        let draft = world.draft(
            list(case, "manifests"),
            list(case, "ensure"),
            &serde_json::from_value::<Vec<_>>(case.get("ignore").cloned().unwrap_or(json!([]))).unwrap(),
            policy(case),
        );
        let draft = see(&world, draft);
        let asked: Vec<_> = draft.questions().map(|question| question.id.to_string()).collect();
        let mut answers = world.server.check(&draft);
        answers.extend(given_answers(case));
        let plan = draft.finish(&answers);
        let detail = if case.get("diffs").is_some() { Detail::Diffs } else { Detail::Table };
        let found = plan_text(&plan, Style::Plain, detail).replace(&plan.digest, "DIGEST");
        let expected = text(case, "plan");
        if found.trim_end() != expected.trim_end() {
            return Err(format!("expected\n{expected}\nfound\n{found}"));
        }
        let expected: Vec<_> = list(case, "asked").iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        if case.get("asked").is_some() && asked != expected {
            return Err(format!("expected to ask about {expected:?}, asked about {asked:?}"));
        }
        let blocked = match plan.may_run(None) {
            Ok(()) => "",
            Err(Blocked::Refused(_)) => "Refused",
            Err(Blocked::Unconfirmed { .. }) => {
                assert_eq!(plan.may_run(Some(plan.digest.as_str())), Ok(()));
                assert!(plan.may_run(Some("another")).is_err());
                "Unconfirmed"
            }
        };
        if blocked != text(case, "blocked") {
            return Err(format!("expected to be blocked by {:?}, was {blocked:?}", text(case, "blocked")));
        }
        let in_sync = case.get("inSync").and_then(Value::as_bool);
        if in_sync.is_some_and(|expected| expected != plan.is_in_sync()) {
            return Err(format!("expected in sync {in_sync:?}"));
        }
        Ok(())
    });
}

pub fn world(case: &Value) -> World {
    let mut world = World::default();
    for object in list(case, "existing") {
        let object = object.clone();
        world.server.apply(&object, ("kubectl-create".to_owned(), "Update"));
    }
    if case.get("applied").is_some() {
        let draft = world.draft(list(case, "applied"), &[], &[], Policy::default());
        let plan = draft.finish(&world.server.check(&draft));
        world.inventory = world.server.run(&plan, draft.manifests(), &Inventory::default());
    }
    for edit in list(case, "edits") {
        happen(&mut world, edit);
    }
    world
}

/// Tells the draft of what exists without our mark.
fn see(world: &World, mut draft: Draft) -> Draft {
    let unseen: Vec<_> = draft.unseen().map(|(id, _)| id.clone()).collect();
    for id in unseen {
        if let Some(stored) = world.server.objects.get(&id) {
            draft.see(&id, &stored.value());
        }
    }
    draft
}

fn happen(world: &mut World, edit: &Value) {
    let id: ObjectId = text(edit, "id").parse().unwrap();
    let label = |owner: Owner| json!({tiphys_api::APPLICATION_LABEL: owner.label_value()});
    match text(edit, "what") {
        "deleted" => {
            world.server.objects.remove(&id);
        }
        "deleting" => {
            let stored = world.server.objects.get_mut(&id).unwrap();
            stored.set_metadata("deletionTimestamp", "2026-01-01T00:00:00Z".into());
        }
        "unmarked" => world.server.objects.get_mut(&id).unwrap().set_metadata("labels", json!({})),
        "taken" => {
            let other = owner("other");
            let stored = world.server.objects.get_mut(&id).unwrap();
            stored.set_metadata("annotations", json!({tiphys_api::OWNER_ANNOTATION: other.annotation()}));
            stored.set_metadata("labels", label(other));
        }
        "unknown" => {
            world.server.unknown.insert(id);
        }
        "applied" => {
            world.server.apply(&edit["object"], (text(edit, "manager").to_owned(), "Apply"));
        }
        "set" => {
            let path: Vec<_> = list(edit, "path").iter().map(|part| part.as_str().unwrap()).collect();
            world.server.update(
                &id,
                text(edit, "manager"),
                &path,
                edit.get("value").cloned().unwrap_or_default(),
            );
        }
        "mutated" => {
            let path: Vec<_> = list(edit, "path").iter().map(|part| part.as_str().unwrap()).collect();
            world.server.mutate(&id, &path, edit["value"].clone());
        }
        other => panic!("nothing is called {other:?}"),
    }
}

fn policy(case: &Value) -> Policy {
    let is = |field: &str| case.get(field).and_then(Value::as_bool) == Some(true);
    let only: Vec<ObjectReference> = list(case, "only")
        .iter()
        .map(|reference| serde_json::from_value(reference.clone()).unwrap())
        .collect();
    Policy {
        prune: if is("prune") { Prune::Enabled } else { Prune::Disabled },
        recreate: if is("recreate") { Recreate::All } else { Recreate::Annotated },
        replace: if is("replace") { Replace::All } else { Replace::Annotated },
        selection: if only.is_empty() { Selection::All } else { Selection::Only(only) },
        done: list(case, "done").iter().map(|id| id.as_str().unwrap().parse().unwrap()).collect(),
        hooks: case.get("occasion").map(|_| Run { occasion: occasion(case).unwrap(), id: "this".to_owned() }),
        stage: None,
        left_alone: BTreeMap::new(),
        removing: if is("withApplication") { Removing::WithApplication } else { Removing::LeftRendering },
        keep: named(case, "keep"),
        handover: Handover { wanted: named(case, "wanted"), released: named(case, "released") },
        limits: case.get("limits").map(|it| serde_json::from_value(it.clone()).unwrap()).unwrap_or_default(),
        moved: case
            .get("moved")
            .map(|it| Moved { from: text(it, "from").to_owned(), to: text(it, "to").to_owned() }),
    }
}

/// Objects and a text about each.
fn named(case: &Value, field: &str) -> BTreeMap<ObjectId, String> {
    let entries = case.get(field).and_then(Value::as_object).into_iter().flatten();
    entries.map(|(id, text)| (id.parse().unwrap(), text.as_str().unwrap().to_owned())).collect()
}

fn given_answers(case: &Value) -> BTreeMap<ObjectId, Checked> {
    let Some(Value::Object(answers)) = case.get("answers") else {
        return BTreeMap::new();
    };
    answers
        .iter()
        .map(|(id, answer)| {
            let message = text(answer, "message").to_owned();
            let answer = match text(answer, "what") {
                "refused" => Checked::Refused { class: Class::Invalid, message },
                "bySchema" => Checked::BySchema(BySchema {
                    unverified: (!message.is_empty()).then_some(message),
                    ..BySchema::default()
                }),
                "immutable" => Checked::Immutable {
                    message,
                    live: answer.get("live").cloned(),
                    creating: match text(answer, "creating") {
                        "accepted" => Creating::Accepted,
                        "" => Creating::NotAsked,
                        refused => Creating::Refused { message: refused.to_owned() },
                    },
                },
                "unverifiable" => Checked::Unverifiable { why: message },
                "noObjects" => Checked::NoObjects,
                other => panic!("nothing is called {other:?}"),
            };
            (id.parse().unwrap(), answer)
        })
        .collect()
}

pub fn list<'a>(case: &'a Value, field: &str) -> &'a [Value] {
    case.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[test]
fn an_object_that_nobody_was_asked_about_is_refused() {
    let world = World::default();
    let config =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "web"}});
    let plan =
        world.draft(std::slice::from_ref(&config), &[], &[], Policy::default()).finish(&BTreeMap::new());
    assert_eq!(plan.refusals.len(), 1);
    assert!(plan.refusals[0].class.is_transient());
    assert_eq!(plan.refusals[0].id, id_of(&config));
}

#[test]
fn what_the_same_plan_brings_is_said_with_the_question() {
    let world = World::default();
    let manifests = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}}),
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
               "metadata": {"name": "things.example.com"},
               "spec": {"group": "example.com", "names": {"kind": "Thing"}}}),
        json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a", "namespace": "web"}}),
        json!({"apiVersion": "example.com/v1", "kind": "Other", "metadata": {"name": "a", "namespace": "shop"}}),
    ];
    let draft = world.draft(&manifests, &[], &[], Policy::default());
    let surroundings: BTreeMap<_, _> = draft
        .questions()
        .map(|question| {
            let it = question.surroundings;
            (question.id.kind.clone(), (it.namespace, it.definition))
        })
        .collect();
    assert_eq!(surroundings["Thing"], (true, true));
    assert_eq!(surroundings["Other"], (false, false));
    assert_eq!(surroundings["Namespace"], (false, false));
}

#[test]
fn a_changed_manifest_or_live_object_makes_another_plan() {
    let mut world = World::default();
    let config = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "web"}, "data": {"k": value}});
    let digest = |world: &World, object: &Value| {
        let draft = world.draft(std::slice::from_ref(object), &[], &[], Policy::default());
        draft.finish(&world.server.check(&draft)).digest
    };
    world.sync(&[config("1")], Policy::default());
    let planned = digest(&world, &config("2"));
    assert_eq!(planned, digest(&world, &config("2")), "the same plan has the same name");
    assert_ne!(planned, digest(&world, &config("3")), "another rendering");
    world.server.apply(
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "web"},
        "data": {"k": "edited"}}),
        ("someone".to_owned(), "Apply"),
    );
    assert_ne!(planned, digest(&world, &config("2")), "another live object");
}

#[test]
fn what_became_of_a_plan_is_said_object_by_object() {
    let mut world = World::default();
    let config = |name: &str, value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "web"}, "data": {"k": value}});
    world.sync(&[config("a", "1"), config("b", "1")], Policy::default());
    let plan = |world: &World, objects: &[Value]| {
        let draft = world.draft(objects, &[], &[], Policy { prune: Prune::Enabled, ..Policy::default() });
        draft.finish(&world.server.check(&draft))
    };
    let before = plan(&world, &[config("a", "2"), config("c", "1")]);
    assert_eq!(compare(&before, &before), []);
    world.server.update(&id_of(&config("a", "")), "someone", &["data", "k"], "edited".into());
    let after = plan(&world, &[config("a", "2"), config("b", "1"), config("d", "1")]);
    let changes: Vec<_> = compare(&before, &after).iter().map(ToString::to_string).collect();
    assert_eq!(
        changes,
        [
            "ConfigMap web/a: data.k was to change from \"1\" to \"2\", now from \"edited\" to \"2\"",
            "ConfigMap web/b: was to be pruned; now nothing is done with it",
            "ConfigMap web/c: was to be created; now nothing is done with it",
            "ConfigMap web/d: is to be created, which was not planned",
        ]
    );
}

#[test]
fn a_secret_that_somebody_changed_makes_another_plan() {
    let mut world = World::default();
    let secret = |value: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "web"}, "data": {"k": value}});
    world.sync(&[secret("MQ==")], Policy::default());
    let digest = |world: &World| {
        let draft = world.draft(&[secret("Mw==")], &[], &[], Policy::default());
        draft.finish(&world.server.check(&draft)).digest
    };
    let planned = digest(&world);
    assert_eq!(planned, digest(&world));
    world.server.update(&id_of(&secret("")), "someone", &["data", "k"], "Mg==".into());
    assert_ne!(planned, digest(&world));
}

#[test]
fn a_drawn_name_of_a_hook_does_not_make_another_plan() {
    let hook = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": "check-", "namespace": "web",
        "annotations": {tiphys_api::HOOK_ANNOTATION: "PreSync"}}});
    let digest = |run: &str| {
        let named = tiphys_engine::hooks::name_all(vec![manifest(&hook)], run);
        let manifests: Vec<_> = named.iter().map(|it| Value::Object(it.object().clone())).collect();
        let world = World::default();
        let hooks = Some(Run { occasion: tiphys_engine::order::Occasion::Install, id: run.to_owned() });
        let draft = world.draft(&manifests, &[], &[], Policy { hooks, ..Policy::default() });
        let plan = draft.finish(&world.server.check(&draft));
        assert_eq!(plan.steps.len(), 1);
        plan.digest
    };
    assert_eq!(digest("one"), digest("two"));
}

#[test]
fn ignored_fields_of_an_object_that_is_adopted_are_left_alone() {
    let mut world = World::default();
    let config = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "web"}, "data": {"k": value}});
    world.server.apply(&config("theirs"), ("someone".to_owned(), "Apply"));
    let rules = [IgnoreDifference {
        kind: "ConfigMap".to_owned(),
        json_pointers: vec!["/data/k".to_owned()],
        ..IgnoreDifference::default()
    }];
    let id = id_of(&config(""));
    let mut draft = world.draft(&[config("ours")], &[], &rules, Policy::default());
    assert_eq!(draft.unseen().map(|(id, _)| id.clone()).collect::<Vec<_>>(), std::slice::from_ref(&id));
    draft.see(&id, &world.server.objects[&id].value());
    let plan = draft.finish(&world.server.check(&draft));
    let paths: Vec<_> = plan.steps[0].diff.fields.iter().map(|field| field.path.as_str()).collect();
    assert_eq!(paths, ["metadata.annotations", "metadata.labels"]);
    world.server.run(&plan, draft.manifests(), &Inventory::default());
    assert_eq!(world.server.objects[&id].value()["data"]["k"], "theirs");
}
