//! `tiphys list`.

use clap::Args;
use jiff::Timestamp;

use super::Context;
use crate::arguments::{OutputArgument, OutputFormat};
use crate::cluster::Scope;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::application::{Columns, Listing, NamespaceColumn, list};
use crate::output::documents::{self, Form};
use crate::output::table::Headings;
use crate::terminal;

/// What to list.
#[derive(Args, Debug)]
pub struct ListArguments {
    /// In all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Only those with these labels, as in kubectl
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Leave out the headings
    #[arg(long)]
    no_headers: bool,
    #[command(flatten)]
    output: OutputArgument,
}

/// Lists Applications.
pub async fn run(context: &Context, arguments: &ListArguments) -> Result<Exit, Error> {
    let cluster = context.connect().await?;
    let scope = if arguments.all_namespaces { Scope::AllNamespaces } else { Scope::Namespace };
    let selector = arguments.selector.as_deref();
    let columns = match arguments.output.output {
        OutputFormat::Table => Columns::Usual,
        OutputFormat::Wide => Columns::Wide,
        format => {
            let objects = cluster.list_raw_applications(scope, selector).await?;
            terminal::data(&documents::list(objects, form(format))?)?;
            return Ok(Exit::Done);
        }
    };
    let applications = cluster.list_applications(scope, selector).await?;
    if applications.is_empty() {
        let place = match scope {
            Scope::Namespace => format!("in namespace `{}`", cluster.namespace),
            Scope::AllNamespaces => "in this cluster".to_owned(),
        };
        terminal::say(&format!("There are no Applications {place}."));
        return Ok(Exit::Done);
    }
    let listing = Listing {
        columns,
        namespace: match scope {
            Scope::Namespace => NamespaceColumn::Hidden,
            Scope::AllNamespaces => NamespaceColumn::Shown,
        },
        headings: if arguments.no_headers { Headings::Hidden } else { Headings::Shown },
        style: context.terminal.out,
    };
    terminal::data(&list(&applications, listing, Timestamp::now()))?;
    Ok(Exit::Done)
}

/// The form of a format that is meant for programs.
pub fn form(format: OutputFormat) -> Form {
    match format {
        OutputFormat::Yaml => Form::Yaml,
        OutputFormat::Name => Form::Name,
        OutputFormat::Json | OutputFormat::Table | OutputFormat::Wide => Form::Json,
    }
}
