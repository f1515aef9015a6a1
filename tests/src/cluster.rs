//! The Kubernetes control plane under the tests.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use crate::access::Access;
use crate::kit;
use serde::Deserialize;

/// What `tiphys-cluster up` says about itself.
#[derive(Debug, Deserialize)]
struct Description {
    server: String,
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    tokens: BTreeMap<String, String>,
    kubeconfig: PathBuf,
    dir: PathBuf,
    logs: PathBuf,
}

/// A running control plane. [`Access`] says what can be asked of it.
pub struct Cluster {
    access: Access,
    description: Description,
}

impl Cluster {
    /// The cluster that all tests share: each uses namespaces of its own and leaves the rest as it was.
    ///
    /// `make test` starts it for all test programs (`TIPHYS_TEST_CLUSTER` names the file that describes it); otherwise
    /// the first caller starts one for this program.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Shared> = OnceLock::new();
        let shared = SHARED.get_or_init(|| match std::env::var_os("TIPHYS_TEST_CLUSTER") {
            Some(file) => {
                let text = std::fs::read_to_string(&file)
                    .unwrap_or_else(|error| panic!("TIPHYS_TEST_CLUSTER={}: {error}", file.display()));
                Shared::Given(Self::described(&text, programs()))
            }
            // A static is never dropped; the cluster ends because its standard input closes with this program.
            None => Shared::Own(OwnCluster::start(&ClusterOptions::default())),
        });
        match shared {
            Shared::Given(cluster) => cluster,
            Shared::Own(own) => own,
        }
    }

    fn described(text: &str, programs: PathBuf) -> Self {
        let description: Description = serde_json::from_str(text)
            .unwrap_or_else(|error| panic!("not a description of a cluster: {error}: {text}"));
        let access = Access::new(
            description.server.clone(),
            description.ca.clone(),
            description.tokens.clone(),
            programs,
            description.dir.clone(),
        );
        Self { access, description }
    }

    /// Certificate and key (PEM) of the API server, for a proxy that stands in for it.
    pub(crate) fn serving_certificate(&self) -> (String, String) {
        let read = |path: &Path| std::fs::read_to_string(path).expect("the cluster's keys are there");
        (read(&self.description.certificate), read(&self.description.key))
    }

    /// The admin's kubeconfig.
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.description.kubeconfig
    }

    /// The folder with one log file for each component.
    pub fn logs(&self) -> &Path {
        &self.description.logs
    }
}

impl Deref for Cluster {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.access
    }
}

enum Shared {
    Given(Cluster),
    Own(OwnCluster),
}

/// The folder with `tiphys-cluster`, `kwok` and `kubectl`; they are built when this machine does not have them yet.
fn programs() -> PathBuf {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS
        .get_or_init(|| {
            if let Some(folder) = std::env::var_os("TIPHYS_CLUSTER_PROGRAMS") {
                return folder.into();
            }
            let output = Command::new(kit::repository_root().join("scripts/cluster.sh"))
                .stderr(Stdio::inherit())
                .output()
                .expect("scripts/cluster.sh runs");
            assert!(output.status.success(), "scripts/cluster.sh failed: {}", output.status);
            PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
        })
        .clone()
}

/// Choices for a cluster of one's own.
#[derive(Clone, Debug, Default)]
pub struct ClusterOptions {
    /// Requests a second that controller-manager and scheduler allow themselves; `None` is 1000, Kubernetes has 20.
    pub qps: Option<u32>,
    /// Lets the API server take all requests at once, for benchmarks.
    pub no_priority_and_fairness: bool,
    /// A port for the API server instead of a free one.
    pub apiserver_port: Option<u16>,
    /// Further flags of the API server, such as `--v=4`.
    pub apiserver_flags: Vec<String>,
    /// Goes on after this program has ended, until `tiphys-cluster` gets SIGTERM, with its files in this folder.
    pub keep_in: Option<PathBuf>,
}

/// A part of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// The database.
    Etcd,
    /// The API server.
    ApiServer,
    /// The controllers of Kubernetes: Deployments, garbage collection, namespaces and so on.
    ControllerManager,
    /// What binds pods to the node.
    Scheduler,
    /// What makes pods run.
    Kwok,
}

