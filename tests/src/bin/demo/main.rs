//! `make demo`: the story of a deployment, from an empty control plane to a rollback and back, told with real commands.
//!
//! Each step shows the commands that it runs with their own output, and then asks the cluster itself whether the step
//! did what it says. The exit code is 0 only if every step did.
#![allow(clippy::expect_used, reason = "the demo stands on the test kit, which fails as tests do")]

mod keep;
mod look;
mod shell;
mod stage;
mod story;
mod teller;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use crate::stage::Stage;
use crate::teller::Teller;

/// Tells the story of a deployment, with real commands on a real control plane.
#[derive(Debug, Parser)]
#[command(name = "demo")]
struct Arguments {
    /// Leave all running at the end, and print how to reach it
    #[arg(long)]
    keep: bool,
    /// Play on a cluster that is there already instead of one that is made for this: asks first, and tidies up
    #[arg(long, value_enum)]
    cluster: Option<Existing>,
}

/// A cluster that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Existing {
    /// That of the current context of the kubeconfig.
    Current,
}

/// What happens at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AtEnd {
    /// Everything is ended and removed.
    TidyUp,
    /// Everything goes on.
    Keep,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let at_end = if arguments.keep { AtEnd::Keep } else { AtEnd::TidyUp };
    if keep::is_keeper() {
        return in_runtime(play(arguments.cluster, at_end));
    }
    if arguments.cluster == Some(Existing::Current) && !may_use_current() {
        anstream::println!("Nothing was done.");
        return ExitCode::FAILURE;
    }
    match at_end {
        AtEnd::TidyUp => in_runtime(play(arguments.cluster, at_end)),
        AtEnd::Keep => keep::in_a_process_that_stays(),
    }
}

fn in_runtime(story: impl Future<Output = ExitCode>) -> ExitCode {
    tokio::runtime::Runtime::new().expect("a runtime starts").block_on(story)
}

/// Asks whether the cluster of the current context may be used.
fn may_use_current() -> bool {
    let context = match shell::current_context() {
        Ok(context) => context,
        Err(problem) => {
            anstream::eprintln!("error: {problem}");
            return false;
        }
    };
    anstream::print!(
        "This installs the CRDs and roles of Tiphys on the cluster of the context `{context}`, \
         deploys into the new namespace {}, and removes all of it at the end.\nGo on? [y/N] ",
        stage::TARGET
    );
    let mut answer = String::new();
    let asked = std::io::stdout().flush().and_then(|()| std::io::stdin().read_line(&mut answer));
    if !std::io::stdin().is_terminal() {
        anstream::println!();
    }
    asked.is_ok() && ["y", "yes"].contains(&answer.trim().to_lowercase().as_str())
}

/// Plays everything, and ends it in good order also when somebody interrupts.
async fn play(existing: Option<Existing>, at_end: AtEnd) -> ExitCode {
    let mut interrupt = signal(SignalKind::interrupt()).expect("signals can be received");
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be received");
    let teller = Teller::default();
    let mut stage = Stage::empty(existing);
    let told = tokio::select! {
        told = story::tell(&teller, &mut stage) => told,
        _ = interrupt.recv() => Err("interrupted".to_owned()),
        _ = terminate.recv() => Err("interrupted".to_owned()),
    };
    let code = u8::from(told.is_err());
    if told.is_err() {
        stage.show_log();
    }
    if at_end == AtEnd::TidyUp {
        stage.tidy_up().await;
    }
    teller.summary(&told, story::STEPS);
    if at_end == AtEnd::Keep {
        stage.show_how_to_reach_it();
        keep::let_go(code);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stage.tidy_up().await;
    }
    ExitCode::from(code)
}
