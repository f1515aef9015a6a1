//! The program `tiphys`, or `kubectl-tiphys` when it is installed under that name.

use std::process::ExitCode;

fn main() -> ExitCode {
    match tiphys_worker::worker_role(std::env::args_os()) {
        Some(role) => tiphys_cli::serve_worker(role),
        None => tiphys_cli::run(std::env::args_os()),
    }
}
