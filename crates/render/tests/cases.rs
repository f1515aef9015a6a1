//! Each folder in `tests/cases` is a case: a repository, what to render of it, and what must come out.
//!
//! - `case.json`: `path` (default `chart`), `tree` (default `tree`, relative to the case), `release`, `kubeVersion`,
//!   `apiVersions`, and one of `tera`, `helm`, `directory` as in `spec.source`. All optional, like the file itself.
//! - `expected.yaml`: the manifests with their origins, or `expected-error.txt`: the error with its causes.
//!
//! Run with `TIPHYS_UPDATE=1` to write what comes out instead of comparing; then read the diff.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests may")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use support::{renderer, report, text};
use tiphys_api::{DirectorySource, HelmSource, TeraSource};
use tiphys_render::{Capabilities, Options, Release, Renderer, Request};
use tiphys_tree::{DirectoryTree, TreePath};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Case {
    tree: Option<PathBuf>,
    path: Option<String>,
    release: Option<String>,
    kube_version: Option<String>,
    api_versions: Vec<String>,
    tera: Option<TeraSource>,
    helm: Option<HelmSource>,
    directory: Option<DirectorySource>,
}

#[tokio::test]
async fn every_case_gives_what_it_expects() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut folders: Vec<PathBuf> = fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() > 20);
    let renderer = renderer();
    let mut wrong = Vec::new();
    for folder in folders {
        if let Err(difference) = check(&renderer, &folder).await {
            wrong.push(format!("{}:\n{difference}", folder.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

async fn check(renderer: &Renderer, folder: &Path) -> Result<(), String> {
    let case = match fs::read(folder.join("case.json")) {
        Ok(json) => serde_json::from_slice(&json).unwrap(),
        Err(_) => Case::default(),
    };
    let (actual, file, other) = match renderer.render(request(folder, case)).await {
        Ok(rendering) => (text(&rendering), "expected.yaml", "expected-error.txt"),
        Err(error) => (report(&error), "expected-error.txt", "expected.yaml"),
    };
    if std::env::var_os("TIPHYS_UPDATE").is_some() {
        fs::write(folder.join(file), &actual).unwrap();
        let _ = fs::remove_file(folder.join(other));
        return Ok(());
    }
    let expected = fs::read_to_string(folder.join(file)).unwrap_or_default();
    if expected == actual {
        Ok(())
    } else {
        Err(format!("expected in {file}:\n{expected}\nbut got:\n{actual}"))
    }
}

fn request(folder: &Path, case: Case) -> Request {
    let tree = folder.join(case.tree.unwrap_or_else(|| PathBuf::from("tree")));
    let options = match (case.tera, case.helm, case.directory) {
        (Some(tera), _, _) => Options::Tera(tera),
        (_, Some(helm), _) => Options::Helm(helm),
        (_, _, Some(directory)) => Options::Directory(directory),
        _ => Options::Detect,
    };
    let mut capabilities = Capabilities::default();
    capabilities.api_versions.extend(case.api_versions);
    if let Some(version) = case.kube_version {
        capabilities.kube_version = version;
    }
    Request {
        tree: Arc::new(DirectoryTree::open(&tree).unwrap()),
        path: TreePath::parse(case.path.as_deref().unwrap_or("chart")).unwrap(),
        options,
        release: Release {
            name: case.release.unwrap_or_else(|| "demo".to_owned()),
            namespace: "demo-ns".to_owned(),
        },
        capabilities,
        chance: tiphys_render::Chance::Withheld,
        lookup: None,
    }
}
