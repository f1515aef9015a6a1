//! Commands, shown as they are typed and run as they are shown.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anstyle::{AnsiColor, Style};
use tokio::process::Command;

use crate::teller::Failure;

/// How the folder of the prompt looks.
const PROMPT: Style = AnsiColor::Cyan.on_default();
/// How a command looks.
const COMMAND: Style = Style::new().bold();

/// Where a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the repository of Tiphys.
    Tiphys,
    /// In the working copy of the repository that is deployed from.
    Deploy,
}

/// Runs commands in the two folders of the story.
pub struct Shell {
    tiphys: PathBuf,
    deploy: PathBuf,
    environment: Vec<(&'static str, OsString)>,
}

impl Shell {
    /// The working copy lies in `folder`.
    pub fn new(folder: &Path) -> Self {
        let tiphys = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository");
        let environment = vec![
            ("GIT_CONFIG_GLOBAL", "/dev/null".into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("GIT_TERMINAL_PROMPT", "0".into()),
            ("GIT_PAGER", "cat".into()),
            ("GIT_AUTHOR_NAME", "Ada".into()),
            ("GIT_AUTHOR_EMAIL", "ada@example.com".into()),
            ("GIT_COMMITTER_NAME", "Ada".into()),
            ("GIT_COMMITTER_EMAIL", "ada@example.com".into()),
            // Nothing of ours on loopback goes through a proxy of the machine.
            ("no_proxy", "127.0.0.1".into()),
            ("NO_PROXY", "127.0.0.1".into()),
            ("KUBECACHEDIR", folder.join("kubectl-cache").into()),
        ];
        Self { tiphys: tiphys.to_owned(), deploy: folder.join("deploy"), environment }
    }

    /// Sets a variable for all commands.
    pub fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.environment.retain(|(it, _)| *it != name);
        self.environment.push((name, value.into()));
    }

    /// Puts folders in front of those in which programs are looked for.
    pub fn find_programs_in(&mut self, folders: &[PathBuf]) {
        let before = std::env::var_os("PATH").unwrap_or_default();
        let all = folders.iter().cloned().chain(std::env::split_paths(&before));
        self.set("PATH", std::env::join_paths(all).expect("folders of programs have no colon"));
    }

    /// The folder of a place.
    pub fn folder(&self, place: Place) -> &Path {
        match place {
            Place::Tiphys => &self.tiphys,
            Place::Deploy => &self.deploy,
        }
    }

    /// Shows a command and runs it with its output shown; it must succeed.
    pub async fn run(&self, place: Place, command: &str) -> Result<(), Failure> {
        self.run_to(place, command, 0).await
    }

    /// Shows a command and runs it with its output shown; it must end with this code.
    pub async fn run_to(&self, place: Place, command: &str, code: i32) -> Result<(), Failure> {
        show(place, command);
        // Both outputs go the same way, so that their lines stay in order.
        let script = format!("exec 2>&1\n{command}");
        let status = self.command(place, &script).stdin(Stdio::null()).status().await;
        let status = status.map_err(|error| format!("sh does not start: {error}"))?;
        if status.code() == Some(code) {
            Ok(())
        } else {
            Err(format!("`{command}` ended with {status} instead of exit code {code}"))
        }
    }

    /// Runs a command that nobody needs to see, and gives what it printed.
    pub async fn ask(&self, command: &str) -> Result<String, Failure> {
        let output = self.command(Place::Tiphys, command).stdin(Stdio::null()).output().await;
        let output = output.map_err(|error| format!("sh does not start: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
        } else {
            let words = String::from_utf8_lossy(&output.stderr);
            Err(format!("`{command}` failed: {}", words.trim_end()))
        }
    }

    fn command(&self, place: Place, script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).current_dir(self.folder(place));
        shell.envs(self.environment.iter().map(|(name, value)| (name, value))).kill_on_drop(true);
        shell
    }
}

/// Shows a command that is run in another way than by a shell.
pub fn show(place: Place, command: &str) {
    let folder = match place {
        Place::Tiphys => "tiphys",
        Place::Deploy => "deploy",
    };
    anstream::println!("{PROMPT}{folder}${PROMPT:#} {COMMAND}{command}{COMMAND:#}");
}

/// The name of the current context of the person's own kubeconfig.
pub fn current_context() -> Result<String, Failure> {
    let output = std::process::Command::new("kubectl").args(["config", "current-context"]).output();
    let output =
        output.map_err(|error| format!("kubectl does not start: {error}; it must be in the PATH"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned())
    }
}
