//! jq path expressions over JSON, evaluated where they can do no harm.
//!
//! jq is a whole programming language: an expression may run for ever or ask for all memory, and its interpreter has no
//! bound of its own. So expressions are compiled and evaluated in workers (`tiphys-worker`): sealed processes without
//! files, network or environment, under limits of the operating system. The language is that of jaq; what reads
//! anything but the object (`env`, `now`, `input`, modules) is not available.
//!
//! [`Jq`] is the owner side, [`serve`] the worker's; [`evaluate`] is what the worker does.

mod evaluate;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tiphys_worker::{Class, Limits, Pool, PoolConfig, Sandbox, ServeError};

pub use evaluate::{MAX_PATHS, evaluate};

/// The role that a [`Jq`] starts its workers with.
pub const ROLE: &str = "jq";

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Step {
    /// Into the item of a list, counted from 0.
    Index(usize),
    /// Into a mapping.
    Field(String),
}

/// What some expressions lead to in some objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The expressions.
    pub expressions: Vec<String>,
    /// The objects.
    pub objects: Vec<Value>,
}

/// What one expression leads to in one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The paths, in the order in which the expression gives them.
    pub paths: Vec<Vec<Step>>,
    /// Why it gave no more, if it did not come to its end. Never holds values of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// An expression that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("jq expression {expression:?}: {message}")]
pub struct Unusable {
    /// The expression.
    pub expression: String,
    /// What is wrong with it, and where.
    pub message: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An expression cannot be used.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The worker gave no answer. When an expression passed a limit, the text names it.
    #[error("{source}")]
    Worker {
        /// Why.
        source: tiphys_worker::Error,
    },
}

impl Error {
    /// Whether trying again without any change may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unusable(_) => false,
            Self::Worker { source } => source.class() == Class::Transient,
        }
    }
}

/// Evaluates expressions in workers. Clones share the workers.
#[derive(Clone)]
pub struct Jq {
    pool: Pool,
}

impl Jq {
    /// Starts its workers from this program when they are needed.
    pub fn new(program: PathBuf) -> Self {
        let pool = Pool::new(PoolConfig {
            role: ROLE,
            program,
            size: NonZeroUsize::MIN.saturating_add(1),
            limits: Limits {
                memory_bytes: 128 << 20,
                cpu: Duration::from_secs(2),
                wall: Duration::from_secs(5),
                output_bytes: 4 << 20,
            },
            idle: Duration::from_mins(1),
            sandbox: Sandbox::Sealed,
        });
        Self { pool }
    }

    /// Says whether all of these expressions can be used.
    pub async fn check(&self, expressions: Vec<String>) -> Result<(), Error> {
        self.find(&Job { expressions, objects: Vec::new() }).await.map(drop)
    }

    /// What each expression leads to in each object: of the first object all expressions, then of the second.
    pub async fn find(&self, job: &Job) -> Result<Vec<Found>, Error> {
        let found: Result<Result<Vec<Found>, Unusable>, _> = self.pool.call(job).await;
        Ok(found.map_err(|source| Error::Worker { source })??)
    }
}

/// Evaluates expressions until the owner of this process closes the pipe. The binary calls it for [`ROLE`].
pub fn serve() -> Result<(), ServeError> {
    tiphys_worker::serve(Sandbox::Sealed, |job: Job| {
        evaluate(&job, &|expression| tiphys_worker::note(&format!("jq expression {expression:?}")))
    })
}
