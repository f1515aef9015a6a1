//! The worker side of the tests of this crate: what `tiphys` and the controller do at the beginning of their `main`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let served = match tiphys_worker::worker_role(std::env::args_os()) {
        Some(role) if role == tiphys_source::ROLE => tiphys_source::serve(),
        role => Err(tiphys_worker::ServeError::UnknownRole { role: role.unwrap_or_default() }),
    };
    tiphys_worker::exit_code(served)
}