impl Component {
    fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "apiserver",
            Self::ControllerManager => "controller-manager",
            Self::Scheduler => "scheduler",
            Self::Kwok => "kwok",
        }
    }
}

/// The answer of `tiphys-cluster up` to a command.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    error: String,
    pids: BTreeMap<String, u32>,
}

struct Supervisor {
    child: Child,
    /// Dropped to end the cluster.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// A cluster of this test alone, which it may break: parts can be stopped, killed, paused and started again, and come
/// back under the same address with the same data. It takes 3 seconds and 700 MiB; it is gone when this is dropped.
pub struct OwnCluster {
    cluster: Cluster,
    supervisor: Mutex<Supervisor>,
    keep: bool,
}

impl OwnCluster {
    /// Starts a cluster and returns when pods can run in it.
    pub fn start(options: &ClusterOptions) -> Self {
        let programs = programs();
        let folder = options.keep_in.clone().unwrap_or_else(|| kit::scratch("cluster").keep());
        let mut log = tempfile::tempfile().expect("a temporary file can be made");
        let mut command = Command::new(programs.join("tiphys-cluster"));
        command
            .args(arguments(options, &folder))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone().expect("a file can be used twice"));
        // Unlike other processes it is not bound to this one: the end of its standard input ends it.
        let mut child = command.spawn().expect("tiphys-cluster starts");
        let commands = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        answers.read_line(&mut line).expect("tiphys-cluster prints text");
        if line.is_empty() {
            let mut words = String::new();
            log.rewind().expect("a file can be read again");
            log.read_to_string(&mut words).expect("tiphys-cluster writes text");
            panic!("the cluster did not start: {words}");
        }
        Self {
            cluster: Cluster::described(&line, programs),
            supervisor: Mutex::new(Supervisor { child, commands, answers }),
            keep: options.keep_in.is_some(),
        }
    }

    /// SIGTERM, and SIGKILL three seconds later.
    pub fn stop(&self, component: Component) {
        self.command("stop", component);
    }

    /// SIGKILL.
    pub fn kill(&self, component: Component) {
        self.command("kill", component);
    }

    /// Starts what was stopped or killed, and returns when it answers.
    pub fn restart(&self, component: Component) {
        self.command("start", component);
    }

    /// Makes it hang: its connections stay open and nothing comes.
    pub fn pause(&self, component: Component) {
        self.command("pause", component);
    }

    /// Ends [`Self::pause`].
    pub fn resume(&self, component: Component) {
        self.command("resume", component);
    }

    /// The process id of `tiphys-cluster` itself, which SIGTERM ends.
    pub fn pid(&self) -> u32 {
        self.supervisor.lock().unwrap().child.id()
    }

    fn command(&self, verb: &str, component: Component) -> BTreeMap<String, u32> {
        let mut supervisor = self.supervisor.lock().unwrap();
        let commands = supervisor.commands.as_mut().expect("open until it is dropped");
        writeln!(commands, "{verb} {}", component.name()).expect("tiphys-cluster takes commands");
        let mut line = String::new();
        supervisor.answers.read_line(&mut line).expect("tiphys-cluster answers");
        let answer: Answer = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{verb} {component:?}: {error}: {line:?}"));
        assert!(answer.error.is_empty(), "{verb} {component:?}: {}", answer.error);
        answer.pids
    }
}

fn arguments(options: &ClusterOptions, folder: &Path) -> Vec<String> {
    let mut arguments = vec!["up".to_owned(), format!("--dir={}", folder.display())];
    arguments.push(if options.keep_in.is_some() { "--keep" } else { "--remove" }.to_owned());
    if let Some(qps) = options.qps {
        arguments.push(format!("--qps={qps}"));
    }
    if options.no_priority_and_fairness {
        arguments.push("--no-priority-and-fairness".to_owned());
    }
    if let Some(port) = options.apiserver_port {
        arguments.push(format!("--apiserver-port={port}"));
    }
    arguments.extend(options.apiserver_flags.iter().map(|it| format!("--apiserver-flag={it}")));
    arguments
}

impl Deref for OwnCluster {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl Drop for OwnCluster {
    fn drop(&mut self) {
        let Ok(supervisor) = self.supervisor.get_mut() else {
            return;
        };
        drop(supervisor.commands.take());
        if !self.keep {
            let _ = supervisor.child.wait();
        }
    }
}
