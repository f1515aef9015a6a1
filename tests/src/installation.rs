//! Tiphys on a cluster as it is shipped: its CRDs, its account with exactly its rights, and the controller as a
//! process that has this account's token and nothing else.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use kube::api::PostParams;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tiphys_api::{Application, FINALIZER, Sync, SyncSpec};

use crate::access::{Access, Identity};
use crate::git::webhook::Webhook;
use crate::http::http_get;
use crate::kit;
use crate::process::{Process, ProcessBuilder, program};
use crate::wait::{NotInTime, eventually, within};

/// How long the API server and its controllers may take for what an installation needs from them.
const IN_EFFECT: Duration = Duration::from_secs(30);

/// How long the controller may take until it is ready.
const START: Duration = Duration::from_secs(30);

/// Tiphys installed on a cluster, with no controller running yet.
#[derive(Clone, Debug)]
pub struct Installation {
    identity: Identity,
}

impl Installation {
    /// The namespace of the installation.
    pub const NAMESPACE: &'static str = "tiphys";

    /// The account of the controller, in [`Self::NAMESPACE`].
    pub const ACCOUNT: &'static str = "tiphys-controller";

    /// The files that are applied, relative to the top of the repository and in this order: everything that is shipped
    /// but the Deployment, because no image can run on a test cluster.
    pub const FILES: [&'static str; 5] = [
        "crds",
        "controller/manifests/namespace.yaml",
        "controller/manifests/rbac.yaml",
        "controller/manifests/admission.yaml",
        "controller/manifests/admission-mutating.yaml",
    ];

    /// Applies [`Self::FILES`] and returns when they are in effect. What is there already is left as it is, so several
    /// test programs may do this on the cluster that they share.
    pub async fn apply(access: &Access) -> Self {
        for file in Self::FILES {
            let path = kit::repository_root().join(file);
            // Server-side, because two test programs that create the same object would collide otherwise.
            access.kubectl([
                "apply".as_ref(),
                "--server-side".as_ref(),
                "--force-conflicts".as_ref(),
                "--filename".as_ref(),
                path.as_os_str(),
            ]);
        }
        access.kubectl(
            ["wait", "--for=condition=Established", "--timeout=30s", "--filename"]
                .map(OsString::from)
                .into_iter()
                .chain([kit::repository_root().join("crds").into_os_string()]),
        );
        eventually("the controller may deploy", IN_EFFECT, || async {
            // The rules of an aggregated ClusterRole are filled in by a controller of Kubernetes.
            let rules = access.kubectl([
                "get",
                "clusterrole",
                "tiphys-deployer",
                "--output=jsonpath={.rules[*].verbs}",
            ]);
            if rules.contains('*') { Ok(()) } else { Err(format!("the rules of tiphys-deployer: {rules:?}")) }
        })
        .await;
        eventually("the admission policies are in effect", IN_EFFECT, || policies_hold(access)).await;
        Self { identity: access.service_account(Self::NAMESPACE, Self::ACCOUNT).await }
    }

    /// The account of the controller.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Describes a controller that talks to the API server in this way: straight, or through a
    /// [`FaultProxy`](crate::FaultProxy).
    pub fn controller(&self, access: &Access) -> ControllerBuilder {
        ControllerBuilder::new(&access.kubeconfig(&self.identity, Self::NAMESPACE))
    }
}

/// Asks, without changing anything, for an Application, a Sync in nobody's name, and one in somebody else's.
async fn policies_hold(access: &Access) -> Result<(), String> {
    let syncs: Api<Sync> = Api::namespaced(access.admin(), Installation::NAMESPACE);
    let question = PostParams { dry_run: true, ..PostParams::default() };
    let applications: Api<Application> = Api::namespaced(access.admin(), Installation::NAMESPACE);
    let application = json!({
        "apiVersion": "tiphys.dev/v1alpha1", "kind": "Application", "metadata": { "name": "question" },
        "spec": { "source": { "repo": "question" } },
    });
    let application = serde_json::from_value(application).map_err(|error| error.to_string())?;
    let filled = applications.create(&question, &application).await.map_err(|error| error.to_string())?;
    if filled.finalizers() != [FINALIZER] {
        return Err(format!("an Application has the finalizers {:?}", filled.finalizers()));
    }
    let mut sync =
        Sync::new("question", SyncSpec { application: "question".to_owned(), ..SyncSpec::default() });
    let filled = syncs.create(&question, &sync).await.map_err(|error| error.to_string())?;
    if filled.spec.initiated_by.user.is_none() {
        return Err("an empty initiatedBy.user is not filled in".to_owned());
    }
    sync.spec.initiated_by.user = Some("somebody-else".to_owned());
    match syncs.create(&question, &sync).await {
        Err(kube::Error::Api(status)) if status.message.contains("somebody-else") => Ok(()),
        other => Err(format!("a Sync in somebody else's name: {other:?}")),
    }
}

/// A controller to start.
#[derive(Debug)]
pub struct ControllerBuilder {
    process: ProcessBuilder,
    webhook: SocketAddr,
    metrics: SocketAddr,
    /// A folder for mirrors that is removed with the controller; `None` when it was given one.
    scratch: Option<TempDir>,
    election: bool,
}

/// The command line as a person would type it, without the environment.
impl fmt::Display for ControllerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.process)
    }
}

