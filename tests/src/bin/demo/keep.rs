//! `KEEP=1`: the story is told by a process that stays when the one that was started has ended.
//!
//! The cluster, the Git server and the controller live and die with the process that started them. So that all can be
//! left running without losing that, a second process plays everything; one signal to it ends all.

use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};

/// Set in the process that stays. Its standard input is a socket on which it says how the story ended.
const VARIABLE: &str = "TIPHYS_DEMO_KEEPER";

/// Whether this is the process that stays.
pub fn is_keeper() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Starts the process that stays, and ends when the story does.
#[expect(clippy::zombie_processes, reason = "the process is to outlive this one")]
pub fn in_a_process_that_stays() -> ExitCode {
    let (mut ours, theirs) = UnixStream::pair().expect("sockets can be made");
    let program = std::env::current_exe().expect("this program has a path");
    let mut keeper = Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(VARIABLE, "1")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()
        .expect("this program starts again");
    let mut code = [1];
    if ours.read(&mut code).is_ok_and(|bytes| bytes == 1) {
        return ExitCode::from(code[0]);
    }
    // It ended without a word.
    let _ = keeper.wait();
    ExitCode::FAILURE
}

/// Tells the waiting process how the story ended, and goes on without it and without its terminal.
pub fn let_go(code: u8) {
    // Not possible for a process that leads its group; then it has no terminal to leave either.
    let _ = rustix::process::setsid();
    let socket = std::io::stdin().as_fd().try_clone_to_owned().expect("standard input is open");
    let nowhere = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null");
    let nowhere = nowhere.expect("/dev/null is there");
    rustix::stdio::dup2_stdin(&nowhere).expect("standard input can be replaced");
    rustix::stdio::dup2_stdout(&nowhere).expect("standard output can be replaced");
    rustix::stdio::dup2_stderr(&nowhere).expect("standard error can be replaced");
    // When nobody waits any more, nobody needs to know.
    let _ = UnixStream::from(socket).write_all(&[code]);
}
