//! Real Git repositories behind real Git servers.

mod cgi;
pub(crate) mod repo;
pub(crate) mod server;
pub(crate) mod ssh;
pub(crate) mod webhook;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// The git program without any configuration of the person or the machine.
fn git(repository: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(repository).env_clear().envs(environment());
    command
}

/// What git needs from its environment, and nothing else.
fn environment() -> Vec<(&'static str, std::ffi::OsString)> {
    let mut variables = vec![
        ("GIT_CONFIG_NOSYSTEM", "1".into()),
        ("GIT_CONFIG_GLOBAL", "/dev/null".into()),
        ("GIT_TERMINAL_PROMPT", "0".into()),
    ];
    variables
        .extend(["PATH", "HOME", "TMPDIR"].into_iter().filter_map(|it| Some((it, std::env::var_os(it)?))));
    variables
}

/// Runs git with something on its standard input and gives what it printed, without the line end.
#[track_caller]
fn run(repository: &Path, arguments: &[&str], input: &[u8]) -> String {
    let mut child = git(repository)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("git starts");
    // It may refuse before it has read everything; its own words then tell more than the broken pipe.
    let _ = child.stdin.take().expect("stdin is piped").write_all(input);
    let output = child.wait_with_output().expect("git ends");
    assert!(
        output.status.success(),
        "git {} in {}: {}",
        arguments.join(" "),
        repository.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}
