//! The controller: reconcilers, webhooks, metrics and leader election, wired together.
//!
//! No semantics of its own lives here that another room could hold: sources come from `tiphys-source`, renderings from
//! `tiphys-render`, plans and their execution from `tiphys-engine`. What is here is *when*: the decision what an
//! Application needs next ([`application`]), and the processes around it.

mod args;
mod crds;
mod error;

pub use args::{Arguments, Command, LogFormat, RunArguments};
pub use error::Error;

use std::process::ExitCode;

/// Serves as the worker of `role` until the owner ends.
pub fn work(_role: &str) -> ExitCode {
    ExitCode::FAILURE
}

/// Does what the arguments say.
pub fn start(arguments: Arguments) -> ExitCode {
    let done = match arguments.command {
        Command::Run(_) => Ok(()),
        Command::Crds { directory } => crds::write(&directory),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
