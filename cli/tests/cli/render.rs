//! `render`.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Place, Tiphys, snapshot};

fn nowhere() -> Tiphys {
    Tiphys::with_kubeconfig("/nonexistent/kubeconfig")
}

fn example(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../charts-example").join(name);
    folder.canonicalize().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_plain_directory_is_rendered_without_a_cluster() {
    let output = nowhere().run(&["render", &example("plain"), "-o", "name"]);
    assert_eq!(output.code, Some(0), "{output}");
    assert!(output.stdout.lines().any(|it| it.starts_with("apps/Deployment ")), "{output}");
    let yaml = nowhere().run(&["render", &example("plain")]);
    assert!(yaml.stdout.contains("---\n# charts-example/plain/configmap.yaml:"), "{yaml}");
}

#[test]
fn a_tera_chart_is_rendered_in_a_worker() {
    let web = example("web");
    let plain = nowhere().run(&["render", &web, "-o", "json"]);
    assert_eq!(plain.code, Some(0), "{plain}");
    let json: Value = serde_json::from_str(&plain.stdout).unwrap();
    assert!(json["items"].as_array().is_some_and(|it| it.len() > 2), "{plain}");
    let other =
        nowhere().run(&["render", &web, "-f", "values-prod.yaml", "--release-name", "front", "-n", "shop"]);
    assert_eq!(other.code, Some(0), "{other}");
    assert!(other.stdout.contains("front") && !plain.stdout.contains("front"), "{other}");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let words = [(root.to_str().unwrap(), "[folder]")];
    let root = root.to_str().unwrap();
    std::fs::write(folder.path().join("web.yaml"), "kind: ConfigMap\nmetadata: {name: a}\n").unwrap();
    snapshot("render_broken", &nowhere().run(&["render", root]), &words);
    snapshot("render_missing", &nowhere().run(&["render", &format!("{root}/nothing")]), &words);
    std::fs::remove_file(folder.path().join("web.yaml")).unwrap();
    std::fs::create_dir(folder.path().join("templates")).unwrap();
    std::fs::write(folder.path().join("Chart.yaml"), "apiVersion: v2\nname: web\nversion: 1.0.0\n").unwrap();
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ values.nothing }}\n";
    std::fs::write(folder.path().join("templates/web.yaml.tera"), template).unwrap();
    snapshot("render_template_error", &nowhere().run(&["render", root]), &words);
}

/// The allocator of this program takes room for a GiB at its start, which is not to be what a template may use.
#[test]
fn the_memory_of_a_template_is_limited() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("templates")).unwrap();
    std::fs::write(folder.path().join("Chart.yaml"), "apiVersion: v2\nname: web\nversion: 1.0.0\n").unwrap();
    let of_length = |doublings: u32| {
        format!(
            "{{% set s = 'xxxxxxxx' %}}{{% for i in range(end={doublings}) %}}{{% set_global s = s ~ s %}}\
             {{% endfor %}}apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: has-{{{{ s | length }}}}\n"
        )
    };
    let render = |doublings: u32| {
        std::fs::write(folder.path().join("templates/web.yaml.tera"), of_length(doublings)).unwrap();
        nowhere().run(&["render", folder.path().to_str().unwrap()])
    };
    let (few, many) = (render(20), render(26));
    assert!(few.code == Some(0) && few.stdout.contains("has-8388608"), "{few}");
    assert!(many.code != Some(0) && many.stderr.contains("limit of memory"), "{many}");
}

#[tokio::test]
async fn a_working_copy_is_rendered_as_its_application_says() {
    let place = Place::new("render").await;
    let source = json!({ "repo": "deploy", "path": "web", "tera": { "releaseName": "front" } });
    let spec = json!({ "source": source, "destination": { "namespace": "shop" } });
    place.application("web", spec, Value::Null).await;
    let copy = example("");
    let output = place.tiphys.run(&["render", &copy, "--app", "web"]);
    assert_eq!(output.code, Some(0), "{output}");
    assert!(output.stdout.contains("front"), "{output}");
    place.snapshot("render_nothing_applied", &place.tiphys.run(&["render", "--app", "web"]));
}
