//! Everything that can keep a command from doing what was asked, each with what to do next.

use std::path::PathBuf;

use kube::config::{InClusterError, KubeconfigError};
use tiphys_engine::Class;

use crate::exit::Exit;
use crate::failure::Failure;

/// Everything that can keep a command from doing what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig cannot be read or does not name a cluster.
    #[error("the kubeconfig cannot be used")]
    Kubeconfig(#[source] KubeconfigError),
    /// There is no kubeconfig and this is no pod.
    #[error("there is no kubeconfig, and this is not a pod of a cluster either")]
    NoCluster(#[source] InClusterError),
    /// The kubeconfig names something that no client can be made from.
    #[error("no client can be made for {server}")]
    Client {
        /// URL of the API server.
        server: String,
        /// Why.
        source: Failure,
    },
    /// A request to the API server did not come out well.
    #[error("could not {operation}")]
    Request {
        /// What was tried, after "could not".
        operation: String,
        /// Why it did not come out well.
        source: Failure,
    },
    /// A watch ended for good.
    #[error("could not watch {what}")]
    Watch {
        /// What was watched.
        what: String,
        /// Why it ended.
        source: Failure,
    },
    /// There is no such Application.
    #[error("there is no Application `{name}` in namespace `{namespace}`")]
    NoApplication {
        /// Its name.
        name: String,
        /// Where it was looked for.
        namespace: String,
    },
    /// There is an Application of that name already.
    #[error("there is an Application `{name}` in namespace `{namespace}` already")]
    ApplicationExists {
        /// Its name.
        name: String,
        /// Where.
        namespace: String,
    },
    /// There is no such Sync.
    #[error("Application `{application}` has no Sync {sync}")]
    NoSync {
        /// The Application.
        application: String,
        /// The number or name that was asked for.
        sync: String,
        /// The numbers that there are, for people.
        known: String,
    },
    /// Nothing to roll back to.
    #[error("Application `{application}` has no earlier successful Sync to go back to")]
    NoEarlierSync {
        /// The Application.
        application: String,
    },
    /// The Sync has no snapshot.
    #[error(
        "Sync {number} of Application `{application}` has no snapshot: it ended before it applied anything"
    )]
    NoSnapshot {
        /// The Application.
        application: String,
        /// The number of the Sync.
        number: u64,
    },
    /// The Sync was only a question.
    #[error("Sync {sync} of Application `{application}` was a dry run, which applies nothing")]
    DryRun {
        /// The Application.
        application: String,
        /// The number or name that was asked for.
        sync: String,
    },
    /// The Syncs that would say what was live are not kept.
    #[error(
        "what was live at {at} cannot be said: {} of Application `{application}` may have been live, and cannot be asked any more",
        lost_words(*.first, *.last)
    )]
    HistoryGone {
        /// The Application.
        application: String,
        /// The moment.
        at: jiff::Timestamp,
        /// The first number of those that are not kept.
        first: u64,
        /// The last one.
        last: u64,
        /// What is known all the same, or what to do.
        hint: String,
    },
    /// A Sync that was followed is gone.
    #[error("the Sync `{sync}` was deleted while it ran")]
    SyncDeleted {
        /// Its name.
        sync: String,
    },
    /// A Sync ended without success.
    #[error("{sentence}")]
    Unsuccessful {
        /// How it ended.
        sentence: String,
        /// What to do next.
        hint: String,
    },
    /// An Application cannot get where it should be by itself.
    #[error("Application `{application}` cannot get there by itself")]
    Stalled {
        /// The Application.
        application: String,
        /// What the controller said.
        source: Said,
    },
    /// The time given for waiting is over.
    #[error("{what}: {reason}")]
    NotInTime {
        /// What was waited for, and how long.
        what: String,
        /// Where it is.
        reason: String,
        /// What to do next.
        hint: String,
    },
    /// A dry run ended without a plan.
    #[error("no plan could be made for Application `{application}`")]
    NoPlan {
        /// The Application.
        application: String,
        /// What the controller said.
        source: Said,
    },
    /// A plan has objects that are refused; it was printed.
    #[error("{} refused, so this plan cannot run", crate::output::words::count(*.count, "object"))]
    Refusals {
        /// How many.
        count: usize,
    },
    /// A plan or snapshot of the cluster cannot be read.
    #[error("the {what} of Sync `{sync}` cannot be read")]
    Snapshot {
        /// `plan` or `snapshot`.
        what: &'static str,
        /// The Sync it belongs to.
        sync: String,
        /// Why.
        source: Box<tiphys_engine::Error>,
    },
    /// A plan or snapshot is not there.
    #[error("the {what} of Sync `{sync}` is gone")]
    SnapshotGone {
        /// `plan` or `snapshot`.
        what: &'static str,
        /// The Sync it belonged to.
        sync: String,
    },
    /// An Application has applied nothing.
    #[error("Application `{application}` has applied nothing yet")]
    NothingApplied {
        /// The Application.
        application: String,
    },
    /// The kinds of the cluster are not known.
    #[error("the API server does not say what it serves")]
    Discovery {
        /// Why.
        source: Box<tiphys_engine::Error>,
    },
    /// The installation is not known, and with it the marks of its objects.
    #[error("the namespace `{namespace}` of the installation cannot be read")]
    Installation {
        /// The namespace.
        namespace: String,
        /// Why.
        source: Failure,
    },
    /// What is live cannot be read.
    #[error("what is live cannot be read")]
    Live {
        /// Why.
        source: Box<tiphys_engine::Error>,
    },
    /// A question would have to be asked, and nobody can answer.
    #[error("standard input is not a terminal, so nobody can answer: {question}")]
    NobodyToAsk {
        /// The question.
        question: String,
    },
    /// The person said no.
    #[error("not confirmed, nothing was done")]
    NotConfirmed,
    /// Ctrl-C, before anything was started.
    #[error("interrupted, nothing was done")]
    Interrupted,
    /// An option does not go with another.
    #[error("{problem}")]
    Options {
        /// What does not fit.
        problem: String,
        /// What to write instead.
        instead: String,
    },
    /// A local directory cannot be rendered.
    #[error("`{directory}` cannot be rendered", directory = directory.display())]
    Render {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A Helm chart cannot be used; the text is Helm's.
    #[error("{0}")]
    Helm(String),
    /// A batch of charts ended early.
    #[error("the batch ended early")]
    Batch(#[source] crate::helm::batch::BatchError),
    /// A file cannot be read.
    #[error("`{path}` cannot be read", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("`{path}` cannot be written", path = path.display())]
    WriteFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no saved plan, or the plan is for something else.
    #[error("`{path}` cannot be used: {problem}", path = path.display())]
    SavedPlan {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Standard output cannot be written.
    #[error("standard output cannot be written")]
    Write(#[source] std::io::Error),
    /// The operating system did not give what a process needs.
    #[error("this process cannot be set up")]
    Process(#[source] std::io::Error),
    /// What this program was built from is broken.
    #[error("the manifests inside this program are broken")]
    Embedded(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A sentence that the controller wrote into a status, as the cause of an error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Said(pub String);

impl Error {
    /// A request that did not come out well; `operation` completes "could not".
    pub fn request(operation: impl Into<String>, source: impl Into<Failure>) -> Self {
        Self::Request { operation: operation.into(), source: source.into() }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Kubeconfig(error) => kubeconfig_hint(error),
            Self::NoCluster(_) => "set KUBECONFIG or pass `--kubeconfig FILE`",
            Self::Client { source, .. } | Self::Request { source, .. } => source.hint()?,
            Self::Watch { .. } => "the cluster goes on without us: `tiphys history` shows how it ended",
            Self::NoApplication { .. } => {
                "`tiphys list -A` shows all Applications; `-n NAMESPACE` chooses a namespace"
            }
            Self::ApplicationExists { name, .. } => {
                return Some(format!(
                    "`tiphys get {name}` shows it; change it with `kubectl edit app {name}`"
                ));
            }
            Self::NoSync { known, .. } => return Some(known.clone()),
            Self::DryRun { application, .. }
            | Self::NoEarlierSync { application }
            | Self::NoSnapshot { application, .. } => {
                return Some(format!(
                    "`tiphys history {application}` shows what there is; \
                     `tiphys sync {application} --revision REVISION` goes to any revision"
                ));
            }
            Self::SyncDeleted { .. } => "what it had applied by then stays; `tiphys sync` starts a new one",
            Self::Unsuccessful { hint, .. }
            | Self::NotInTime { hint, .. }
            | Self::HistoryGone { hint, .. } => return Some(hint.clone()),
            Self::Stalled { application, .. } | Self::NoPlan { application, .. } => {
                return Some(format!(
                    "correct what is named above; `tiphys get {application}` shows the state"
                ));
            }
            Self::Refusals { .. } => "correct what the plan names after `refused:`",
            Self::Snapshot { source, .. } if source.class() == Class::Forbidden => {
                "you need the right to read Secrets in the namespace of the Application"
            }
            Self::Snapshot { .. } => {
                "client and server may be of different versions: `tiphys version --server` shows both"
            }
            Self::SnapshotGone { .. } => "it goes with its Sync; `tiphys history` shows those that are kept",
            Self::NothingApplied { application } => {
                return Some(format!("`tiphys sync {application}` does that"));
            }
            Self::Discovery { .. } | Self::Live { .. } => "try again; `tiphys check` looks at the cluster",
            Self::Installation { .. } => {
                "`--installation NAMESPACE` says where the controller runs; you need the right to get that namespace"
            }
            Self::NobodyToAsk { .. } => "add `--yes` to go ahead without being asked",
            Self::Batch(_) => "each line is an object: {\"id\": …, \"chart\": …, \"args\": […]}",
            Self::Helm(_) | Self::NotConfirmed | Self::Interrupted | Self::Write(_) | Self::Process(_) => {
                return None;
            }
            Self::Options { instead, .. } => return Some(instead.clone()),
            Self::Render { .. } => "correct the place that is named above",
            Self::SavedPlan { .. } => "`tiphys plan APPLICATION -o FILE` saves a plan",
            Self::Read { .. } | Self::WriteFile { .. } => "check the path and its permissions",
            Self::Embedded(_) => "install another build of tiphys, and report this one",
        };
        Some(hint.to_owned())
    }

    /// The exit code.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Options { .. } => Exit::Usage,
            Self::Interrupted => Exit::Interrupted,
            Self::Unsuccessful { .. } | Self::Stalled { .. } => Exit::Unsuccessful,
            Self::NotInTime { .. } => Exit::TimedOut,
            _ => Exit::Failed,
        }
    }

    /// Whether the reader of our output went away, as `head` does; nothing is wrong then.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Write(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

/// The subject of a sentence about Syncs that are gone.
fn lost_words(first: u64, last: u64) -> String {
    if first == last { format!("Sync {first}") } else { format!("Syncs {first} to {last}") }
}

fn kubeconfig_hint(error: &KubeconfigError) -> &'static str {
    match error {
        KubeconfigError::CurrentContextNotSet => {
            "choose a context with `--context NAME` or `kubectl config use-context NAME`"
        }
        KubeconfigError::LoadContext(_) => "`kubectl config get-contexts` lists the contexts that there are",
        KubeconfigError::ReadConfig(..) | KubeconfigError::FindPath => {
            "set KUBECONFIG or pass `--kubeconfig FILE`"
        }
        _ => "correct the kubeconfig; `kubectl config view` shows it",
    }
}
