//! Promise 8: values of Secrets and credentials appear nowhere but where they belong.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tiphys_tests::{Auth, Cluster, WEBHOOK_SECRET, program};

use crate::support::controller::Endpoints;
use crate::support::manifests::secret;
use crate::support::shared::{controller, git};
use crate::support::stage::Stage;

/// What must not be seen, in every form in which it could be.
struct Canaries(Vec<String>);

impl Canaries {
    fn new(values: &[&str]) -> Self {
        Self(values.iter().flat_map(|it| [(*it).to_owned(), STANDARD.encode(it)]).collect())
    }

    fn look(&self, place: &str, text: &str) {
        for canary in &self.0 {
            if let Some(at) = text.find(canary.as_str()) {
                let start = text[..at].rfind('\n').map_or(0, |it| it + 1);
                let line = text[start..].lines().next().unwrap_or_default();
                panic!("{canary} is in {place}: {line}");
            }
        }
    }
}

fn run(program_name: &str, kubeconfig: &std::path::Path, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program(program_name))
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .output()
        .expect("the program runs");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story: everything that could tell, then every place to look at"
)]
async fn t28_secrets_stay_secret() {
    let canaries = [
        "canary-first-of-git",
        "canary-second-of-git",
        "canary-by-hand",
        "canary-password-of-git",
        "canary-not-base64!!",
        "canary-of-a-broken-file",
    ];
    let auth = Auth::Basic { user: "robot".to_owned(), password: canaries[3].to_owned() };
    let reference = json!({ "secretRef": { "name": "credentials" } });
    let endpoints = Endpoints::of(controller().await);
    let stage = Stage::set_with(Cluster::shared(), endpoints, git(), "canary", auth, reference).await;
    stage.secret("credentials", &[("username", "robot"), ("password", "a wrong guess: canary-wrong")]).await;
    let first = stage.push_file("secret.yaml", &secret("login", canaries[0])).await;
    stage.create("web", json!({ "sync": { "selfHeal": false } })).await;
    // Credentials that are refused are told as such and not by what they are.
    stage.stalls("web", "credential").await;
    stage.secret("credentials", &[("username", "robot"), ("password", canaries[3])]).await;
    stage.namespace.kubectl(&["annotate", "repository", "deploy", "touched=now"]);
    stage.namespace.kubectl(&[
        "patch",
        "repository",
        "deploy",
        "--type=merge",
        "-p",
        r#"{"spec":{"interval":"2s"}}"#,
    ]);
    stage.synced("web", &first).await;

    // A change, a drift, a question, a failure: each makes us talk about the Secret.
    let second = stage.push_file("secret.yaml", &secret("login", canaries[1])).await;
    stage.synced("web", &second).await;
    let patch = Patch::Merge(json!({ "stringData": { "password": canaries[2] } }));
    let secrets = stage.namespace.api::<k8s_openapi::api::core::v1::Secret>();
    secrets.patch("login", &PatchParams::default(), &patch).await.unwrap();
    stage
        .wait("web", "the drift was seen", crate::support::LONG, |it| {
            it.status
                .as_ref()?
                .resources
                .iter()
                .any(|it| it.sync == tiphys_api::SyncState::OutOfSync)
                .then_some(())
        })
        .await;
    stage.request("web", "question", json!({ "dryRun": true })).await;
    stage.succeeded("question").await;
    let kubeconfig = stage.access.kubeconfig(&stage.access.admin_identity(), stage.ns());
    let mut outputs = Vec::new();
    for arguments in
        [&["get", "web"][..], &["diff", "web"], &["history", "web"], &["list"], &["get", "web", "-o", "json"]]
    {
        outputs.push(run("tiphys", &kubeconfig, arguments));
    }
    assert!(outputs[1].contains("login"), "the diff names the Secret: {}", outputs[1]);
    stage.change("web", json!({ "sync": { "selfHeal": true } })).await;
    stage.synced("web", &second).await;
    stage
        .push_file(
            "secret.yaml",
            &secret("login", "x").replace("stringData", "data").replace("\"x\"", "canary-not-base64!!"),
        )
        .await;
    stage.stalls("web", "login").await;
    stage.push_file("secret.yaml", "kind: Secret\nstringData: {password: canary-of-a-broken-file\n").await;
    stage.stalls("web", "secret.yaml").await;
    stage.push_file("secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {password: [canary-of-a-broken-file]}\n").await;
    stage.stalls("web", "login").await;

    let mut all = canaries.to_vec();
    all.extend(["canary-wrong", WEBHOOK_SECRET]);
    let canaries = Canaries::new(&all);
    canaries.look("the log", &stage.endpoints.log());
    canaries.look("the metrics", &stage.endpoints.metrics_text().await);
    for output in &outputs {
        canaries.look("the output of the CLI", output);
    }
    for kind in ["applications.tiphys.dev", "syncs.tiphys.dev", "repositories.tiphys.dev", "events"] {
        let list = stage.namespace.kubectl(&["get", kind, "-o", "json", "--show-managed-fields"]);
        let value: Value = serde_json::from_str(&list).unwrap();
        assert!(!value["items"].as_array().unwrap().is_empty(), "there are {kind}");
        canaries.look(kind, &list);
    }
    // Nor in the arguments or the environment of a process.
    let controller = controller().await;
    for pid in controller.workers().into_iter().chain([controller.pid()]) {
        for file in ["cmdline", "environ"] {
            let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            canaries.look(file, &String::from_utf8_lossy(&bytes));
        }
    }
}
