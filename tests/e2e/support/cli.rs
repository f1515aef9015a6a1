//! The command line, as a person uses it.

use std::fmt;
use std::process::Command;

use serde_json::Value;
use tiphys_tests::{Identity, program};

use super::stage::Stage;

/// How a run of `tiphys` ended.
pub struct Told {
    /// The exit code.
    pub code: Option<i32>,
    /// What it said on stdout.
    pub stdout: String,
    /// What it said on stderr.
    pub stderr: String,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}\n{}\n{}", self.code, self.stdout, self.stderr)
    }
}

impl Told {
    /// What it said, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl Stage<'_> {
    /// Runs `tiphys` as admin, in the stage's namespace.
    pub async fn tiphys(&self, arguments: &[&str]) -> Told {
        self.tiphys_as(&self.access.admin_identity(), arguments).await
    }

    /// Runs `tiphys` as somebody, in the stage's namespace.
    pub async fn tiphys_as(&self, identity: &Identity, arguments: &[&str]) -> Told {
        let mut command = Command::new(program("tiphys"));
        command.args(arguments).env("KUBECONFIG", self.access.kubeconfig(identity, self.ns()));
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.expect("it is waited for").expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Told { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}
