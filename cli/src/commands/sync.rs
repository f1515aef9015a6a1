//! `tiphys sync`.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use kube::ResourceExt as _;
use tiphys_api::{Application, Duration, Phase, Sync, SyncSpec};
use tiphys_engine::plan::compare;

use super::Context;
use super::diff::reject_refusals;
use super::history::raw;
use super::list::form;
use crate::arguments::{OutputArgument, OutputFormat, WaitArgument, Waiting};
use crate::cluster::Cluster;
use crate::dry_run;
use crate::error::Error;
use crate::exit::Exit;
use crate::follow::{Followed, follow};
use crate::live;
use crate::object_reference::TypedReference;
use crate::output::application::is_suspended;
use crate::output::documents;
use crate::output::plan::{PlanFormat, print};
use crate::output::style::{Style, tame};
use crate::output::sync::ending;
use crate::requests::create_sync;
use crate::saved_plan::SavedPlan;
use crate::terminal;

/// What to sync, and how.
#[derive(Args, Debug)]
#[command(after_help = "\
Ctrl-C ends the watching, not the Sync.

Examples:
  tiphys sync web
  tiphys sync web --revision v1.4.0
  tiphys sync web --resource apps/Deployment/web --resource ConfigMap/settings
  tiphys sync web --resource '*/*/web-*' --force
  tiphys sync web --resource ConfigMap/settings --replace
  tiphys sync web --override-window
  tiphys sync web --renew-secrets
  tiphys plan web -o web.plan && tiphys sync web --plan web.plan
  tiphys sync web --dry-run")]
pub struct SyncArguments {
    /// The Application
    #[arg(value_name = "APPLICATION")]
    application: String,
    #[command(flatten)]
    what: WhatArguments,
    /// Let exactly the plan of this digest through, which a guard rail has refused
    #[arg(long, value_name = "DIGEST", conflicts_with = "dry_run")]
    confirm: Option<String>,
    /// Run though a sync window is in the way; it is recorded
    #[arg(long, conflicts_with = "dry_run")]
    override_window: bool,
    /// Run exactly the plan that `tiphys plan -o FILE` has saved; when the rendering or what is live changed since,
    /// nothing is written and the difference is shown
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["revision", "prune", "recreate", "replace", "resources", "renew_secrets", "dry_run"]
    )]
    plan: Option<PathBuf>,
    /// Let charts draw new passwords, keys and certificates in place of those that they drew before
    #[arg(long, conflicts_with = "dry_run")]
    renew_secrets: bool,
    /// Only print the plan; the same as `tiphys diff`, but exit with 0
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    ending: EndingArguments,
}

/// What a Sync brings to the cluster.
#[derive(Args, Clone, Debug, Default)]
pub struct WhatArguments {
    /// Branch, tag, commit or semver range; default: what the Application says
    #[arg(long, value_name = "REVISION")]
    revision: Option<String>,
    /// Delete objects that are no longer in the source; default: what the Application says
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    prune: Option<bool>,
    /// Delete and create again what has an immutable field changed
    #[arg(long, visible_alias = "force")]
    recreate: bool,
    /// Replace objects as a whole for this once, so that fields that others added go
    #[arg(long)]
    replace: bool,
    /// Only this object, [GROUP/]KIND/[NAMESPACE/]NAME or GROUP:KIND:NAME, each a pattern; can be repeated
    #[arg(long = "resource", value_name = "OBJECT")]
    resources: Vec<TypedReference>,
}

/// How a command that starts a Sync ends.
#[derive(Args, Clone, Copy, Debug)]
pub struct EndingArguments {
    #[command(flatten)]
    wait: WaitArgument,
    /// How long to watch; default: until the Sync ends
    #[arg(long, value_name = "DURATION")]
    timeout: Option<Duration>,
    #[command(flatten)]
    output: OutputArgument,
}

impl WhatArguments {
    /// The Sync that these options ask for.
    pub fn spec(&self) -> SyncSpec {
        SyncSpec {
            revision: self.revision.clone(),
            prune: self.prune,
            recreate: self.recreate,
            replace: self.replace,
            resources: self.resources.iter().map(|it| it.0.clone()).collect(),
            ..SyncSpec::default()
        }
    }
}

/// Starts a Sync and follows it.
pub async fn run(context: &Context, arguments: &SyncArguments) -> Result<Exit, Error> {
    let cluster = context.connect().await?;
    let application = cluster.application(&arguments.application).await?;
    if let Some(file) = &arguments.plan {
        return run_saved(context, &cluster, &application, arguments, file).await;
    }
    let spec = SyncSpec {
        confirm: arguments.confirm.clone(),
        renew_secrets: arguments.renew_secrets,
        override_window: arguments.override_window,
        ..arguments.what.spec()
    };
    if arguments.dry_run {
        let plan = dry_run::plan(context, &cluster, &application, spec, arguments.ending.timeout).await?;
        let format = plan_format(arguments.ending.output.output);
        terminal::data(&print(&plan, format, context.terminal.out)?)?;
        reject_refusals(&plan)?;
        return Ok(Exit::Done);
    }
    start(context, &cluster, &application, spec, arguments.ending).await
}

