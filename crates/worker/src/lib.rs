//! Worker processes: what cannot be bounded from inside runs in a process of our own binary, with limits that the
//! operating system holds.
//!
//! The owner side is a [`Pool`]: it starts the workers of one role, keeps them warm, sends requests and kills a
//! worker that passes a limit. The worker side is [`serve`]: the process first restricts itself, then answers one
//! request after the other. Both sides speak frames of JSON over stdin and stdout.
//!
//! A binary that hosts workers begins its `main` with [`worker_role`]:
//!
//! ```no_run
//! use std::process::ExitCode;
//! use tiphys_worker::Sandbox;
//!
//! fn main() -> ExitCode {
//!     if let Some(role) = tiphys_worker::worker_role(std::env::args_os()) {
//!         let served = match role.as_str() {
//!             "echo" => tiphys_worker::serve(Sandbox::Sealed, |text: String| text),
//!             _ => Err(tiphys_worker::ServeError::UnknownRole { role }),
//!         };
//!         return tiphys_worker::exit_code(served);
//!     }
//!     // The normal life of the binary.
//!     ExitCode::SUCCESS
//! }
//! ```
//!
//! # Guarantees
//! - A request ends within its wall-clock limit, whatever the worker does.
//! - A worker that passed a limit, crashed, or whose call was dropped is killed and never used again.
//! - Memory, CPU time and output are bounded for each request; the owner never reads more than the output limit.
//! - A worker starts with nothing of its owner's environment and ends when its owner ends, even after `kill -9` of the
//!   owner.
//!
//! # Caveats
//! The limits need Linux. Memory is limited by `RLIMIT_DATA`, not by `RLIMIT_AS`: address space is also what a large
//! binary, an arena of the allocator or a mapped Git pack takes without using memory.

mod error;
mod frame;
mod pool;
mod process;
mod restrict;
mod serve;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use error::{Class, Error};
pub use pool::{Counters, Pool};
pub use serve::{CappedBuffer, ServeError, exit_code, note, serve};

/// The first argument of a worker process; the second one is the role.
const WORKER_ARGUMENT: &str = "worker";

/// The role for which this process was started as a worker, or `None` for any other start.
///
/// Takes the arguments as [`std::env::args_os`] gives them, program name first. The arguments of a worker are exactly
/// `worker <role>`.
pub fn worker_role(arguments: impl IntoIterator<Item = OsString>) -> Option<String> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != WORKER_ARGUMENT {
        return None;
    }
    let role = arguments.next()?.into_string().ok()?;
    arguments.next().is_none().then_some(role)
}

/// How far a worker is shut off from the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sandbox {
    /// No file, no network, no other process: the worker can compute and talk to its owner, nothing else.
    Sealed,
    /// Files and network as the owner has them, but no program can be started and no other process be touched.
    Network,
}

/// What one request may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Writable private memory of the worker, in bytes (`RLIMIT_DATA`).
    pub memory_bytes: u64,
    /// CPU time of one request. The kernel counts in whole seconds, so up to a second more is possible.
    pub cpu: Duration,
    /// Wall-clock time of one request, counted from the moment a worker takes it up.
    pub wall: Duration,
    /// Size of the encoded answer, in bytes.
    pub output_bytes: u64,
}

/// How a [`Pool`] is made.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// The role that the worker is started with, which names it in errors and logs.
    pub role: &'static str,
    /// The program to start, as a rule [`std::env::current_exe`].
    pub program: PathBuf,
    /// How many requests run at the same time, and so the most workers there are.
    pub size: NonZeroUsize,
    /// What one request may use.
    pub limits: Limits,
    /// A worker that had nothing to do for so long is ended, except the last one.
    pub idle: Duration,
    /// What the worker must be shut off from; the worker refuses to serve when its role says otherwise.
    pub sandbox: Sandbox,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_arguments_make_a_worker() {
        let cases: [(&[&str], Option<&str>); 5] = [
            (&["tiphys", "worker", "tera"], Some("tera")),
            (&["tiphys", "worker"], None),
            (&["tiphys", "worker", "tera", "x"], None),
            (&["tiphys", "sync", "worker"], None),
            (&["tiphys"], None),
        ];
        for (arguments, expected) in cases {
            let role = worker_role(arguments.iter().map(OsString::from));
            assert_eq!(role.as_deref(), expected, "{arguments:?}");
        }
    }
}
