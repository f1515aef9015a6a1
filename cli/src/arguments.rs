//! The command line as it is typed: what all commands share. Each command's own options stand beside it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;
use crate::exit;
use crate::terminal::ColourChoice;

/// Deploy from Git, see what would change, and go back.
///
/// Tiphys talks to the Kubernetes API and to nothing else: with the kubeconfig, the user and the rights that kubectl has.
#[derive(Debug, Parser)]
#[command(
    name = "tiphys",
    version,
    after_help = exit::HELP,
    disable_help_subcommand = true,
    propagate_version = false,
    arg_required_else_help = true
)]
pub struct Arguments {
    /// Options of all commands.
    #[command(flatten)]
    pub global: GlobalArguments,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of all commands.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArguments {
    /// Namespace of the Application; default: the one of the context
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Context of the kubeconfig to use
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig; default: $KUBECONFIG, then ~/.kube/config
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// User to act as, for those who may
    #[arg(long = "as", global = true, value_name = "USER")]
    pub impersonate: Option<String>,
    /// Group to act as, can be repeated
    #[arg(long = "as-group", global = true, value_name = "GROUP")]
    pub impersonate_groups: Vec<String>,
    /// When to colour the output; NO_COLOR is respected
    #[arg(
        long = "color",
        global = true,
        value_enum,
        default_value = "auto",
        hide_possible_values = true,
        value_name = "auto|always|never"
    )]
    pub colour: ColourChoice,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List Applications
    #[command(visible_alias = "ls")]
    List(commands::list::ListArguments),
    /// Show one Application: its state, its objects, what is wrong
    Get(commands::get::GetArguments),
    /// Create an Application
    Create(commands::create::CreateArguments),
    /// Delete Applications
    Delete(commands::delete::DeleteArguments),
    /// Show what a Sync would change, and change nothing
    Diff(commands::diff::DiffArguments),
    /// Show the ordered steps of a Sync and what stands in its way; save the plan to run exactly that later
    Plan(commands::plan::PlanArguments),
    /// Bring the cluster to what the source says
    Sync(commands::sync::SyncArguments),
    /// Go back to an earlier Sync
    Rollback(commands::rollback::RollbackArguments),
    /// Show the Syncs of an Application: who, when, what, how it ended
    History(commands::history::HistoryArguments),
    /// Show who changed live objects of an Application, and what became of it
    Drift(commands::drift::DriftArguments),
    /// Wait until an Application is ready, or until a Sync has ended
    Wait(commands::wait::WaitArguments),
    /// Stop syncing and healing Applications for a while
    Suspend(commands::suspend::SuspendArguments),
    /// Go on syncing and healing suspended Applications
    Resume(commands::resume::ResumeArguments),
    /// Print the manifests of a local directory, or those that an Application has applied
    Render(commands::render::RenderArguments),
    /// Render a Helm chart, as `helm template` does
    Template(commands::template::TemplateCommand),
    /// Say what is wrong with Helm charts, as `helm lint` does
    Lint(commands::lint::LintCommand),
    /// Show a part of a Helm chart, as `helm show` does
    Show(commands::show::ShowCommand),
    /// Install Tiphys into a cluster, or print what would be installed
    Install(commands::install::InstallArguments),
    /// Check that all is in place; say what is wrong and what to do
    Check(commands::check::CheckArguments),
    /// Print the version
    Version(commands::version::VersionArguments),
    /// Print a completion script for a shell
    Completion(commands::completion::CompletionArguments),
    /// Print the reference of the command line in Markdown
    #[command(hide = true)]
    Docs,
}

/// How a list of objects is printed.
#[derive(Args, Clone, Copy, Debug)]
pub struct OutputArgument {
    /// How to print
    #[arg(
        short,
        long,
        value_enum,
        default_value = "table",
        hide_possible_values = true,
        value_name = "table|wide|json|yaml|name"
    )]
    pub output: OutputFormat,
}

/// How a list of objects is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Table,
    /// For people with wide screens.
    Wide,
    /// The objects as JSON.
    Json,
    /// The objects as YAML.
    Yaml,
    /// `kind.group/name`, one a line.
    Name,
}

/// Whether a command waits for what it started.
#[derive(Args, Clone, Copy, Debug)]
pub struct WaitArgument {
    /// Do not wait: return as soon as the cluster has the request
    #[arg(long)]
    no_wait: bool,
}

/// Whether a command waits for what it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// It stays until the end.
    UntilDone,
    /// It returns at once.
    NoWait,
}

impl WaitArgument {
    /// The choice.
    pub const fn waiting(self) -> Waiting {
        if self.no_wait { Waiting::NoWait } else { Waiting::UntilDone }
    }
}

/// Whether a command asks before it does something that is hard to undo.
#[derive(Args, Clone, Copy, Debug)]
pub struct YesArgument {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Whether a command asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// It asks.
    Ask,
    /// The answer is yes.
    Yes,
}

impl YesArgument {
    /// The choice.
    pub const fn asking(self) -> Asking {
        if self.yes { Asking::Yes } else { Asking::Ask }
    }
}
