//! `tiphys rollback`.

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use kube::ResourceExt as _;
use tiphys_api::{HoldPolicy, Phase, Sync, SyncSpec};

use super::Context;
use super::diff::reject_refusals;
use super::history::{number_of, numbers};
use super::sync::{EndingArguments, start};
use crate::arguments::{Asking, YesArgument};
use crate::dry_run;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::plan::{PlanFormat, print};
use crate::output::sync::{in_order, one_line};
use crate::terminal;

/// Where to go back to, and for how long.
#[derive(Args, Debug)]
#[command(after_help = "\
A rollback needs neither Git nor a registry: it applies the snapshot of the earlier Sync.
With auto-sync on, the Application then holds there; see --hold.
Where the Repository lets it (spec.proposals), a branch is pushed that takes the files back in Git, too.

Examples:
  tiphys rollback web           # to the last successful Sync before the current state
  tiphys rollback web 12
  tiphys rollback web 12 --hold indefinite --yes")]
pub struct RollbackArguments {
    /// The Application
    #[arg(value_name = "APPLICATION")]
    application: String,
    /// Number of the Sync to go back to; default: the last successful one before the current state
    #[arg(value_name = "NUMBER")]
    number: Option<u64>,
    /// How long to stay there: until a newer revision changes the inputs, until somebody syncs by hand, or not at all
    #[arg(
        long,
        value_enum,
        default_value = "until-new-revision",
        hide_possible_values = true,
        value_name = "until-new-revision|indefinite|none"
    )]
    hold: HoldChoice,
    #[command(flatten)]
    yes: YesArgument,
    #[command(flatten)]
    ending: EndingArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HoldChoice {
    UntilNewRevision,
    Indefinite,
    None,
}

impl From<HoldChoice> for HoldPolicy {
    fn from(choice: HoldChoice) -> Self {
        match choice {
            HoldChoice::UntilNewRevision => Self::UntilNewRevision,
            HoldChoice::Indefinite => Self::Indefinite,
            HoldChoice::None => Self::None,
        }
    }
}

/// Goes back.
pub async fn run(context: &Context, arguments: &RollbackArguments) -> Result<Exit, Error> {
    let cluster = context.connect().await?;
    let application = cluster.application(&arguments.application).await?;
    let mut syncs = cluster.syncs_of(&arguments.application).await?;
    in_order(&mut syncs);
    let target = choose(&arguments.application, &syncs, arguments.number)?;
    terminal::say(&format!("Back to {}", one_line(target, Timestamp::now())));
    let spec = SyncSpec {
        rollback_to: Some(target.name_any()),
        hold: Some(arguments.hold.into()),
        ..SyncSpec::default()
    };
    if arguments.yes.asking() == Asking::Ask {
        let question = format!("Roll back `{}`?", arguments.application);
        terminal::ensure_somebody_to_ask(&question)?;
        let plan = dry_run::plan(context, &cluster, &application, spec.clone(), None).await?;
        // The plan belongs to the question, not to the result.
        terminal::say(print(&plan, PlanFormat::Text, context.terminal.err)?.trim_end());
        reject_refusals(&plan)?;
        context.terminal.confirm(&question).await?;
    }
    start(context, &cluster, &application, spec, arguments.ending).await
}

/// The Sync to go back to. `syncs` are in order.
///
/// Without a number: the newest successful one that gave something else than what was last set out to be applied.
/// One that healed drift or repeated the same rendering would change nothing, and one that covered only some objects
/// is no state to be in.
fn choose<'a>(application: &str, syncs: &'a [Sync], number: Option<u64>) -> Result<&'a Sync, Error> {
    if let Some(number) = number {
        let target = syncs.iter().find(|it| number_of(it) == Some(number) && !it.spec.dry_run);
        let target = target.ok_or_else(|| Error::NoSync {
            application: application.to_owned(),
            sync: number.to_string(),
            known: numbers(syncs),
        })?;
        return match snapshot(target) {
            Some(_) => Ok(target),
            None => Err(Error::NoSnapshot { application: application.to_owned(), number }),
        };
    }
    let none = || Error::NoEarlierSync { application: application.to_owned() };
    let mut newest_first = syncs.iter().rev().filter(|it| number_of(it).is_some() && !it.spec.dry_run);
    let current = newest_first.next().ok_or_else(none)?;
    newest_first
        .find(|it| {
            let is_success = it.status.as_ref().is_some_and(|it| it.phase == Phase::Succeeded);
            let is_other = rendering(it).is_none() || rendering(it) != rendering(current);
            is_success && is_other && it.spec.resources.is_empty() && snapshot(it).is_some()
        })
        .ok_or_else(none)
}

