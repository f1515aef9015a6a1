//! Helm charts: rendered as Helm does, drawn from a secret that lasts, looking up what they may, with their hooks.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment as LiveDeployment;
use k8s_openapi::api::batch::v1::Job as LiveJob;
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;
use tiphys_api::Phase;
use tiphys_tests::eventually;

use crate::support::LONG;
use crate::support::manifests::secret;
use crate::support::phase;
use crate::support::shared::stage;
use crate::support::stage::Stage;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts-example/shop");

/// A chart of one ConfigMap with this data.
fn chart(data: &str) -> [(&'static str, String); 2] {
    let template = format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: config\ndata:\n  {data}\n");
    [
        ("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n".to_owned()),
        ("templates/config.yaml", template),
    ]
}

async fn push_chart(stage: &Stage<'_>, data: &str) -> String {
    let files = chart(data);
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(text.as_str()))).collect();
    stage.push(&files).await
}

/// The value of a key of a Secret.
async fn drawn(stage: &Stage<'_>, name: &str, key: &str) -> String {
    let secret = stage.namespace.api::<Secret>().get(name).await.unwrap();
    String::from_utf8(secret.data.unwrap()[key].0.clone()).unwrap()
}

#[tokio::test]
async fn the_example_chart_keeps_its_password_until_a_new_one_is_asked_for() {
    let stage = stage("shop").await;
    let first = stage.repo.commit("main").write_folder("app", EXAMPLE).finish();
    stage.tell(&first).await;
    stage.create("shop", json!({ "source": { "helm": { "valueFiles": ["values-dev.yaml"] } } })).await;
    stage.synced("shop", &first).await;
    let password = drawn(&stage, "shop-database", "password").await;
    assert!(password.len() == 24 && password.chars().all(|it| it.is_ascii_alphanumeric()), "{password:?}");
    let jobs = stage.namespace.api::<LiveJob>();
    assert!(jobs.get_opt("shop-migration").await.unwrap().is_none(), "there is nothing to upgrade yet");

    // A commit that changes another part of the chart: the hook of upgrades runs, the password stays.
    let values = "greeting: Hello again\nreplicas: 1\n";
    let second = stage.push_file("values-dev.yaml", values).await;
    stage.synced("shop", &second).await;
    assert_eq!(drawn(&stage, "shop-database", "password").await, password);
    let job = jobs.get("shop-migration").await.unwrap();
    assert_eq!(job.status.and_then(|it| it.succeeded), Some(1));
    let syncs = stage.syncs("shop").await;
    assert_eq!(syncs.len(), 2, "drawing is no drift");

    // Somebody deletes the Secret: it comes back with the same password.
    stage.namespace.kubectl(&["delete", "secret", "shop-database"]);
    eventually("the Secret is back", LONG, || async {
        let secret = stage.namespace.api::<Secret>().get_opt("shop-database").await;
        secret.map_err(|it| it.to_string())?.ok_or("it is not there").map(drop).map_err(str::to_owned)
    })
    .await;
    assert_eq!(drawn(&stage, "shop-database", "password").await, password);

    let before = drawn(&stage, "shop-tiphys-seed", "at").await;
    stage.request("shop", "renew", json!({ "renewSecrets": true })).await;
    stage.succeeded("renew").await;
    let renewed = drawn(&stage, "shop-database", "password").await;
    assert_ne!(renewed, password);
    assert_ne!(drawn(&stage, "shop-tiphys-seed", "at").await, before);
    stage.synced("shop", &second).await;
    stage
        .stays("the password", Duration::from_secs(3), || async {
            let now = drawn(&stage, "shop-database", "password").await;
            if now == renewed { Ok(()) } else { Err("another password was drawn".to_owned()) }
        })
        .await;

    // Back to the first password, from the snapshot alone.
    stage.request("shop", "back", json!({ "rollbackTo": "shop-1" })).await;
    stage.succeeded("back").await;
    assert_eq!(drawn(&stage, "shop-database", "password").await, password);
    let web = stage.namespace.api::<LiveDeployment>().get("shop").await.unwrap();
    assert_eq!(web.spec.and_then(|it| it.replicas), Some(1));
}

