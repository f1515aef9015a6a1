use std::error::Error as _;

use proptest::prelude::*;
use serde_json::json;
use tiphys_engine::plan::Policy;
use tiphys_engine::snapshot::{Capabilities, PAGE_BYTES, Page, PageProblem, Snapshot};
use tiphys_engine::{Class, Error};

use crate::plan::World;
use crate::server::manifest;

fn snapshot(texts: &[String]) -> Snapshot {
    let objects = texts.iter().enumerate().map(|(number, text)| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("a{number}"), "namespace": "web"},
               "data": {"k": text}})
    });
    let objects: Vec<_> = objects.collect();
    let mut world = World::default();
    world.sync(&objects, Policy::default());
    Snapshot {
        application: "web".to_owned(),
        number: 7,
        revision: "main@sha1:0123".to_owned(),
        rendering: "abc".to_owned(),
        manifests: objects.iter().map(manifest).collect(),
        inventory: world.inventory,
        capabilities: Capabilities { kube_version: "v1.36.3".to_owned() },
        destination: Some("in-cluster/web".to_owned()),
        files: vec!["values/shared.yaml".to_owned()],
    }
}

/// Text that compression cannot make smaller.
fn noise(bytes: usize) -> String {
    let mut state = 1_u64;
    (0..bytes)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
        })
        .collect()
}

fn problem(pages: &[Page]) -> PageProblem {
    let error = Snapshot::unpack(pages).unwrap_err();
    assert_eq!(error.class(), Class::Invalid);
    assert_eq!(error.to_string(), "cannot read the stored snapshot");
    assert!(error.source().is_some());
    match error {
        Error::Unpack { source, .. } => source,
        other => panic!("{other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_packed_comes_back(texts in proptest::collection::vec(".{0,200}", 0..5)) {
        let snapshot = snapshot(&texts);
        let pages = snapshot.pack().unwrap();
        prop_assert!(pages.iter().all(|page| page.0.len() <= PAGE_BYTES));
        prop_assert!(Snapshot::unpack(&pages).unwrap() == snapshot);
    }

    #[test]
    fn a_changed_byte_is_found(place in any::<prop::sample::Index>(), change in 1_u8..) {
        let mut pages = snapshot(&["text".to_owned()]).pack().unwrap();
        let page = &mut pages[0].0;
        let place = place.index(page.len());
        page[place] ^= change;
        prop_assert!(Snapshot::unpack(&pages).is_err(), "byte {}", place);
    }
}

#[test]
fn large_ones_take_several_pages_in_any_order() {
    let snapshot = snapshot(&[noise(1_200_000)]);
    let mut pages = snapshot.pack().unwrap();
    assert!(pages.len() >= 3, "{} pages", pages.len());
    // As the API server counts: base64 in JSON, and 16 KiB for the rest of the Secret.
    assert!(pages.iter().all(|page| page.0.len().div_ceil(3) * 4 + 16 * 1024 <= 512 * 1024));
    pages.reverse();
    assert!(Snapshot::unpack(&pages).unwrap() == snapshot);
    let lost = pages.split_off(1);
    let count = lost.len() + 1;
    assert_eq!(problem(&lost), PageProblem::Missing { found: count - 1, count });
    let mut twice = lost.clone();
    twice.push(lost[0].clone());
    assert_eq!(problem(&twice), PageProblem::Missing { found: count, count });
}

#[test]
fn what_is_wrong_with_pages_is_said() {
    let good = snapshot(&["text".to_owned()]).pack().unwrap();
    let other = snapshot(&["other".to_owned()]).pack().unwrap();
    let plan = tiphys_engine::plan::Plan::default().pack().unwrap();
    let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut pages = good.clone();
        edit(&mut pages[0].0);
        pages
    };
    assert_eq!(problem(&[]), PageProblem::None);
    assert_eq!(problem(&[Page(b"hello".to_vec())]), PageProblem::Foreign);
    assert_eq!(problem(&edited(&|page| page.truncate(20))), PageProblem::Foreign);
    assert_eq!(problem(&edited(&|page| page.truncate(100))), PageProblem::Changed);
    assert_eq!(problem(&edited(&|page| page[7] = 9)), PageProblem::Newer { version: 9 });
    assert_eq!(problem(&[good[0].clone(), other[0].clone()]), PageProblem::Mixed);
    assert_eq!(problem(&plan), PageProblem::OtherContent);
    assert!(!format!("{:?} {good:?}", snapshot(&["hunter2".to_owned()])).contains("hunter2"));
}

#[test]
fn plans_are_packed_too() {
    let mut world = World::default();
    let config =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "web"}});
    let plan = world.sync(&[config], Policy::default());
    let read = tiphys_engine::plan::Plan::unpack(&plan.pack().unwrap()).unwrap();
    assert_eq!(read, plan);
}
