//! `tiphys get`.

use clap::Args;
use jiff::Timestamp;
use tiphys_api::Application;

use super::Context;
use super::list::form;
use crate::arguments::{OutputArgument, OutputFormat};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::application::page;
use crate::output::documents;
use crate::terminal;

/// What to show.
#[derive(Args, Debug)]
pub struct GetArguments {
    /// The Application
    #[arg(value_name = "APPLICATION")]
    application: String,
    #[command(flatten)]
    output: OutputArgument,
}

/// Shows one Application.
pub async fn run(context: &Context, arguments: &GetArguments) -> Result<Exit, Error> {
    let cluster = context.connect().await?;
    let text = match arguments.output.output {
        OutputFormat::Table | OutputFormat::Wide => {
            let application = cluster.application(&arguments.application).await?;
            page(&application, context.terminal.out, Timestamp::now())
        }
        format => {
            let object = cluster.raw::<Application>(&arguments.application).await?;
            documents::one(object, form(format))?
        }
    };
    terminal::data(&text)?;
    Ok(Exit::Done)
}
