//! `tiphys drift`.

use clap::Args;
use jiff::Timestamp;

use super::Context;
use crate::arguments::{OutputArgument, OutputFormat};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::documents::{self, Form};
use crate::output::drift::table;
use crate::output::table::Headings;
use crate::terminal;

/// Of which Application to show the drift.
#[derive(Args, Debug)]
pub struct DriftArguments {
    /// The Application
    #[arg(value_name = "APPLICATION")]
    application: String,
    /// Leave out the headings
    #[arg(long)]
    no_headers: bool,
    #[command(flatten)]
    output: OutputArgument,
}

/// Shows who changed live objects of an Application, and what became of it.
pub async fn run(context: &Context, arguments: &DriftArguments) -> Result<Exit, Error> {
    let cluster = context.connect().await?;
    let application = cluster.application(&arguments.application).await?;
    let records = application.status.map(|it| it.drifts).unwrap_or_default();
    let form = match arguments.output.output {
        OutputFormat::Table | OutputFormat::Wide => {
            if records.is_empty() {
                terminal::say(&format!("No drift of Application `{}` was seen.", arguments.application));
                return Ok(Exit::Done);
            }
            let headings = if arguments.no_headers { Headings::Hidden } else { Headings::Shown };
            terminal::data(&table(&records, context.terminal.out, headings, Timestamp::now()))?;
            return Ok(Exit::Done);
        }
        OutputFormat::Yaml => Form::Yaml,
        OutputFormat::Json | OutputFormat::Name => Form::Json,
    };
    terminal::data(&documents::document(&documents::value(&records)?, form)?)?;
    Ok(Exit::Done)
}
