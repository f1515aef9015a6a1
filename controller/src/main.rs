//! The controller's process: a worker when started as one, else what the arguments say.

use std::process::ExitCode;

use clap::Parser as _;
use tiphys_controller::Arguments;

fn main() -> ExitCode {
    if let Some(role) = tiphys_worker::worker_role(std::env::args_os()) {
        return tiphys_controller::work(&role);
    }
    tiphys_controller::start(Arguments::parse())
}
