//! The worker of the tests: what the binaries of Tiphys do for the role `tera`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let served = match tiphys_worker::worker_role(std::env::args_os()) {
        Some(role) if role == tiphys_render::worker::ROLE => tiphys_render::worker::serve(),
        other => Err(tiphys_worker::ServeError::UnknownRole { role: format!("{other:?}") }),
    };
    tiphys_worker::exit_code(served)
}
