//! The controller: reconcilers, webhooks, metrics and leader election, wired together.
//!
//! No semantics lives here that another room could hold: sources come from `tiphys-source`, renderings from
//! `tiphys-render`, plans and their execution from `tiphys-engine`. What is here is *when*: the decision what an
//! Application needs next ([`application::decide`]), and the processes around it.

mod accounts;
pub mod application;
mod args;
mod context;
mod crds;
mod election;
mod error;
mod events;
mod fence;
mod health_checks;
mod lead;
mod lease;
mod logging;
mod metrics;
mod notifications;
mod outbound;
mod records;
mod repositories;
mod repository_status;
mod repository_watch;
mod request_count;
mod server;
mod slots;
mod standings;
mod start;
mod steps;
mod sync_index;
mod takeover;
mod traces;
mod upkeep;
pub mod webhook;
mod webhooks;

pub use args::{Arguments, Command, LogFormat, RunArguments};
pub use error::Error;

use std::process::ExitCode;

/// Serves as the worker of `role` until the owner ends.
pub fn work(role: &str) -> ExitCode {
    let served = match role {
        tiphys_render::worker::ROLE => tiphys_render::worker::serve(),
        tiphys_source::ROLE => tiphys_source::serve(),
        tiphys_jq::ROLE => tiphys_jq::serve(),
        _ => Err(tiphys_worker::ServeError::UnknownRole { role: role.to_owned() }),
    };
    tiphys_worker::exit_code(served)
}

/// Does what the arguments say.
pub fn start(arguments: Arguments) -> ExitCode {
    let done = match arguments.command {
        Command::Run(arguments) => in_runtime(*arguments),
        Command::Crds { directory } => crds::write(&directory),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The last word of the process, for the log and for whoever started it.
            tracing::error!(error = start::explain(&error), "the controller ends");
            eprintln!("error: {}", start::explain(&error));
            ExitCode::FAILURE
        }
    }
}

fn in_runtime(arguments: RunArguments) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build()
        .map_err(Error::Runtime)?;
    runtime.block_on(start::run(arguments))
}
