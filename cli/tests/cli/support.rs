//! Runs the program and shows all that it did.

use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use tiphys_api::{Application, Sync};
use tiphys_tests::{Access, Cluster, Identity, TestNamespace, eventually};

/// Longer than anything here takes, on a machine that does much else meanwhile.
pub const SOON: Duration = Duration::from_secs(60);

/// How a run of the program ended.
pub struct Output {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.map_or_else(|| "killed".to_owned(), |it| it.to_string());
        write!(
            f,
            "exit code: {code}\n----- stdout\n{}----- stderr\n{}",
            self.stdout, self.stderr
        )
    }
}

/// The program with the kubeconfig of one identity.
pub struct Tiphys {
    kubeconfig: PathBuf,
}

impl Tiphys {
    /// For an identity, in a namespace.
    pub fn new(access: &Access, identity: &Identity, ns: &str) -> Self {
        Self {
            kubeconfig: access.kubeconfig(identity, ns),
        }
    }

    /// With a kubeconfig that a test wrote itself.
    pub fn with_kubeconfig(kubeconfig: impl Into<PathBuf>) -> Self {
        Self {
            kubeconfig: kubeconfig.into(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tiphys"));
        command
            .args(arguments)
            .env_clear()
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", "/nonexistent")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.start(arguments).end()
    }

    /// Starts it; the test does something meanwhile.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut child = self.command(arguments).spawn().expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        Running {
            child,
            stderr,
            said: String::new(),
        }
    }
}

/// The program while it runs.
pub struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

impl Running {
    /// Presses Ctrl-C.
    pub fn interrupt(&self) {
        let killed = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        assert!(killed.expect("kill runs").success());
    }

    /// Waits until it says something with these words on stderr.
    pub fn wait_for(&mut self, words: &str) {
        loop {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line).expect("stderr is text");
            self.said.push_str(&line);
            if line.contains(words) {
                return;
            }
            assert!(read > 0, "it ended without saying {words:?}: {}", self.said);
        }
    }

    /// Waits for its end.
    pub fn end(mut self) -> Output {
        let mut stdout = self.child.stdout.take().expect("stdout is piped");
        // Both are read at once, so that neither fills up.
        let other = std::thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).map(|_| text)
        });
        self.stderr
            .read_to_string(&mut self.said)
            .expect("stderr is text");
        let code = self.child.wait().expect("the program ends").code();
        let stdout = other.join().expect("the reader ends").expect("stdout is text");
        Output {
            code,
            stdout,
            stderr: std::mem::take(&mut self.said),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Of a test that failed in the middle.
        let _ = self.child.kill();
    }
}

/// A namespace of the shared cluster with the custom resources, and the program as its admin.
pub struct Place {
    pub namespace: TestNamespace<'static>,
    pub tiphys: Tiphys,
}

impl Place {
    /// A new one.
    pub async fn new(hint: &str) -> Self {
        let cluster = Cluster::shared();
        let namespace = TestNamespace::create(cluster, hint).await;
        let tiphys = Tiphys::new(cluster, &cluster.admin_identity(), namespace.name());
        static CRDS: OnceLock<()> = OnceLock::new();
        CRDS.get_or_init(|| {
            let output = tiphys.run(&["install", "--crds-only"]);
            assert_eq!(output.code, Some(0), "{output}");
        });
        Self { namespace, tiphys }
    }

    pub fn client(&self) -> Client {
        self.namespace.client()
    }

    pub fn applications(&self) -> Api<Application> {
        self.namespace.api()
    }

    pub fn syncs(&self) -> Api<Sync> {
        self.namespace.api()
    }

    /// Creates an Application, and writes its status unless that is null.
    pub async fn application(&self, name: &str, spec: Value, status: Value) -> Application {
        let object = json!({
            "apiVersion": "tiphys.dev/v1alpha1",
            "kind": "Application",
            "metadata": { "name": name },
            "spec": spec,
        });
        let object = serde_json::from_value(object).expect("an Application");
        let created = self.applications().create(&PostParams::default(), &object).await;
        let created = created.expect("the Application can be created");
        if status.is_null() {
            created
        } else {
            self.application_status(name, status).await
        }
    }

    /// Writes the status of an Application, as the controller would.
    pub async fn application_status(&self, name: &str, status: Value) -> Application {
        let patch = Patch::Merge(json!({ "status": status }));
        let patched = self
            .applications()
            .patch_status(name, &PatchParams::default(), &patch)
            .await;
        patched.expect("the status can be written")
    }

    /// Creates a Sync with a status, as one that has been.
    pub async fn past_sync(&self, name: &str, spec: Value, status: Value) -> Sync {
        let object = json!({
            "apiVersion": "tiphys.dev/v1alpha1",
            "kind": "Sync",
            "metadata": { "name": name },
            "spec": spec,
        });
        let object = serde_json::from_value(object).expect("a Sync");
        let created = self.syncs().create(&PostParams::default(), &object).await;
        created.expect("the Sync can be created");
        self.sync_status(name, status).await
    }

    /// Writes the status of a Sync, as the controller would.
    pub async fn sync_status(&self, name: &str, status: Value) -> Sync {
        let patch = Patch::Merge(json!({ "status": status }));
        let patched = self
            .syncs()
            .patch_status(name, &PatchParams::default(), &patch)
            .await;
        patched.expect("the status can be written")
    }

    /// Waits until a new Sync is there: one without a phase.
    pub async fn new_sync(&self) -> Sync {
        let syncs = self.syncs();
        eventually("somebody creates a Sync", SOON, || {
            let syncs = syncs.clone();
            async move {
                let list = syncs
                    .list(&kube::api::ListParams::default())
                    .await
                    .map_err(|it| it.to_string())?;
                let names: Vec<String> = list.items.iter().map(kube::ResourceExt::name_any).collect();
                list.items
                    .into_iter()
                    .find(|it| it.status.is_none())
                    .ok_or(format!("{names:?}"))
            }
        })
        .await
    }

    /// Compares with a snapshot, without what differs from run to run.
    pub fn snapshot(&self, name: &str, output: &Output) {
        snapshot(
            name,
            output,
            &[
                (self.namespace.name(), "[namespace]"),
                (Cluster::shared().server(), "[server]"),
            ],
        );
    }
}

/// Compares with a snapshot, without what differs from run to run.
pub fn snapshot(name: &str, output: &Output, words: &[(&str, &str)]) {
    let mut text = output.to_string();
    for (word, replacement) in words {
        text = text.replace(word, replacement);
    }
    insta::with_settings!({
        prepend_module_to_snapshot => false,
        omit_expression => true,
        filters => [
            (r"-[bcdfghjklmnpqrstvwxz2456789]{8}\b", "-[random]"),
            (r"\b\d+s\b", "[seconds]"),
            (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "[uid]"),
            (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "[time]"),
            (r#"resourceVersion: "\d+""#, r#"resourceVersion: "[version]""#),
            (r#""resourceVersion": "\d+""#, r#""resourceVersion": "[version]""#),
        ],
    }, { insta::assert_snapshot!(name, text) });
}

/// The name of an object.
pub fn name(object: &impl kube::Resource) -> String {
    object.name_any()
}
