use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;
use tiphys_api::APPLICATION_LABEL;
use tiphys_engine::drift::{Drift, assess};
use tiphys_engine::plan::Live;
use tiphys_engine::tracking::{Claim, Claims, InstallationId, Owner, claim, mark};
use tiphys_engine::{Digest, InventoryEntry, LiveObject};
use tiphys_manifest::ObjectId;

use crate::plan::owner;
use crate::server::manifest;

fn is_label_value(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.len() <= 63
        && text.chars().all(inner)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

proptest! {
    #[test]
    fn labels_are_valid_whatever_the_name(name in "[a-z0-9][a-z0-9.-]{0,60}", namespace in "[a-z]{0,63}") {
        let owner = Owner { installation: InstallationId("i".into()), namespace, name };
        prop_assert!(is_label_value(&owner.label_value()), "{}", owner.label_value());
    }
}

#[test]
fn labels_tell_owners_apart() {
    let mut labels = BTreeSet::new();
    for installation in ["a", "b"] {
        for (namespace, name) in [("a", "web"), ("b", "web"), ("a", "b-web"), ("a-b", "web"), ("", "a/web")] {
            let owner = Owner {
                installation: InstallationId(installation.to_owned()),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            };
            assert!(labels.insert(owner.label_value()), "{owner} of {installation}");
        }
    }
    assert!(owner("web").label_value().starts_with("web-"));
}

#[test]
fn marks_say_whose_an_object_is() {
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let ours = owner("web");
    assert_eq!(claim(&config, &ours), Claim::Nobody);
    let mut marked = manifest(&config);
    mark(&mut marked, &ours);
    let marked = json!(marked.object());
    assert_eq!(claim(&marked, &ours), Claim::Ours);
    let words = |claim: Claim| match claim {
        Claim::Other { words } => words,
        other => panic!("{other:?}"),
    };
    assert_eq!(words(claim(&marked, &owner("other"))), "Application apps/web");
    let elsewhere = Owner { installation: InstallationId("elsewhere".to_owned()), ..ours.clone() };
    assert_eq!(words(claim(&marked, &elsewhere)), "Application apps/web of another installation");
    let label_only = json!({"metadata": {"labels": {APPLICATION_LABEL: "x-1"}}});
    assert_eq!(words(claim(&label_only, &ours)), "the Application with the label tiphys.dev/application=x-1");
}

#[test]
fn claims_are_all_or_nothing() {
    let ids: Vec<ObjectId> =
        ["ConfigMap web/a", "ConfigMap web/b", "ConfigMap web/c"].map(|id| id.parse().unwrap()).to_vec();
    let (one, other) = (owner("one"), owner("other"));
    let mut claims = Claims::default();
    claims.claim_all(&one, &ids[..2]).unwrap();
    claims.claim_all(&one, &ids[..2]).unwrap();
    let conflicts = claims.claim_all(&other, &ids[1..]).unwrap_err();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(
        conflicts[0].to_string(),
        "ConfigMap web/b belongs to Application apps/one: remove it from one of the two"
    );
    claims.claim_all(&other, &ids[2..]).expect("what was refused together was not claimed");
    claims.retain(&one, |id| *id == ids[0]);
    claims.claim_all(&other, &ids[1..]).unwrap();
    claims.release(&other);
    claims.claim_all(&one, &ids).unwrap();
}

#[test]
fn drift_is_told_by_the_hash() {
    let ours = owner("web");
    let live = |label: &str, value: &str| {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": value}, "metadata": {
            "name": "a", "labels": {APPLICATION_LABEL: label},
            "managedFields": [{"manager": "tiphys", "operation": "Apply", "fieldsV1": {"f:data": {"f:k": {}}}}]}});
        LiveObject::new(&object).unwrap()
    };
    let label = ours.label_value();
    let entry = |live| InventoryEntry { version: "v1".to_owned(), desired: Digest::of(&[]), live };
    let known = entry(live(&label, "v").projection);
    for (entry, live, expected) in [
        (&known, Live::Present(Arc::new(live(&label, "v"))), Drift::InSync),
        (&known, Live::Present(Arc::new(live(&label, "w"))), Drift::Drifted),
        (&known, Live::Present(Arc::new(live("other", "v"))), Drift::Missing),
        (&known, Live::Absent, Drift::Missing),
        (&known, Live::Unknown, Drift::Unknown),
        (&entry(None), Live::Present(Arc::new(live(&label, "v"))), Drift::Unknown),
    ] {
        assert_eq!(assess(&ours, entry, &live), expected, "{live:?}");
    }
}
