//! The worker side of the tests of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    let role = tiphys_worker::worker_role(std::env::args_os()).unwrap_or_default();
    let served = match role.as_str() {
        tiphys_jq::ROLE => tiphys_jq::serve(),
        _ => Err(tiphys_worker::ServeError::UnknownRole { role }),
    };
    tiphys_worker::exit_code(served)
}
