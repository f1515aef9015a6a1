//! `tiphys create`.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use kube::ResourceExt as _;
use kube::api::PostParams;
use tiphys_api::{
    Application, ApplicationSpec, Deletion, Destination, Duration, History, OnFailure, Source, SyncPolicy,
};

use super::Context;
use super::list::form;
use crate::arguments::{OutputArgument, OutputFormat};
use crate::error::Error;
use crate::exit::Exit;
use crate::failure::{Class, Failure};
use crate::output::documents::{self, Form};
use crate::requests::FIELD_MANAGER;
use crate::source_arguments::SourceArguments;
use crate::terminal;

/// What to create.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tiphys create web --repo https://git.example.com/acme/deploy.git --path apps/web --auto --self-heal --prune
  tiphys create web --repo deploy --path apps/web --type tera -f values-prod.yaml --set replicas=3
  tiphys create web --repo deploy --path apps/web --dry-run > web.yaml     # to keep it in Git, too")]
#[expect(clippy::struct_excessive_bools, reason = "flags as they are typed")]
pub struct CreateArguments {
    /// Name of the Application
    #[arg(value_name = "APPLICATION")]
    application: String,
    /// URL of a Git repository, or the name of a Repository in the namespace
    #[arg(long, value_name = "URL")]
    repo: String,
    /// Branch, tag, commit or semver range; default: the default branch
    #[arg(long, value_name = "REVISION")]
    revision: Option<String>,
    /// Directory in the repository
    #[arg(long, value_name = "PATH", default_value = ".")]
    path: String,
    /// Project whose guard rails hold
    #[arg(long, value_name = "NAME", default_value = "default")]
    project: String,
    /// ServiceAccount of the namespace, with whose rights everything is done; default: what the Project says
    #[arg(long, value_name = "NAME")]
    service_account: Option<String>,
    /// Namespace of objects that name none; default: the Application's own
    #[arg(long, value_name = "NAMESPACE")]
    to_namespace: Option<String>,
    /// Create that namespace when it is missing
    #[arg(long)]
    create_namespace: bool,
    /// Sync new revisions without being asked
    #[arg(long)]
    auto: bool,
    /// Correct drift
    #[arg(long)]
    self_heal: bool,
    /// Delete objects that are no longer in the source
    #[arg(long)]
    prune: bool,
    /// What to do when a Sync fails
    #[arg(
        long,
        value_enum,
        default_value = "stop",
        hide_possible_values = true,
        value_name = "stop|retry|rollback"
    )]
    on_failure: OnFailureChoice,
    /// How long a Sync may take until all is healthy
    #[arg(long, default_value = "10m", value_name = "DURATION")]
    timeout: Duration,
    /// How many Syncs to keep
    #[arg(long, default_value_t = 10, value_name = "COUNT")]
    history: u32,
    /// What deleting the Application does with its objects
    #[arg(
        long,
        value_enum,
        default_value = "orphan",
        hide_possible_values = true,
        value_name = "orphan|prune"
    )]
    deletion: DeletionChoice,
    /// Label of the Application, can be repeated
    #[arg(short = 'l', long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    #[command(flatten)]
    source: SourceArguments,
    /// Let the API server check it, print it, and create nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgument,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnFailureChoice {
    Stop,
    Retry,
    Rollback,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DeletionChoice {
    Orphan,
    Prune,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Creates an Application.
pub async fn run(context: &Context, arguments: &CreateArguments) -> Result<Exit, Error> {
    let mut application = application(arguments)?;
    let cluster = context.connect().await?;
    application.metadata.namespace = Some(cluster.namespace.clone());
    let parameters = PostParams { dry_run: arguments.dry_run, field_manager: Some(FIELD_MANAGER.to_owned()) };
    let created = match cluster.applications().create(&parameters, &application).await.map_err(Failure::from)
    {
        Ok(created) => created,
        Err(failure) if failure.class() == Some(Class::AlreadyExists) => {
            return Err(Error::ApplicationExists {
                name: arguments.application.clone(),
                namespace: cluster.namespace,
            });
        }
        Err(failure) => {
            return Err(Error::request(format!("create Application `{}`", arguments.application), failure));
        }
    };
    // Of a dry run only what was asked for is worth keeping.
    let shown = if arguments.dry_run { application } else { created };
    terminal::data(&text(&shown, arguments)?)?;
    if !arguments.dry_run && !arguments.auto {
        let name = shown.name_any();
        context.terminal.hint(&format!(
            "`tiphys diff {name}` shows what a first Sync would do, `tiphys sync {name}` does it"
        ));
    }
    Ok(Exit::Done)
}

fn text(application: &Application, arguments: &CreateArguments) -> Result<String, Error> {
    let object = serde_json::from_value(documents::value(application)?)
        .map_err(|error| Error::request("read the Application", kube::Error::SerdeError(error)))?;
    match arguments.output.output {
        OutputFormat::Table | OutputFormat::Wide if arguments.dry_run => documents::one(object, Form::Yaml),
        OutputFormat::Table | OutputFormat::Wide => Ok(format!("{} created\n", documents::name(&object))),
        format => documents::one(object, form(format)),
    }
}

fn application(arguments: &CreateArguments) -> Result<Application, Error> {
    let mut source = Source {
        repo: arguments.repo.clone(),
        revision: arguments.revision.clone(),
        path: arguments.path.clone(),
        ..Source::default()
    };
    arguments.source.apply(&mut source)?;
    let spec = ApplicationSpec {
        project: arguments.project.clone(),
        source,
        destination: Destination {
            namespace: arguments.to_namespace.clone(),
            create_namespace: arguments.create_namespace,
            ..Destination::default()
        },
        service_account_name: arguments.service_account.clone(),
        sync: SyncPolicy {
            auto: arguments.auto,
            self_heal: arguments.self_heal,
            prune: arguments.prune,
            on_failure: match arguments.on_failure {
                OnFailureChoice::Stop => OnFailure::Stop,
                OnFailureChoice::Retry => OnFailure::Retry,
                OnFailureChoice::Rollback => OnFailure::Rollback,
            },
            timeout: arguments.timeout,
            ..SyncPolicy::default()
        },
        depends_on: Vec::new(),
        ignore_differences: Vec::new(),
        history: History { limit: arguments.history },
        deletion: match arguments.deletion {
            DeletionChoice::Orphan => Deletion::Orphan,
            DeletionChoice::Prune => Deletion::Prune,
        },
        suspend: None,
    };
    let mut application = Application::new(&arguments.application, spec);
    let labels: BTreeMap<String, String> = arguments.labels.iter().cloned().collect();
    application.metadata.labels = (!labels.is_empty()).then_some(labels);
    Ok(application)
}
