//! `tiphys`, the command line of Tiphys, also usable as `kubectl tiphys`.
//!
//! It talks to the Kubernetes API and to nothing else: requests are Sync objects, answers are their status.
//! `arguments` is the command line as typed; `commands` holds one file per command; `output` turns objects into text
//! and does no I/O; `cluster` and `follow` talk to the API server; `terminal` talks to the person.
//!
//! Data goes to stdout; progress, questions, errors and hints go to stderr. Every error says what to do next.

mod arguments;
mod capabilities;
mod cluster;
mod commands;
mod dry_run;
mod embedded;
mod error;
mod exit;
mod failure;
mod follow;
mod helm;
mod kept;
mod live;
mod local;
mod local_plan;
mod object_reference;
mod output;
mod project_rules;
mod requests;
mod saved_plan;
mod source_arguments;
mod terminal;
mod time_travel;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::arguments::{Arguments, Command};
use crate::error::Error;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Runs one command. `arguments` are those of the process, program name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut command = command_line(arguments.first());
    let (is_helm, arguments) = helm::usage::rewrite(&command, arguments);
    let parsed =
        command.try_get_matches_from_mut(arguments).and_then(|matches| Arguments::from_arg_matches(&matches));
    match parsed {
        Ok(arguments) => run_parsed(arguments).into(),
        Err(error) => {
            // Help that nobody reads to the end is no error.
            let _ = error.print();
            match error.use_stderr() {
                false => Exit::Done.into(),
                true if is_helm => Exit::Failed.into(),
                true => Exit::Usage.into(),
            }
        }
    }
}

/// Serves as a worker process of this program.
pub fn serve_worker(role: String) -> ExitCode {
    let served = match role.as_str() {
        tiphys_render::worker::ROLE => tiphys_render::worker::serve(),
        tiphys_jq::ROLE => tiphys_jq::serve(),
        _ => Err(tiphys_worker::ServeError::UnknownRole { role }),
    };
    tiphys_worker::exit_code(served)
}

fn run_parsed(arguments: Arguments) -> Exit {
    let terminal = Terminal::new(arguments.global.colour);
    let is_diff = matches!(arguments.command, Command::Diff(_));
    match commands::run(arguments, terminal) {
        Ok(exit) => exit,
        Err(error) if error.is_broken_pipe() => Exit::Done,
        Err(Error::Helm(message)) => {
            terminal::say(&format!("Error: {message}"));
            Exit::Failed
        }
        Err(error) => {
            terminal.error(&error);
            match error.exit() {
                Exit::Interrupted => Exit::Interrupted,
                // 1 means differences there.
                _ if is_diff => Exit::Usage,
                exit => exit,
            }
        }
    }
}

/// The command line under the name by which it was called.
fn command_line(program: Option<&OsString>) -> clap::Command {
    let plugin = program.and_then(|it| Path::new(it).file_stem()).is_some_and(|it| it == "kubectl-tiphys");
    let command = Arguments::command();
    if plugin { command.bin_name("kubectl tiphys") } else { command }
}

/// Installs the cryptography that TLS uses, and gives a runtime for one command.
fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    // Fails only when another provider was installed before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Process)
}