impl ControllerBuilder {
    /// A controller with this kubeconfig: logs of level `info`, data in a temporary folder, servers on free ports, and
    /// no election.
    pub fn new(kubeconfig: &Path) -> Self {
        let [webhook, metrics] = free_addresses();
        let process = Process::builder("tiphys-controller", program("tiphys-controller"))
            .args(["run", "--log-format=human", "--namespace", Installation::NAMESPACE])
            .arg(format!("--webhook-address={webhook}"))
            .arg(format!("--metrics-address={metrics}"))
            .env("KUBECONFIG", kubeconfig)
            // As the Deployment has it.
            .env("MALLOC_ARENA_MAX", "1");
        Self { process, webhook, metrics, scratch: Some(kit::scratch("controller-data")), election: false }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.process = self.process.arg(argument);
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.process = self.process.env(name, value);
        self
    }

    /// What is logged, such as `tiphys_engine=debug,info`. `TIPHYS_LOG` of the test program wins.
    #[must_use]
    pub fn log(self, filter: &str) -> Self {
        match std::env::var_os("TIPHYS_LOG") {
            Some(_) => self,
            None => self.env("TIPHYS_LOG", filter),
        }
    }

    /// Appends the log to this file, which stays.
    #[must_use]
    pub fn log_file(mut self, file: impl AsRef<Path>) -> Self {
        self.process = self.process.log_file(file);
        self
    }

    /// Keeps mirrors in this folder, which stays, so that a second controller finds them.
    #[must_use]
    pub fn data_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.scratch = None;
        self.arg("--data-dir").arg(folder.as_ref())
    }

    /// Stands for election under this name, as replicas do.
    #[must_use]
    pub fn elected_as(mut self, identity: &str) -> Self {
        self.election = true;
        self.arg(format!("--identity={identity}"))
    }

    /// Starts it, and returns at once.
    pub fn launch(mut self) -> Controller {
        if let Some(scratch) = &self.scratch {
            self.process = self.process.arg("--data-dir").arg(scratch.path());
        }
        if !self.election {
            self.process = self.process.arg("--no-leader-election");
        }
        Controller {
            process: self.process.start(),
            webhook: self.webhook,
            metrics: self.metrics,
            _scratch: self.scratch,
        }
    }

    /// Starts it, and returns when it says that it is ready.
    #[track_caller]
    pub fn start(self) -> impl Future<Output = Controller> {
        let controller = self.launch();
        async move {
            controller.wait_until_ready().await;
            controller
        }
    }
}

/// Two addresses on which nothing listens.
fn free_addresses() -> [SocketAddr; 2] {
    // Both are bound at once, so that they differ.
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free"));
    listeners.map(|it| it.local_addr().expect("a bound socket has an address"))
}

/// A running controller. [`Process`] says what can be done with it; dropping it kills it.
#[derive(Debug)]
pub struct Controller {
    process: Process,
    webhook: SocketAddr,
    metrics: SocketAddr,
    _scratch: Option<TempDir>,
}

impl Controller {
    /// Waits until it says that it is ready.
    pub async fn wait_until_ready(&self) {
        if let Err(error) = self.until_ready().await {
            panic!("{error}\n{}", self.log());
        }
    }

    /// [`Self::wait_until_ready`] for a caller that does not want to panic.
    pub async fn until_ready(&self) -> Result<(), NotInTime> {
        let url = format!("http://{}/readyz", self.metrics);
        within("the controller is ready", START, || async {
            match http_get(&url).await? {
                answer if answer.status == 200 => Ok(()),
                answer => Err(format!("{}: {}", answer.status, answer.body)),
            }
        })
        .await
    }

    /// Where forges send webhooks.
    pub fn webhook_url(&self) -> String {
        format!("http://{}/webhook", self.webhook)
    }

    /// A webhook for it that is signed with the secret of [`repository_manifests`].
    pub fn webhook(&self) -> Webhook {
        Webhook::github(&self.webhook_url(), WEBHOOK_SECRET)
    }

    /// Where Prometheus would scrape.
    pub fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.metrics)
    }

    /// All samples that it exports, by name and labels as they are written, such as `tiphys_leader` or
    /// `tiphys_fetches_total{result="changed"}`.
    pub async fn metrics(&self) -> Result<BTreeMap<String, f64>, String> {
        let text = http_get(&self.metrics_url()).await?.body;
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        Ok(samples
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect())
    }

    /// The process ids of its workers.
    pub fn workers(&self) -> Vec<u32> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid()));
        let threads = threads.into_iter().flatten().flatten();
        let children = threads.filter_map(|it| std::fs::read_to_string(it.path().join("children")).ok());
        children
            .flat_map(|it| it.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>())
            .collect()
    }
}

impl Deref for Controller {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

/// The shared secret of all webhooks in tests.
pub const WEBHOOK_SECRET: &str = "correct-horse-battery-staple";

/// A `Repository` of this name for a plain http address, and the Secret with [`WEBHOOK_SECRET`] that its webhooks are
/// verified with: what a Git server of a test needs in each namespace that has Applications. For `kubectl apply`.
pub fn repository_manifests(ns: &str, name: &str, url: &str) -> String {
    let metadata = |name: &str| json!({ "name": name, "namespace": ns });
    let secret_name = format!("{name}-webhook");
    let items: [Value; 2] = [
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": metadata(&secret_name),
            "stringData": { "token": WEBHOOK_SECRET },
        }),
        json!({
            "apiVersion": "tiphys.dev/v1alpha1", "kind": "Repository", "metadata": metadata(name),
            "spec": { "url": url, "insecure": true, "webhook": { "secretRef": { "name": secret_name } } },
        }),
    ];
    json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
}
