//! `tiphys history`.

use clap::Args;
use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use tiphys_api::Sync;

use super::Context;
use super::list::form;
use crate::arguments::{OutputArgument, OutputFormat};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::application::{Columns, Listing, NamespaceColumn};
use crate::output::documents;
use crate::output::sync::{history, in_order, page};
use crate::output::table::Headings;
use crate::terminal;

/// What to show of the past.
#[derive(Args, Debug)]
pub struct HistoryArguments {
    /// The Application
    #[arg(value_name = "APPLICATION")]
    application: String,
    /// Show this Sync alone, with all its objects
    #[arg(value_name = "NUMBER|NAME")]
    sync: Option<String>,
    /// Only the newest so many
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
    /// Leave out the headings
    #[arg(long)]
    no_headers: bool,
    #[command(flatten)]
    output: OutputArgument,
}

/// Shows the Syncs of an Application.
pub async fn run(context: &Context, arguments: &HistoryArguments) -> Result<Exit, Error> {
    let cluster = context.connect().await?;
    let mut syncs = cluster.syncs_of(&arguments.application).await?;
    // What was only asked is no history.
    syncs.retain(|it| !it.spec.dry_run);
    in_order(&mut syncs);
    if syncs.is_empty() {
        // Says so when it is the Application that is not there.
        cluster.application(&arguments.application).await?;
    }
    let text = match &arguments.sync {
        Some(wanted) => one(context, arguments, find(&arguments.application, &syncs, wanted)?)?,
        None => all(context, arguments, syncs)?,
    };
    terminal::data(&text)?;
    Ok(Exit::Done)
}

fn one(context: &Context, arguments: &HistoryArguments, sync: &Sync) -> Result<String, Error> {
    match arguments.output.output {
        OutputFormat::Table | OutputFormat::Wide => Ok(page(sync, context.terminal.out, Timestamp::now())),
        format => documents::one(raw(sync)?, form(format)),
    }
}

fn all(context: &Context, arguments: &HistoryArguments, mut syncs: Vec<Sync>) -> Result<String, Error> {
    if let Some(limit) = arguments.limit {
        syncs.drain(..syncs.len().saturating_sub(limit));
    }
    let columns = match arguments.output.output {
        OutputFormat::Table => Columns::Usual,
        OutputFormat::Wide => Columns::Wide,
        format => {
            let objects: Result<Vec<DynamicObject>, Error> = syncs.iter().map(raw).collect();
            return documents::list(objects?, form(format));
        }
    };
    if syncs.is_empty() {
        terminal::say(&format!("Application `{}` has never been synced.", arguments.application));
        context.terminal.hint(&format!("`tiphys sync {}` does that", arguments.application));
        return Ok(String::new());
    }
    let listing = Listing {
        columns,
        namespace: NamespaceColumn::Hidden,
        headings: if arguments.no_headers { Headings::Hidden } else { Headings::Shown },
        style: context.terminal.out,
    };
    Ok(history(&syncs, listing, Timestamp::now()))
}

/// A Sync with its type, for programs.
pub fn raw(sync: &Sync) -> Result<DynamicObject, Error> {
    let name = sync.name_any();
    let value = documents::value(sync)?;
    serde_json::from_value(value)
        .map_err(|error| Error::request(format!("read Sync `{name}`"), kube::Error::SerdeError(error)))
}

/// The number of a Sync, once it has started.
pub fn number_of(sync: &Sync) -> Option<u64> {
    sync.status.as_ref()?.number
}

/// The Sync that somebody names by its number or its name.
pub fn find<'a>(application: &str, syncs: &'a [Sync], wanted: &str) -> Result<&'a Sync, Error> {
    let is_wanted =
        |it: &&Sync| it.name_any() == wanted || number_of(it).is_some_and(|it| it.to_string() == wanted);
    syncs.iter().find(is_wanted).ok_or_else(|| Error::NoSync {
        application: application.to_owned(),
        sync: wanted.to_owned(),
        known: numbers(syncs),
    })
}

/// What can be chosen from, for people.
pub fn numbers(syncs: &[Sync]) -> String {
    let numbers: Vec<String> = syncs.iter().filter_map(number_of).map(|it| it.to_string()).collect();
    if numbers.is_empty() {
        "it has no Syncs yet".to_owned()
    } else {
        format!("it has {}", numbers.join(", "))
    }
}
