//! `tiphys diff`.

use std::path::PathBuf;

use clap::Args;
use tiphys_api::Duration;

use super::Context;
use super::sync::WhatArguments;
use crate::arguments::OutputArgument;
use crate::dry_run;
use crate::error::Error;
use crate::exit::Exit;
use crate::terminal;

/// What to compare with what is live.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes: 0 no differences, 1 differences, 2 any error.

Without --local the controller makes the plan, with its own credentials and rights.
With --local the directory is rendered here, and the API server is asked with your own rights.")]
pub struct DiffArguments {
    /// The Application
    #[arg(value_name = "APPLICATION")]
    application: String,
    #[command(flatten)]
    what: WhatArguments,
    /// Compare this working copy of the repository instead of what is in Git
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "revision")]
    local: Option<PathBuf>,
    /// How long the plan may take
    #[arg(long, default_value = "5m", value_name = "DURATION")]
    timeout: Duration,
    #[command(flatten)]
    output: OutputArgument,
}

/// Shows what a Sync would change.
pub async fn run(context: &Context, arguments: &DiffArguments) -> Result<Exit, Error> {
    let cluster = context.connect().await?;
    let application = cluster.application(&arguments.application).await?;
    let planned = dry_run::plan(
        context,
        &cluster,
        &application,
        arguments.what.spec(),
        Some(arguments.timeout),
    )
    .await?;
    terminal::data(&planned.text(arguments.output.output, context.terminal.out)?)?;
    Ok(if planned.is_empty() {
        Exit::Done
    } else {
        Exit::Differences
    })
}
