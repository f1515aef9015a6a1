//! `create`.

use tiphys_api::{Deletion, OnFailure};

use crate::support::Place;

const REPO: &str = "https://git.example.com/acme/deploy.git";

#[tokio::test]
async fn an_application_is_created_once() {
    let place = Place::new("create").await;
    place.snapshot("create", &place.tiphys.run(&["create", "web", "--repo", REPO]));
    place.snapshot("create_again", &place.tiphys.run(&["create", "web", "--repo", REPO]));
}

#[tokio::test]
async fn options_become_fields() {
    let place = Place::new("create").await;
    let output = place.tiphys.run(&[
        "create",
        "web",
        "--repo",
        REPO,
        "--revision",
        "v1.*",
        "--path",
        "apps/web",
        "--to-namespace",
        "shop",
        "--create-namespace",
        "--auto",
        "--self-heal",
        "--prune",
        "--on-failure",
        "rollback",
        "--timeout",
        "90s",
        "--history",
        "3",
        "--deletion",
        "prune",
        "--type",
        "tera",
        "-f",
        "values-prod.yaml",
        "--set",
        "replicas=3",
        "--release-name",
        "front",
        "-l",
        "team=shop",
    ]);
    assert_eq!(output.code, Some(0), "{output}");
    assert_eq!(output.stderr, "", "with auto there is nothing to do next");
    let application = place.applications().get("web").await.unwrap();
    let spec = application.spec;
    assert_eq!(spec.source.revision.as_deref(), Some("v1.*"));
    assert_eq!(spec.source.path, "apps/web");
    let tera = spec.source.tera.unwrap();
    assert_eq!(
        (tera.value_files, tera.set),
        (vec!["values-prod.yaml".to_owned()], vec!["replicas=3".to_owned()])
    );
    assert_eq!(tera.release_name.as_deref(), Some("front"));
    assert_eq!(spec.destination.namespace.as_deref(), Some("shop"));
    assert!(spec.destination.create_namespace && spec.sync.auto && spec.sync.self_heal && spec.sync.prune);
    assert_eq!(spec.sync.on_failure, OnFailure::Rollback);
    assert_eq!(spec.sync.timeout.to_string(), "1m30s");
    assert_eq!((spec.history.limit, spec.deletion), (3, Deletion::Prune));
    assert_eq!(application.metadata.labels.unwrap()["team"], "shop");
}

#[tokio::test]
async fn a_dry_run_prints_and_creates_nothing() {
    let place = Place::new("create").await;
    let output =
        place.tiphys.run(&["create", "web", "--repo", REPO, "--type", "directory", "--recurse", "--dry-run"]);
    place.snapshot("create_dry_run", &output);
    assert!(place.applications().get_opt("web").await.unwrap().is_none());
    // What was printed is what kubectl takes.
    assert!(place.namespace.apply(&output.stdout).contains("application.tiphys.dev/web created"));
}

#[tokio::test]
async fn what_admission_refuses_is_said_in_its_words() {
    let place = Place::new("create").await;
    let output = place.tiphys.run(&["create", "web", "--repo", REPO, "--path", "../secrets"]);
    place.snapshot("create_refused", &output);
}
