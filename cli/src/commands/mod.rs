//! One file per command: its options as typed, then what it does.

pub mod check;
mod compare;
pub mod completion;
pub mod create;
pub mod delete;
pub mod diff;
pub mod docs;
pub mod drift;
pub mod get;
pub mod history;
pub mod install;
pub mod lint;
pub mod list;
pub mod plan;
pub mod render;
pub mod resume;
pub mod rollback;
pub mod show;
pub mod suspend;
pub mod sync;
pub mod template;
pub mod version;
pub mod wait;

use tokio::runtime::Runtime;

use crate::arguments::{Arguments, Command, GlobalArguments};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// What every command has at hand.
pub struct Context {
    /// Options of all commands.
    pub global: GlobalArguments,
    /// The person at the other end.
    pub terminal: Terminal,
}

impl Context {
    /// Connects to the cluster that the command line names.
    pub async fn connect(&self) -> Result<Cluster, Error> {
        Cluster::connect(&self.global).await
    }
}

/// Runs a command to its end.
pub fn run(arguments: Arguments, terminal: Terminal) -> Result<Exit, Error> {
    let Arguments { global, command } = arguments;
    let context = Context { global, terminal };
    match command {
        // These need no cluster and should cost next to nothing.
        Command::Completion(arguments) => completion::run(&arguments),
        Command::Docs => docs::run(),
        Command::Lint(arguments) => lint::run(&context, &arguments),
        Command::Show(arguments) => show::run(&arguments),
        Command::Template(arguments) => template::run(&context, &arguments),
        Command::Version(arguments) if !arguments.server => version::run(),
        command => {
            let runtime = crate::runtime()?;
            let result = runtime.block_on(run_with_cluster(&context, command));
            leave(runtime);
            result
        }
    }
}

async fn run_with_cluster(context: &Context, command: Command) -> Result<Exit, Error> {
    match command {
        Command::List(arguments) => list::run(context, &arguments).await,
        Command::Get(arguments) => get::run(context, &arguments).await,
        Command::Create(arguments) => create::run(context, &arguments).await,
        Command::Delete(arguments) => delete::run(context, &arguments).await,
        Command::Diff(arguments) => diff::run(context, &arguments).await,
        Command::Plan(arguments) => plan::run(context, &arguments).await,
        Command::Sync(arguments) => sync::run(context, &arguments).await,
        Command::Rollback(arguments) => rollback::run(context, &arguments).await,
        Command::History(arguments) => history::run(context, &arguments).await,
        Command::Drift(arguments) => drift::run(context, &arguments).await,
        Command::Wait(arguments) => wait::run(context, &arguments).await,
        Command::Suspend(arguments) => suspend::run(context, &arguments).await,
        Command::Resume(arguments) => resume::run(context, &arguments).await,
        Command::Render(arguments) => render::run(context, &arguments).await,
        Command::Lint(arguments) => lint::run(context, &arguments),
        Command::Show(arguments) => show::run(&arguments),
        Command::Template(arguments) => template::run(context, &arguments),
        Command::Install(arguments) => install::run(context, &arguments).await,
        Command::Check(arguments) => check::run(context, &arguments).await,
        Command::Version(arguments) => version::run_with_server(context, &arguments).await,
        Command::Completion(arguments) => completion::run(&arguments),
        Command::Docs => docs::run(),
    }
}

/// Ends without waiting for a thread that still reads an answer from the keyboard.
fn leave(runtime: Runtime) {
    runtime.shutdown_background();
}