/// Runs a saved plan. When it is not the plan any more, says what is different.
async fn run_saved(
    context: &Context,
    cluster: &Cluster,
    application: &Application,
    arguments: &SyncArguments,
    file: &Path,
) -> Result<Exit, Error> {
    let saved = SavedPlan::read(file)?;
    saved.ensure_for(application, file)?;
    let spec = SyncSpec {
        confirm: arguments.confirm.clone(),
        plan: Some(saved.plan.digest.clone()),
        ..saved.spec.clone()
    };
    let ended = start(context, cluster, application, spec, arguments.ending).await;
    if let Err(Error::Unsuccessful { .. }) = &ended {
        let now =
            dry_run::plan(context, cluster, application, saved.spec.clone(), arguments.ending.timeout).await;
        if let Ok(now) = now
            && now.digest != saved.plan.digest
        {
            terminal::say(&format!("Since `{}` was saved:", file.display()));
            for change in compare(&saved.plan, &now) {
                terminal::say(&format!("  {}", tame(&change.to_string())));
            }
        }
    }
    ended
}

fn plan_format(output: OutputFormat) -> PlanFormat {
    match output {
        OutputFormat::Table | OutputFormat::Wide => PlanFormat::Text,
        OutputFormat::Json => PlanFormat::Json,
        OutputFormat::Yaml => PlanFormat::Yaml,
        OutputFormat::Name => PlanFormat::Name,
    }
}

/// Creates a Sync and, as a rule, follows it to its end.
pub async fn start(
    context: &Context,
    cluster: &Cluster,
    application: &Application,
    spec: SyncSpec,
    ending: EndingArguments,
) -> Result<Exit, Error> {
    if application.spec.suspend.as_ref().is_some_and(|it| is_suspended(it, Timestamp::now())) {
        let name = application.name_any();
        context.terminal.warn(&format!(
            "Application `{name}` is suspended: this Sync runs, but drift is not healed until `tiphys resume {name}`"
        ));
    }
    let sync = create_sync(cluster, application, spec).await?;
    if ending.wait.waiting() == Waiting::NoWait {
        let text = match ending.output.output {
            OutputFormat::Table | OutputFormat::Wide => {
                format!("{} created\n", documents::name(&raw(&sync)?))
            }
            format => documents::one(raw(&sync)?, form(format))?,
        };
        terminal::data(&text)?;
        return Ok(Exit::Done);
    }
    follow_to_end(context, cluster, &sync, ending.timeout, ending.output.output).await
}

/// Follows a Sync, shows how it goes, and says how it ended.
pub async fn follow_to_end(
    context: &Context,
    cluster: &Cluster,
    sync: &Sync,
    timeout: Option<Duration>,
    output: OutputFormat,
) -> Result<Exit, Error> {
    let mut viewer = live::viewer(context.terminal);
    let followed = follow(cluster, sync, timeout.map(Duration::get), viewer.as_mut()).await;
    drop(viewer);
    match followed? {
        Followed::Finished(sync) => finished(context, &sync, output),
        Followed::TimedOut(sync) => {
            let phase = sync.status.as_ref().map_or(Phase::Pending, |it| it.phase);
            let timeout = timeout.map(|it| it.to_string()).unwrap_or_default();
            Err(Error::NotInTime {
                what: format!("the Sync `{}` has not ended after {timeout}", sync.name_any()),
                reason: format!("it is {}", phase.as_str()),
                hint: goes_on(&sync),
            })
        }
        Followed::Interrupted => {
            terminal::say(&goes_on(sync));
            Ok(Exit::Interrupted)
        }
    }
}

/// What to say when a Sync is left alone.
fn goes_on(sync: &Sync) -> String {
    let application = &sync.spec.application;
    format!(
        "the Sync `{name}` goes on in the cluster: `tiphys wait {application} --sync {name}` follows it, \
         `tiphys rollback {application}` goes back",
        name = sync.name_any()
    )
}

fn finished(context: &Context, sync: &Sync, output: OutputFormat) -> Result<Exit, Error> {
    let status = sync.status.clone().unwrap_or_default();
    let has_succeeded = status.phase == Phase::Succeeded;
    match output {
        OutputFormat::Table | OutputFormat::Wide if has_succeeded => {
            terminal::data(&ending(sync, context.terminal.out, Timestamp::now()))?;
        }
        OutputFormat::Table | OutputFormat::Wide => {}
        format => terminal::data(&documents::one(raw(sync)?, form(format))?)?,
    }
    if has_succeeded {
        return Ok(Exit::Done);
    }
    Err(Error::Unsuccessful {
        sentence: ending(sync, Style::Plain, Timestamp::now()).trim_end().to_owned(),
        hint: next_step(sync),
    })
}

/// What to do about a Sync that ended without success.
fn next_step(sync: &Sync) -> String {
    let application = &sync.spec.application;
    let status = sync.status.clone().unwrap_or_default();
    let digest = status.plan.as_ref().and_then(|it| it.digest.as_ref());
    // A guard rail that refuses a plan says by which digest it can be confirmed.
    let is_refused = |digest: &str| status.message.as_ref().is_some_and(|it| it.contains(digest));
    let is_another = |digest: &str| sync.spec.plan.as_ref().is_some_and(|it| it != digest);
    match (status.phase, digest) {
        (_, Some(digest)) if is_another(digest) => {
            format!("`tiphys plan {application} -o FILE` saves what the plan is now")
        }
        (Phase::Superseded, _) => format!("`tiphys history {application}` shows the one that took its place"),
        (_, Some(digest)) if is_refused(digest) => {
            format!("`tiphys sync {application} --confirm {digest}` lets exactly this plan through")
        }
        _ => format!(
            "`tiphys get {application}` shows its objects, `tiphys rollback {application}` goes back to the last Sync \
             that was well"
        ),
    }
}
