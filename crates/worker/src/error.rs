//! Why a call to a worker failed.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a call to a worker failed. The worker is gone in every case but [`Error::Encode`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The worker process could not be started or did not get ready.
    #[error("the {role} worker could not be started from {}: {detail}", program.display())]
    Spawn {
        /// The role of the worker.
        role: &'static str,
        /// The program that was to be started.
        program: PathBuf,
        /// What went wrong, with the last words of the process.
        detail: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The request could not be written as JSON.
    #[error("the request to the {role} worker could not be encoded")]
    Encode {
        /// The role of the worker.
        role: &'static str,
        /// The error of the encoder.
        source: serde_json::Error,
    },
    /// The answer was not the JSON that was expected: both sides are the same binary, so this is a defect.
    #[error("the answer of the {role} worker could not be decoded; please report this as a defect of Tiphys")]
    Decode {
        /// The role of the worker.
        role: &'static str,
        /// The error of the decoder.
        source: serde_json::Error,
    },
    /// The wall-clock limit passed.
    #[error("{}stopped after {:.1} s (limit of running time)", place(during.as_deref()), limit.as_secs_f64())]
    TimedOut {
        /// The limit that was passed.
        limit: Duration,
        /// What the worker last said it was doing, see [`crate::note`].
        during: Option<String>,
    },
    /// The limit of CPU time passed.
    #[error("{}stopped after {:.1} s of CPU time (limit of CPU time)", place(during.as_deref()), limit.as_secs_f64())]
    CpuTimeExceeded {
        /// The limit that was passed.
        limit: Duration,
        /// What the worker last said it was doing, see [`crate::note`].
        during: Option<String>,
    },
    /// The worker asked for more memory than its limit.
    #[error("{}stopped at {} MiB of memory (limit of memory)", place(during.as_deref()), limit_bytes >> 20)]
    OutOfMemory {
        /// The limit that was passed, in bytes.
        limit_bytes: u64,
        /// What the worker last said it was doing, see [`crate::note`].
        during: Option<String>,
    },
    /// The worker went deeper into something nested than its stack allows.
    #[error(
        "{}stopped because of something that is nested without end (limit of the stack)",
        place(during.as_deref())
    )]
    StackExhausted {
        /// What the worker last said it was doing, see [`crate::note`].
        during: Option<String>,
    },
    /// The answer was larger than its limit.
    #[error("stopped at {} KiB of output (limit of output)", limit_bytes >> 10)]
    OutputTooLarge {
        /// The limit that was passed, in bytes.
        limit_bytes: u64,
    },
    /// A signal that no limit explains ended the worker: the kernel's out-of-memory killer, or a person.
    #[error("the {role} worker was ended by signal {signal} while it worked on this; it will be tried again")]
    Killed {
        /// The role of the worker.
        role: &'static str,
        /// The number of the signal.
        signal: i32,
    },
    /// The worker ended without an answer: a defect in it, or in a library that it uses.
    #[error("the {role} worker crashed: {detail}; please report this as a defect of Tiphys")]
    Crashed {
        /// The role of the worker.
        role: &'static str,
        /// How it ended, with its last words.
        detail: String,
    },
}

/// What a caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The request asked for more than its limits; the same request will fail again.
    Limit,
    /// Not the fault of the request: try again later.
    Transient,
    /// A defect of the program.
    Defect,
}

impl Error {
    /// What a caller can do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::TimedOut { .. }
            | Self::CpuTimeExceeded { .. }
            | Self::OutOfMemory { .. }
            | Self::StackExhausted { .. }
            | Self::OutputTooLarge { .. } => Class::Limit,
            Self::Spawn { .. } | Self::Killed { .. } => Class::Transient,
            Self::Encode { .. } | Self::Decode { .. } | Self::Crashed { .. } => Class::Defect,
        }
    }
}

fn place(during: Option<&str>) -> String {
    during.map_or_else(String::new, |during| format!("{during}: "))
}
