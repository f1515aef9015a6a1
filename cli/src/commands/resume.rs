//! `tiphys resume`.

use clap::Args;
use serde_json::Value;

use super::Context;
use super::suspend::{WhichArguments, set};
use crate::error::Error;
use crate::exit::Exit;
use crate::terminal;

/// What to resume.
#[derive(Args, Debug)]
pub struct ResumeArguments {
    #[command(flatten)]
    which: WhichArguments,
}

/// Goes on syncing and healing.
pub async fn run(context: &Context, arguments: &ResumeArguments) -> Result<Exit, Error> {
    let cluster = context.connect().await?;
    for name in arguments.which.names(&cluster).await? {
        set(&cluster, &name, &Value::Null).await?;
        terminal::data(&format!("application.tiphys.dev/{name} resumed\n"))?;
    }
    Ok(Exit::Done)
}
