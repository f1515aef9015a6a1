//! Tests of the test kit itself: everything that it offers works, and every fault is seen by a client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod cluster;
mod git;
mod installation;
mod process;
mod proxy;
mod ssh;

use std::path::Path;
use std::process::Command;

/// Runs git as a person would and gives whether it succeeded, and what it printed to both outputs.
fn git(folder: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> (bool, String) {
    let output = Command::new("git")
        .current_dir(folder)
        // The machine's own settings of certificates would come before those of the test.
        .env_clear()
        .envs(std::env::vars().filter(|(name, _)| ["PATH", "HOME"].contains(&name.as_str())))
        .envs([
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
        ])
        .envs([
            ("GIT_AUTHOR_NAME", "a"),
            ("GIT_AUTHOR_EMAIL", "a@b"),
            ("GIT_COMMITTER_NAME", "a"),
            ("GIT_COMMITTER_EMAIL", "a@b"),
        ])
        .envs(settings.iter().copied())
        .args(arguments)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}
