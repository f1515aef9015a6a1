//! Objects that move from one Application to another.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use tiphys_api::{Deletion, OWNER_ANNOTATION};
use tiphys_tests::eventually;

use crate::support::LONG;
use crate::support::manifests::config_map;
use crate::support::shared::stage;
use crate::support::stage::Stage;

/// Uid and owner of a ConfigMap.
async fn identity(stage: &Stage<'_>, name: &str) -> (String, String) {
    let object = stage.namespace.api::<ConfigMap>().get(name).await.expect("it is there");
    let owner = object.metadata.annotations.unwrap_or_default().remove(OWNER_ANNOTATION);
    (object.metadata.uid.unwrap_or_default(), owner.unwrap_or_default())
}

/// The Applications `one` and `two` of one repository.
async fn create_two(stage: &Stage<'_>, patch: Value) {
    for name in ["one", "two"] {
        let mut spec = json!({ "source": { "path": format!("app/{name}") } });
        crate::support::merge(&mut spec, patch.clone());
        stage.create(name, spec).await;
    }
}

async fn moves(first: &str, second: &str) {
    let stage = stage("handover").await;
    stage
        .push(&[
            ("one/stays.yaml", Some(&config_map("stays", "1"))),
            ("one/moves.yaml", Some(&config_map("moves", "1"))),
            ("two/other.yaml", Some(&config_map("other", "1"))),
        ])
        .await;
    create_two(&stage, json!({ "sync": { "auto": false } })).await;
    for name in ["one", "two"] {
        stage.request(name, &format!("{name}-begins"), json!({})).await;
        stage.succeeded(&format!("{name}-begins")).await;
    }
    let (uid, owner) = identity(&stage, "moves").await;
    assert_eq!(owner, format!("{}/one", stage.ns()));

    stage.push(&[("one/moves.yaml", None), ("two/moves.yaml", Some(&config_map("moves", "2")))]).await;
    for name in [first, second] {
        stage.request(name, &format!("{name}-moves"), json!({})).await;
        stage.succeeded(&format!("{name}-moves")).await;
    }
    assert_eq!(identity(&stage, "moves").await, (uid.clone(), format!("{}/two", stage.ns())));
    assert_eq!(stage.value("moves").await.as_deref(), Some("2"));
    // Whoever lost it does not come back to it.
    stage.request("one", "again", json!({})).await;
    stage.succeeded("again").await;
    assert_eq!(identity(&stage, "moves").await.0, uid);
    // Now it is the other one's to prune.
    stage.push(&[("two/moves.yaml", None)]).await;
    stage.request("two", "prunes", json!({})).await;
    stage.succeeded("prunes").await;
    assert_eq!(stage.value("moves").await, None);
}

#[tokio::test]
async fn an_object_moves_when_the_one_that_loses_it_is_synced_first() {
    moves("one", "two").await;
}

#[tokio::test]
async fn an_object_moves_when_the_one_that_gains_it_is_synced_first() {
    moves("two", "one").await;
}

/// While one Application takes objects over, the one that had them sees them change, and it heals.
#[tokio::test]
async fn what_is_being_taken_over_is_not_corrected_by_the_one_that_had_it() {
    const OBJECTS: usize = 60;
    let stage = stage("handover-many").await;
    let many = |value: &str| {
        let all: Vec<_> = (0..OBJECTS).map(|it| config_map(&format!("moves-{it}"), value)).collect();
        all.join("---\n")
    };
    let stays = config_map("stays", "1");
    stage
        .push(&[
            ("one/stays.yaml", Some(&stays)),
            ("one/moves.yaml", Some(&many("1"))),
            ("two/other.yaml", Some(&config_map("other", "1"))),
        ])
        .await;
    create_two(&stage, json!({ "sync": { "auto": false } })).await;
    for name in ["one", "two"] {
        stage.request(name, &format!("{name}-begins"), json!({})).await;
        stage.succeeded(&format!("{name}-begins")).await;
    }
    stage.push(&[("one/moves.yaml", None), ("two/moves.yaml", Some(&many("2")))]).await;
    stage.request("two", "takes-over", json!({})).await;
    stage.succeeded("takes-over").await;
    stage.looked_at("one").await;
    for index in 0..OBJECTS {
        let name = format!("moves-{index}");
        assert_eq!(identity(&stage, &name).await.1, format!("{}/two", stage.ns()), "{name}");
        assert_eq!(stage.value(&name).await.as_deref(), Some("2"), "{name}");
    }
    let of_one: Vec<_> = stage.syncs("one").await.iter().map(kube::ResourceExt::name_any).collect();
    assert_eq!(of_one, ["one-begins"], "it has not corrected anything");
}

