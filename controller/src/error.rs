//! What can go wrong in the controller.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::application::RenderFailure;

/// What can go wrong in the controller, one variant for each operation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    WriteFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Our own YAML cannot be written.
    #[error("cannot write YAML")]
    WriteYaml(#[source] serde_yaml::Error),
    /// The runtime cannot be started.
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
    /// A server's address cannot be had.
    #[error("cannot listen on {address}: is another process there?")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Our own program cannot be found, which is needed to start workers.
    #[error("cannot find our own program, which is needed to start workers")]
    OwnProgram(#[source] std::io::Error),
    /// It is not known how to reach the API server.
    #[error("cannot find out how to reach the API server: run inside the cluster, or set KUBECONFIG")]
    Config(#[source] Box<kube::config::InferConfigError>),
    /// The installation's namespace cannot be read.
    #[error("cannot read namespace {namespace}: create it, or name another one with --namespace")]
    Namespace {
        /// The namespace.
        namespace: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// What was there before the start cannot be listed.
    #[error("cannot list {what}: are the CRDs installed (kubectl apply -f crds/), and may we list them?")]
    List {
        /// What.
        what: &'static str,
        /// Why.
        source: Box<kube::Error>,
    },
    /// One of our own resources cannot be written.
    #[error("cannot {operation} {name}")]
    Write {
        /// What was tried.
        operation: &'static str,
        /// On what.
        name: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// Traces cannot be sent to where they should be.
    #[error("--otlp-endpoint (OTEL_EXPORTER_OTLP_ENDPOINT): {0}")]
    Otlp(&'static str),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] tiphys_engine::Error),
    /// The mirrors cannot be opened.
    #[error(transparent)]
    Mirrors(#[from] tiphys_source::Error),
    /// The source cannot be rendered for now.
    #[error("the source cannot be rendered now")]
    Render(#[source] Box<RenderFailure>),
    /// The API server does not answer dry runs for now.
    #[error("the plan cannot be made now: {message}")]
    Check {
        /// What the first one said.
        message: String,
    },
    /// The secret from which charts draw is unusable, or cannot be made.
    #[error("{message}")]
    Seed {
        /// What is wrong and what to do.
        message: String,
    },
    /// An Application shall work with the rights of an account that does not exist.
    #[error(
        "there is no ServiceAccount {name} in namespace {namespace}: create it, or name another one in \
         spec.serviceAccountName of the Application or spec.defaultServiceAccountName of its Project"
    )]
    NoAccount {
        /// Where it should be.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The accounts cannot be listed.
    #[error("it cannot be seen which ServiceAccounts exist: {message}")]
    Accounts {
        /// Why.
        message: String,
    },
    /// Another Application, between which and this one objects may move, cannot be asked yet: it was not looked at, or is
    /// being synced.
    #[error("{application}, between which and this one objects may move, is not ready yet")]
    NotLooked {
        /// Which one, in words.
        application: String,
    },
    /// There is no source to look at.
    #[error("the source is not known yet")]
    NoSource,
    /// A hundred names for a Sync are taken.
    #[error("no name is free for a new Sync: delete Syncs that were created by hand")]
    NoName,
    /// Deciding again and again led nowhere.
    #[error("too many decisions in a row: please report this with the debug log")]
    TooManySteps,
    /// Leadership was lost.
    #[error(
        "a Lease was lost: it could not be renewed in time, or another replica took it; a new process stands for it again"
    )]
    LostLease,
}

impl Error {
    /// For `map_err`: what was tried on which of our own resources.
    pub fn write(operation: &'static str, name: &str) -> impl FnOnce(kube::Error) -> Self {
        let name = name.to_owned();
        move |source| Self::Write { operation, name, source: Box::new(source) }
    }

    /// Whether the same may succeed later though nobody changes anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Write { source, .. } | Self::List { source, .. } | Self::Namespace { source, .. } => {
                is_transient(source)
            }
            // A conflict is somebody else's write of the same moment.
            Self::Engine(error) => {
                matches!(error.class(), tiphys_engine::Class::Transient | tiphys_engine::Class::Conflict)
            }
            Self::Mirrors(error) => error.class() == tiphys_source::Class::Transient,
            Self::Render(_)
            | Self::Check { .. }
            | Self::Accounts { .. }
            | Self::NotLooked { .. }
            | Self::NoSource => true,
            Self::WriteFile { .. }
            | Self::WriteYaml(_)
            | Self::Runtime(_)
            | Self::Bind { .. }
            | Self::OwnProgram(_)
            | Self::Otlp(_)
            | Self::Config(_)
            | Self::NoName
            | Self::NoAccount { .. }
            | Self::Seed { .. }
            | Self::TooManySteps
            | Self::LostLease => false,
        }
    }
}

fn is_transient(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 409 | 429 | 500..),
        _ => true,
    }
}

/// An error with everything that caused it, on one line. What a cause repeats of its effect is said once.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}