#[tokio::test]
async fn no_two_applications_draw_the_same() {
    let stage = stage("draws").await;
    let commit = push_chart(&stage, "{{ .Release.Name }}: {{ randAlphaNum 32 | quote }}").await;
    let mut drawn = Vec::new();
    for name in ["one", "two"] {
        let spec = json!({ "source": { "helm": { "releaseName": name } } });
        stage.create(name, spec).await;
        if name == "one" {
            stage.synced(name, &commit).await;
        } else {
            // It is the same ConfigMap, which the first one owns.
            stage.says(name, "config").await;
        }
        let seed = stage.namespace.api::<Secret>().get(&format!("{name}-tiphys-seed")).await.unwrap();
        drawn.push(seed.data.unwrap()["seed"].0.clone());
    }
    assert_eq!(drawn[0].len(), 32);
    assert_ne!(drawn[0], drawn[1]);
    // A chart that draws nothing needs no secret.
    let commit = push_chart(&stage, "a: b").await;
    stage.synced("one", &commit).await;
    stage.create("plain", json!({})).await;
    stage.says("plain", "config").await;
    let none = stage.namespace.api::<Secret>().get_opt("plain-tiphys-seed").await.unwrap();
    assert!(none.is_none());
}

#[tokio::test]
async fn a_secret_goes_with_the_objects_and_stays_with_them() {
    let stage = stage("seeds").await;
    let commit = push_chart(&stage, "drawn: {{ randAlphaNum 8 }}").await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    let value = || stage.namespace.kubectl(&["get", "configmap", "config", "-o", "jsonpath={.data.drawn}"]);
    let first = value();
    stage.namespace.kubectl(&["delete", "app", "web", "--timeout=60s"]);
    stage.create("web", json!({ "deletion": "Prune" })).await;
    stage.synced("web", &commit).await;
    assert_eq!(value(), first, "what was left is drawn again");
    stage.namespace.kubectl(&["delete", "app", "web", "--timeout=60s"]);
    assert!(stage.namespace.api::<Secret>().get_opt("web-tiphys-seed").await.unwrap().is_none());
}

#[tokio::test]
async fn a_chart_looks_up_what_its_application_could_write() {
    let stage = stage("lookup").await;
    stage.namespace.kubectl(&["create", "configmap", "known", "--from-literal=value=found"]);
    let known = r#"value: {{ (lookup "v1" "ConfigMap" .Release.Namespace "known").data.value }}"#;
    let commit = push_chart(&stage, known).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    stage.has_value("config", "found").await;
    let all = r#"value: {{ len (lookup "v1" "ConfigMap" .Release.Namespace "").items | quote }}
  nothing: {{ lookup "v1" "ConfigMap" .Release.Namespace "nothing" | toJson | quote }}"#;
    let commit = push_chart(&stage, all).await;
    stage.synced("web", &commit).await;

    // What belongs to others is out of reach.
    let other = tiphys_tests::TestNamespace::create(stage.access, "lookup-other").await;
    other.apply(&secret("key", "hunter2"));
    for (template, sentence) in [
        (
            format!(r#"value: {{{{ (lookup "v1" "Secret" "{}" "key").data.value }}}}"#, other.name()),
            "not allowed",
        ),
        (r#"value: {{ len (lookup "v1" "Secret" "" "").items }}"#.to_owned(), "not allowed"),
        (r#"value: {{ (lookup "v1" "Namespace" "" "default").metadata.uid }}"#.to_owned(), "not allowed"),
        (
            r#"value: {{ lookup "example.dev/v1" "Nothing" "" "x" | toJson | quote }}"#.to_owned(),
            "does not know",
        ),
    ] {
        push_chart(&stage, &template).await;
        let message = stage.stalls("web", sentence).await;
        assert!(message.contains("app/templates/config.yaml:6"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    let commit = push_chart(&stage, known).await;
    stage.synced("web", &commit).await;
}

#[tokio::test]
async fn what_is_wrong_in_a_chart_is_said_and_hurts_nobody_else() {
    let stage = stage("bad-charts").await;
    let commit = push_chart(&stage, "value: {{ .Values.word }}").await;
    stage.create("web", json!({ "source": { "helm": { "values": { "word": "one" } } } })).await;
    stage.synced("web", &commit).await;
    stage.has_value("config", "one").await;
    let endless = r#"value: {{ include "loop" . }}{{ define "loop" }}{{ include "loop" . }}{{ end }}"#;
    let cases = [
        (r#"value: {{ required "say a word" .Values.other }}"#, "say a word"),
        ("value: {{ .Values.a.b.c }}", "nil pointer evaluating"),
        ("value: {{ unknown }}", "function \"unknown\" not defined"),
        ("value: {{ range until 1000000000 }}{{ end }}", "templates/config.yaml"),
        (endless, "nested reference name"),
        (r#"value: {{ repeat 1000000000 "x" }}"#, "templates/config.yaml"),
    ];
    for (data, sentence) in cases {
        push_chart(&stage, data).await;
        stage.stalls("web", sentence).await;
        // The Application itself is as it was.
        stage.has_value("config", "one").await;
    }
    let commit = push_chart(&stage, "value: {{ .Values.word }}-again").await;
    stage.synced("web", &commit).await;
    stage.has_value("config", "one-again").await;
    assert!(stage.syncs("web").await.iter().all(|it| phase(it) != Phase::Running));
}