#[tokio::test]
async fn t05_two_applications_swap_objects_in_one_commit() {
    let stage = stage("swap").await;
    let first = stage
        .push(&[
            ("one/a.yaml", Some(&config_map("a", "1"))),
            ("one/c.yaml", Some(&config_map("c", "1"))),
            ("two/b.yaml", Some(&config_map("b", "1"))),
            ("two/d.yaml", Some(&config_map("d", "1"))),
        ])
        .await;
    create_two(&stage, json!({})).await;
    stage.synced("one", &first).await;
    stage.synced("two", &first).await;
    let before = (identity(&stage, "a").await.0, identity(&stage, "b").await.0);
    let second = stage
        .push(&[
            ("one/a.yaml", None),
            ("two/b.yaml", None),
            ("one/b.yaml", Some(&config_map("b", "2"))),
            ("two/a.yaml", Some(&config_map("a", "2"))),
        ])
        .await;
    stage.synced("one", &second).await;
    stage.synced("two", &second).await;
    let (a, b) = (identity(&stage, "a").await, identity(&stage, "b").await);
    assert_eq!((a.0, b.0), before, "nothing was deleted");
    assert_eq!((a.1, b.1), (format!("{}/two", stage.ns()), format!("{}/one", stage.ns())));
    assert_eq!(stage.value("a").await.as_deref(), Some("2"));
    assert_eq!(stage.value("b").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn an_application_that_stays_where_it_is_keeps_its_objects() {
    let stage = stage("frozen").await;
    let first = stage.push(&[("one/a.yaml", Some(&config_map("a", "1")))]).await;
    create_two(&stage, json!({ "sync": { "auto": false } })).await;
    stage.request("one", "begins", json!({})).await;
    stage.succeeded("begins").await;
    stage.synced("one", &first).await;
    stage.change("one", json!({ "suspend": { "reason": "a freeze" } })).await;
    stage.push(&[("one/a.yaml", None), ("two/a.yaml", Some(&config_map("a", "2")))]).await;
    stage.request("two", "takes", json!({})).await;
    stage.failed("takes", &format!("{}/one", stage.ns())).await;
    assert_eq!(identity(&stage, "a").await.1, format!("{}/one", stage.ns()));
}

#[tokio::test]
async fn an_application_that_is_deleted_hands_over_what_another_one_has() {
    let stage = stage("goes").await;
    let first = stage
        .push(&[
            ("one/a.yaml", Some(&config_map("a", "1"))),
            ("one/b.yaml", Some(&config_map("b", "1"))),
            ("two/other.yaml", Some(&config_map("other", "1"))),
        ])
        .await;
    create_two(&stage, json!({ "deletion": Deletion::Prune })).await;
    stage.synced("one", &first).await;
    stage.synced("two", &first).await;
    stage.change("two", json!({ "sync": { "auto": false } })).await;
    let (uid, _) = identity(&stage, "a").await;
    stage.push(&[("two/a.yaml", Some(&config_map("a", "2")))]).await;
    stage.looked_at("two").await;
    stage.applications().delete("one", &DeleteParams::default()).await.expect("it can be deleted");
    eventually("one is gone", LONG, || async {
        match stage.applications().get_opt("one").await.expect("it can be read") {
            Some(it) => Err(crate::support::words(&it)),
            None => Ok(()),
        }
    })
    .await;
    assert_eq!(stage.value("b").await, None, "what nobody else has is deleted");
    assert_eq!(identity(&stage, "a").await, (uid.clone(), String::new()), "nobody's mark is on it any more");
    stage.request("two", "adopts", json!({})).await;
    stage.succeeded("adopts").await;
    assert_eq!(identity(&stage, "a").await, (uid, format!("{}/two", stage.ns())));
}
