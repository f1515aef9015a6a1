//! Files of many objects to manifests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use tiphys_manifest::yaml::Limits;
use tiphys_manifest::{Error, Manifest, stream};

fn read(text: &str) -> Result<Vec<Manifest>, Error> {
    stream::read("app.yaml", text.as_bytes(), &Limits::default()).map(|it| it.manifests)
}

/// Object and origin of every manifest, one a line.
fn summary(text: &str) -> String {
    match read(text) {
        Ok(manifests) => {
            let lines = manifests.iter().map(|manifest| format!("{} {}", manifest.id(), manifest.origin()));
            lines.collect::<Vec<_>>().join("\n")
        }
        Err(error) => chain(&error),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let source = error.source().map(|source| format!(": {}", chain(source)));
    format!("{error}{}", source.unwrap_or_default())
}

const LIST: &str = "# a list
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: one}

- apiVersion: v1
  kind: List
  items:
  - apiVersion: v1
    kind: ConfigMap
    metadata: {name: two}
-
  apiVersion: v1
  kind: ConfigMap
  metadata: {name: three}
";

#[test]
fn documents_become_manifests_with_their_lines() {
    let cases = [
        ("", ""),
        ("# nothing\n---\n\n---\n# more\n", ""),
        ("null\n", ""),
        (
            "# Source: web\n---\n# c\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: web}\n---\n---\n\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: b\n",
            "ConfigMap web/a app.yaml:4\napps/Deployment b app.yaml:10",
        ),
        (
            "\u{feff}apiVersion: v1\r\nkind: Namespace\r\nmetadata:\r\n  name: a\r\n---\r\n\u{feff}apiVersion: v1\r\nkind: Namespace\r\nmetadata:\r\n  name: b\r\n",
            "Namespace a app.yaml:1\nNamespace b app.yaml:6",
        ),
        (LIST, "ConfigMap one app.yaml:5\nConfigMap two app.yaml:9\nConfigMap three app.yaml:16"),
        ("apiVersion: v1\nkind: List\nitems: []\n", ""),
        ("apiVersion: v1\nkind: List\nitems:\n", ""),
        (
            "apiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: a}\n- {metadata: {name: b}}\n",
            "ConfigMap a app.yaml:4\nConfigMap b app.yaml:5",
        ),
        (
            "apiVersion: example.com/v1\nkind: AllowList\nmetadata: {name: a}\nspec: {items: []}\n",
            "example.com/AllowList a app.yaml:1",
        ),
        (
            "- a\n",
            "app.yaml:1: a Kubernetes object is a mapping with apiVersion, kind and metadata; this is a list",
        ),
        ("\n\nkind: A\n", "app.yaml:3: apiVersion is missing"),
        (
            "apiVersion: v1\nkind: List\nitems:\n- a\n",
            "app.yaml:4: a Kubernetes object is a mapping with apiVersion, kind and metadata; this is a string",
        ),
        ("a: 1\n---\nb: [\n", "cannot read app.yaml: line 4, column 1: expected a value"),
        (
            "a: {{ .Values.a }}\n",
            "cannot read app.yaml: line 1, column 5: a mapping or a list cannot be a key; are braces missing their quotes?",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(summary(text), expected, "{text}");
    }
}

#[test]
fn json_is_read_as_json() {
    let object = |name: &str| {
        format!(
            "{{\"apiVersion\": \"v1\",\n \"kind\": \"ConfigMap\", \"metadata\": {{\"name\": \"{name}\"}},\n \"data\": {{\"a\": \"\\/\\ud83d\\ude00\"}}, \"n\": [1.0, 0.5, 1e3]}}"
        )
    };
    let text = format!("\n{}\n{}", object("a"), object("b"));
    assert_eq!(summary(&text), "ConfigMap a app.yaml:2\nConfigMap b app.yaml:5");
    let first = read(&text).unwrap().remove(0);
    assert_eq!(first.object()["data"]["a"], "/😀");
    assert_eq!(first.object()["n"], serde_json::json!([1, 0.5, 1000]));

    let list = format!(
        "{{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\n{},\n{}]}}",
        object("a").replace("\\/", "/").replace("\\ud83d\\ude00", "x"),
        object("b").replace("\\/\\ud83d\\ude00", "")
    );
    assert_eq!(summary(&list), "ConfigMap a app.yaml:2\nConfigMap b app.yaml:5");

    // Not JSON after all, but YAML in flow style.
    assert_eq!(summary("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"), "ConfigMap a app.yaml:1");
    assert_eq!(
        summary("{\"apiVersion\": \"v1\", \"kind\": \"A\", \"metadata\": {\"name\": \"a\"}}\n---\n"),
        "A a app.yaml:1"
    );

    let small = Limits { documents: 1, ..Limits::default() };
    assert!(chain(&stream::read("x", text.as_bytes(), &small).unwrap_err()).contains("1 documents"));
    let small = Limits { nodes: 5, ..Limits::default() };
    assert!(chain(&stream::read("x", text.as_bytes(), &small).unwrap_err()).contains("5 values"));
}

#[test]
fn an_object_may_be_described_once() {
    let object = |api_version: &str, kind: &str, metadata: &str| {
        format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {metadata}\n---\n")
    };
    let check = |objects: &[String]| stream::reject_duplicates(&read(&objects.concat()).unwrap(), "web");
    let one = object("apps/v1", "Deployment", "{name: a}");
    let others = [
        object("apps/v1", "Deployment", "{name: b}"),
        object("apps/v1", "Deployment", "{name: a, namespace: other}"),
        object("apps/v1", "StatefulSet", "{name: a}"),
        object("extensions/v1", "Deployment", "{name: a}"),
    ];
    for other in others {
        check(&[one.clone(), other]).unwrap();
    }
    let same = [
        one.clone(),
        object("apps/v1beta1", "Deployment", "{name: a}"),
        object("apps/v1", "Deployment", "{name: a, namespace: web}"),
        object("apps/v1", "Deployment", "{name: a, namespace: \"\"}"),
    ];
    for same in same {
        let message = check(&[one.clone(), same]).unwrap_err().to_string();
        assert!(message.starts_with("apps/Deployment "), "{message}");
        assert!(message.contains("at app.yaml:1 and at app.yaml:5"), "{message}");
    }
}

#[test]
fn keys_that_come_twice_are_told_with_their_place() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata:\n  key: one\n  key: two\n";
    let stream = stream::read("app.yaml", text.as_bytes(), &Limits::default()).unwrap();
    let warnings: Vec<_> = stream.warnings.iter().map(|(origin, text)| format!("{origin}: {text}")).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("app.yaml:10: ") && warnings[0].contains("key"), "{warnings:?}");
    assert_eq!(stream.manifests.len(), 2);
}

#[test]
fn a_part_of_a_file_has_the_lines_of_the_file() {
    let read = |text: &str| stream::read_part("app.yaml", 11, text.as_bytes(), &Limits::default());
    let stream =
        read("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: A, metadata: {name: a}}\n")
            .unwrap();
    assert_eq!(stream.manifests[0].origin().to_string(), "app.yaml:14");
    assert!(chain(&read("a: [").unwrap_err()).contains("line 12"));
    assert!(chain(&read("\n- a").unwrap_err()).starts_with("app.yaml:12"));
}
