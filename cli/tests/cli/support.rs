//! Runs the program and shows all that it did.

use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::{Value, json};
use tiphys_api::{Application, Sync};
use tiphys_engine::plan::Plan;
use tiphys_engine::requests::{RequestLimits, Requests};
use tiphys_engine::snapshots::{KeptFor, SnapshotStore};
use tiphys_tests::{Access, Cluster, Identity, TestNamespace, eventually};
use tokio::time::Instant;

/// Longer than anything here takes, on a machine that does much else meanwhile.
pub const SOON: Duration = Duration::from_mins(1);

/// How a run of the program ended.
pub struct Output {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.map_or_else(|| "killed".to_owned(), |it| it.to_string());
        write!(f, "exit code: {code}\n----- stdout\n{}----- stderr\n{}", self.stdout, self.stderr)
    }
}

/// The program with the kubeconfig of one identity.
pub struct Tiphys {
    kubeconfig: PathBuf,
}

impl Tiphys {
    /// For an identity, in a namespace.
    pub fn new(access: &Access, identity: &Identity, ns: &str) -> Self {
        Self { kubeconfig: access.kubeconfig(identity, ns) }
    }

    /// With a kubeconfig that a test wrote itself.
    pub fn with_kubeconfig(kubeconfig: impl Into<PathBuf>) -> Self {
        Self { kubeconfig: kubeconfig.into() }
    }

    fn program(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
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

    /// Starts it at a terminal of 24 lines and 100 columns.
    pub fn start_in_terminal(&self, arguments: &[&str]) -> AtTerminal {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
        grantpt(&terminal).and_then(|()| unlockpt(&terminal)).expect("the terminal can be used");
        let size = Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).expect("the terminal has a size");
        let side =
            ioctl_tiocgptpeer(&terminal, OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("the other side");
        let clone = || side.try_clone().expect("a file can be used twice");
        // Ctrl-C reaches only who has the terminal as its own.
        let program = [&["--ctty", env!("CARGO_BIN_EXE_tiphys")], arguments].concat();
        let mut command = self.program("setsid", &program);
        command.env("TERM", "xterm").stdin(clone()).stdout(clone()).stderr(clone());
        let child = command.spawn().expect("the program starts");
        AtTerminal { child, terminal: terminal.into(), said: String::new(), unread: 0 }
    }

    /// Starts it; the test does something meanwhile.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut child =
            self.program(env!("CARGO_BIN_EXE_tiphys"), arguments).spawn().expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        Running { child, stderr, said: String::new() }
    }
}

/// The program at a terminal.
pub struct AtTerminal {
    child: Child,
    terminal: File,
    said: String,
    unread: usize,
}

impl AtTerminal {
    /// Reads until these words are on the screen, after those that were waited for before.
    pub fn wait_for(&mut self, words: &str) {
        loop {
            let text = strip(&self.said[self.unread..]);
            if text.contains(words) {
                self.unread = self.said.len();
                return;
            }
            assert!(self.read(), "it ended without showing {words:?}: {}", strip(&self.said));
        }
    }

    /// Types.
    pub fn type_in(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Waits for its end; gives the exit code and all that was shown, without colours and movements.
    pub fn end(mut self) -> (Option<i32>, String) {
        while self.read() {}
        let code = self.child.wait().expect("the program ends").code();
        (code, strip(&self.said))
    }

    fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        // The last program that leaves a terminal makes reading fail.
        let Ok(read @ 1..) = self.terminal.read(&mut bytes) else { return false };
        self.said.push_str(&String::from_utf8_lossy(&bytes[..read]));
        true
    }
}

impl Drop for AtTerminal {
    fn drop(&mut self) {
        // Of a test that failed in the middle.
        let _ = self.child.kill();
    }
}

fn strip(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string().replace('\r', "")
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
        let killed = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
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
        self.stderr.read_to_string(&mut self.said).expect("stderr is text");
        let code = self.child.wait().expect("the program ends").code();
        let stdout = other.join().expect("the reader ends").expect("stdout is text");
        Output { code, stdout, stderr: std::mem::take(&mut self.said) }
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
        static CRDS: OnceLock<()> = OnceLock::new();
        let cluster = Cluster::shared();
        let namespace = TestNamespace::create(cluster, hint).await;
        let tiphys = Tiphys::new(cluster, &cluster.admin_identity(), namespace.name());
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
        if status.is_null() { created } else { self.application_status(name, status).await }
    }

    /// Writes the status of an Application, as the controller would.
    pub async fn application_status(&self, name: &str, status: Value) -> Application {
        let patch = Patch::Merge(json!({ "status": status }));
        let patched = self.applications().patch_status(name, &PatchParams::default(), &patch).await;
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
        let patched = self.syncs().patch_status(name, &PatchParams::default(), &patch).await;
        patched.expect("the status can be written")
    }

    /// Waits until a new Sync is there: one without a phase.
    pub async fn new_sync(&self) -> Sync {
        let syncs = self.syncs();
        eventually("somebody creates a Sync", SOON, || {
            let syncs = syncs.clone();
            async move {
                let list =
                    syncs.list(&kube::api::ListParams::default()).await.map_err(|it| it.to_string())?;
                let names: Vec<String> = list.items.iter().map(kube::ResourceExt::name_any).collect();
                list.items.into_iter().find(|it| it.status.is_none()).ok_or(format!("{names:?}"))
            }
        })
        .await
    }

    /// Keeps the plan of a dry run, as the controller would, and gives the name of the first Secret.
    pub async fn keep_plan(&self, sync: &Sync, plan: &Plan) -> String {
        let kept_for = KeptFor {
            namespace: self.namespace.name().to_owned(),
            sync: name(sync),
            uid: sync.metadata.uid.clone().expect("a Sync of the cluster"),
            application: sync.spec.application.clone(),
        };
        let store = SnapshotStore::new(Requests::new(self.client(), RequestLimits::default()));
        let pages = plan.pack().expect("a plan can be packed");
        let written = store.write(&kept_for, &pages, Instant::now() + SOON).await;
        written.expect("the pages can be written")
    }

    /// Compares with a snapshot, without what differs from run to run.
    pub fn snapshot(&self, name: &str, output: &Output) {
        snapshot(
            name,
            output,
            &[(self.namespace.name(), "[namespace]"), (Cluster::shared().server(), "[server]")],
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
            (r"web-[0-9a-f]{16}\b", "web-[hash]"),
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