fn snapshot(sync: &Sync) -> Option<&str> {
    sync.status.as_ref()?.snapshot.as_deref()
}

fn rendering(sync: &Sync) -> Option<&str> {
    sync.status.as_ref()?.rendering.as_deref()
}

#[cfg(test)]
mod tests {
    use tiphys_api::{ObjectReference, SyncStatus};

    use super::*;

    fn sync(number: u64, phase: Phase, rendering: &str) -> Sync {
        let mut sync = Sync::new(
            &format!("web-{number}"),
            SyncSpec { application: "web".to_owned(), ..SyncSpec::default() },
        );
        sync.status = Some(SyncStatus {
            phase,
            number: Some(number),
            rendering: Some(rendering.to_owned()),
            snapshot: Some(format!("web-{number}-snapshot")),
            ..SyncStatus::default()
        });
        sync
    }

    fn chosen(syncs: &[Sync], number: Option<u64>) -> Result<u64, String> {
        choose("web", syncs, number).map(|it| number_of(it).unwrap()).map_err(|it| it.to_string())
    }

    #[test]
    fn the_default_is_the_last_success_that_differs_from_the_current_state() {
        use Phase::{Failed, Succeeded};
        for (what, syncs, expected) in [
            (
                "after a failure, the success before it",
                vec![sync(1, Succeeded, "a"), sync(2, Failed, "b")],
                Some(1),
            ),
            (
                "after a success, the one before",
                vec![sync(1, Succeeded, "a"), sync(2, Succeeded, "b")],
                Some(1),
            ),
            (
                "failures in between are passed over",
                vec![sync(1, Succeeded, "a"), sync(2, Failed, "b"), sync(3, Failed, "c")],
                Some(1),
            ),
            (
                "one that healed drift is no other state",
                vec![sync(1, Succeeded, "a"), sync(2, Succeeded, "b"), sync(3, Succeeded, "b")],
                Some(1),
            ),
            (
                "after a rollback, the state before the one that was gone back to is not meant",
                vec![
                    sync(1, Succeeded, "a"),
                    sync(2, Succeeded, "b"),
                    sync(3, Failed, "c"),
                    sync(4, Succeeded, "b"),
                ],
                Some(1),
            ),
            ("a first Sync has nothing before it", vec![sync(1, Succeeded, "a")], None),
            ("failures only", vec![sync(1, Failed, "a"), sync(2, Failed, "b")], None),
            ("nothing at all", vec![], None),
        ] {
            assert_eq!(chosen(&syncs, None).ok(), expected, "{what}");
        }
    }

    #[test]
    fn what_is_no_whole_state_is_not_chosen() {
        let mut partial = sync(2, Phase::Succeeded, "b");
        partial.spec.resources = vec![ObjectReference::default()];
        let mut question = sync(3, Phase::Succeeded, "c");
        question.spec.dry_run = true;
        let syncs = [sync(1, Phase::Succeeded, "a"), partial, question, sync(4, Phase::Failed, "d")];
        assert_eq!(chosen(&syncs, None), Ok(1));
        assert_eq!(chosen(&syncs, Some(2)), Ok(2), "a person may choose it");
        assert!(chosen(&syncs, Some(3)).is_err(), "a question is no state");
    }

    #[test]
    fn a_number_that_cannot_be_gone_back_to_is_refused() {
        let mut early = sync(2, Phase::Failed, "b");
        early.status.as_mut().unwrap().snapshot = None;
        let syncs = [sync(1, Phase::Succeeded, "a"), early];
        assert_eq!(
            chosen(&syncs, Some(2)).unwrap_err(),
            "Sync 2 of Application `web` has no snapshot: it ended before it applied anything"
        );
        assert_eq!(chosen(&syncs, Some(7)).unwrap_err(), "Application `web` has no Sync 7");
    }
}
