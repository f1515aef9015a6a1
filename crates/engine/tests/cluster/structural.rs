//! What the schema of a definition says of objects, beside what a real API server says once it has that definition.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tiphys_engine::discovery::ServedKind;
use tiphys_engine::requests::failure::Failure;
use tiphys_engine::requests::{Applied, Mode};
use tiphys_engine::structural::{Definition, Verdict};
use tiphys_engine::{Cluster as Engine, Error};
use tiphys_manifest::GroupVersionKind;
use tiphys_tests::{Cluster, TestNamespace, eventually};

use crate::support::{connect, soon};

/// The cases of the pure test, in their files.
fn files() -> Vec<(String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/structural");
    let mut files: Vec<_> = std::fs::read_dir(root).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, tiphys_manifest::yaml::read(&text).unwrap())
    };
    files.iter().map(read).collect()
}

/// The definition of a file, in a group of its own.
fn definition(group: &str, schema: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("gadgets.{group}") },
        "spec": { "group": group, "scope": "Namespaced", "names": { "kind": "Gadget", "plural": "gadgets" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } }] },
    })
}

/// A whole object of what a case says about one.
fn whole(case: &Value, group: &str, ns: &str) -> Map<String, Value> {
    let mut object = case["object"].clone();
    let name = case.get("id").and_then(Value::as_str).unwrap_or("a");
    object["apiVersion"] = format!("{group}/v1").into();
    object["kind"] = "Gadget".into();
    object["metadata"] = json!({ "name": name, "namespace": ns });
    if let Some(labels) = case.get("labels") {
        object["metadata"]["labels"] = labels.clone();
    }
    object.as_object().unwrap().clone()
}

/// The kind, once the API server takes objects of it, be it to refuse them.
async fn established(engine: &Engine, group: &str, ns: &str) -> Arc<ServedKind> {
    let gvk = GroupVersionKind::new(group, "v1", "Gadget");
    let probe = whole(&json!({ "object": {} }), group, ns);
    let served = std::sync::Mutex::new(None);
    eventually("objects can be tried", Duration::from_secs(20), || async {
        engine.kinds.refresh().await.map_err(|error| error.to_string())?;
        let kind = engine.kinds.lookup(&gvk).served().ok_or("its kind is not served")?;
        let tried = engine.requests.apply(&kind, &probe, Mode::DryRun, soon(10)).await;
        *served.lock().unwrap() = Some(kind);
        match tried {
            Err(error) if error.failure().is_some_and(Failure::is_not_found) => Err(error.to_string()),
            _ => Ok(()),
        }
    })
    .await;
    served.into_inner().unwrap().unwrap()
}

/// How our verdict differs from what the API server said. Each place that we name, it must name.
fn difference(verdict: &Verdict, said: Result<Applied, Error>) -> Option<String> {
    match said {
        Ok(_) if !verdict.problems.is_empty() => {
            Some(format!("the server accepts it, we say {:?}", verdict.problems))
        }
        Ok(applied) => {
            let (theirs, ours) = (applied.object.get("spec"), verdict.object.get("spec"));
            (theirs != ours).then(|| format!("the server makes {theirs:?} of it, we {ours:?}"))
        }
        Err(error) => {
            let refusal = error.failure().and_then(|it| it.refusal());
            let said = refusal.map_or_else(|| error.to_string(), |it| it.message.clone());
            if verdict.problems.is_empty() && verdict.unverified.is_empty() {
                return Some(format!("we accept it, the server says {said}"));
            }
            let missing = verdict.problems.iter().find(|it| !said.contains(&it.path))?;
            Some(format!("we say {missing}, the server {said}"))
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_says_the_same_of_every_case() {
    let cluster = Cluster::shared();
    let ns = TestNamespace::create(cluster, "structural").await;
    let engine = connect(cluster).await;
    let mut differences = Vec::new();
    let mut compared = 0;
    for (file, cases) in files() {
        let group = format!("{file}.structural.example.com");
        let definition = definition(&group, &cases["schema"]);
        cluster.kubectl_with_input(["apply", "-f", "-"], &definition.to_string());
        let kind = established(&engine, &group, ns.name()).await;
        let ours = Definition::new(&definition).unwrap();
        for case in cases["cases"].as_array().unwrap().iter().filter(|it| it.get("old").is_none()) {
            let object = whole(case, &group, ns.name());
            let verdict = ours.judge("v1", &Value::Object(object.clone()), None, true);
            let said = engine.requests.apply(&kind, &object, Mode::DryRun, soon(10)).await;
            compared += 1;
            let name = case["name"].as_str().unwrap();
            differences.extend(difference(&verdict, said).map(|it| format!("{file}/{name}: {it}")));
        }
        cluster.kubectl(["delete", "crd", &format!("gadgets.{group}"), "--wait=false"]);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(compared > 50, "only {compared} cases");
}
