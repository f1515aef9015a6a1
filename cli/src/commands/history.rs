//! `tiphys history`.

use clap::Args;
use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use tiphys_api::Sync;

use super::Context;
use super::list::form;
use crate::arguments::{OutputArgument, OutputFormat};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::application::{Columns, Listing, NamespaceColumn};
use crate::output::documents;
use crate::output::sync::{history, in_order, one_line, page};
use crate::output::table::Headings;
use crate::{output, terminal, time_travel};

/// What to show of the past.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tiphys history web
  tiphys history web 12
  tiphys history web --at 2h                       # what was live two hours ago
  tiphys history web --at 2026-11-29T08:00:00Z
  tiphys render web@12                             # what that was")]
pub struct HistoryArguments {
    /// The Application
    #[arg(value_name = "APPLICATION")]
    application: String,
    /// Show this Sync alone, with all its objects
    #[arg(value_name = "NUMBER|NAME")]
    sync: Option<String>,
    /// Say what was live at this time: `2026-11-29T08:00:00Z`, or so long ago: `2h`
    #[arg(long, value_name = "TIME", conflicts_with_all = ["sync", "limit"])]
    at: Option<String>,
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
    if let Some(at) = &arguments.at {
        return then(&cluster, arguments, at).await;
    }
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

/// Says what was live at a moment, if the history still knows.
async fn then(cluster: &Cluster, arguments: &HistoryArguments, at: &str) -> Result<Exit, Error> {
    let now = Timestamp::now();
    let at = time_travel::moment(at, now).filter(|it| *it <= now).ok_or_else(|| Error::Options {
        problem: format!("`{at}` is no time of the past"),
        instead: "write a time such as 2026-11-29T08:00:00Z, or how long ago it is, such as 2h".to_owned(),
    })?;
    let application = cluster.application(&arguments.application).await?;
    let syncs = cluster.syncs_of(&arguments.application).await?;
    let created = application.metadata.creation_timestamp.as_ref().is_some_and(|it| it.0 <= at);
    let last = if created { time_travel::last_number(&application, &syncs) } else { 0 };
    let then = time_travel::live_at(&syncs, last, at);
    if let Some((first, last)) = then.lost {
        let hint = match then.live {
            Some(sync) => format!("before them, {} was live", one_line(sync, now)),
            None => "spec.history.limit of the Application says how many Syncs are kept".to_owned(),
        };
        let application = arguments.application.clone();
        return Err(Error::HistoryGone { application, at, first, last, hint });
    }
    let text = match arguments.output.output {
        OutputFormat::Table | OutputFormat::Wide => output::then::text(&then, at, now),
        OutputFormat::Name => then.live.map(|it| format!("{}\n", it.name_any())).unwrap_or_default(),
        format => documents::document(&output::then::value(&then, at), form(format))?,
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
