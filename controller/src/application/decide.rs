//! What to do with an Application next: a pure function from facts to a decision.
//!
//! The order of the rules is the order in which a person would expect them: a deletion before all, then what
//! somebody asked for, then what runs, then what nobody had to ask for.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use tiphys_api::{
    ApplicationSpec, ApplicationStatus, HoldPolicy, InitiatedBy, LastSync, OnFailure, Phase, SyncSpec,
    Trigger, Wait, WaitReason,
};
use tiphys_engine::windows::Closed;

use crate::sync_index::SyncRecord;

/// Everything that a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The present.
    pub now: Timestamp,
    /// Name of the Application.
    pub name: &'a str,
    /// What it asks for.
    pub spec: &'a ApplicationSpec,
    /// Generation of `spec`.
    pub generation: i64,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// What we know of it.
    pub status: &'a ApplicationStatus,
    /// Its Syncs in the order of their creation.
    pub syncs: &'a [SyncRecord],
    /// What the source holds now.
    pub candidate: &'a Candidate,
    /// What brought what the source holds now.
    pub cause: Trigger,
    /// What keeps Syncs back.
    pub gates: &'a Gates,
    /// The Sync that is applied and waits for health.
    pub waiting: Option<Waiting<'a>>,
    /// Whether objects drifted and may be corrected now.
    pub drift: Drift,
    /// Digest of the plan that somebody confirmed by an annotation.
    pub confirmed: Option<&'a str>,
}

/// What the source holds now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// Not known: not fetched yet, or the source cannot be reached.
    Unknown,
    /// It could not be rendered.
    Broken {
        /// The revision.
        revision: String,
        /// Why, which tells one breakage from another: a commit that breaks it in the same way is nothing new.
        message: String,
    },
    /// It was rendered.
    Rendered {
        /// The revision.
        revision: String,
        /// Digest of the rendering.
        digest: String,
    },
}

/// A Sync that is applied and waits for health.
#[derive(Clone, Copy, Debug)]
pub struct Waiting<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether it goes back, or was asked for with a revision of its own: then a new revision does not take
    /// its place.
    pub pinned: bool,
    /// What it applied.
    pub rendering: Option<&'a str>,
    /// When it must be healthy.
    pub deadline: Timestamp,
    /// What its objects say.
    pub verdict: Verdict,
    /// Whether it ends when it is healthy. If not, another stage follows.
    pub last: bool,
    /// Whether a hook of it runs. A hook is not interrupted: whoever wants to take its place waits.
    pub busy: bool,
}

/// What the objects of a waiting Sync say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All are healthy.
    Healthy,
    /// Some are on their way; look again then at the latest, when something is to be waited out.
    Progressing(Option<Timestamp>),
    /// Some will not get there by themselves.
    Degraded,
}

/// Whether objects drifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drift {
    /// None did.
    None,
    /// Some did, and may be corrected.
    Now,
    /// Nothing is to be corrected before then: a correction failed, or what keeps changing is left alone.
    SlowedUntil(Timestamp),
}

/// What keeps Syncs back. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    /// The sync window that is closed.
    pub window: Option<Closed>,
    /// What other Applications it waits for, in a sentence.
    pub dependency: Option<String>,
}

impl Gates {
    /// Whether a Sync that starts for this reason is kept back. Windows keep nobody from going back, and neither
    /// corrections of drift nor people wait for other Applications. What a person asks for is refused and not kept.
    fn keep_back(&self, trigger: Trigger) -> Option<Wait> {
        let by_window = self.window.as_ref().map(|closed| Wait {
            reason: WaitReason::Window,
            message: closed.to_string(),
            until: closed.until.map(Time),
        });
        let by_dependency = self.dependency.as_ref().map(|message| Wait {
            reason: WaitReason::Dependency,
            message: message.clone(),
            until: None,
        });
        match trigger {
            Trigger::User | Trigger::Rollback => None,
            Trigger::SelfHeal => by_window,
            Trigger::Webhook | Trigger::Auto => by_window.or(by_dependency),
        }
    }

    /// Why a person's Sync does not run, when a window is closed.
    fn refuse(&self, spec: &SyncSpec) -> Option<String> {
        let asks = spec.initiated_by.trigger == Trigger::User;
        let passes = spec.dry_run || spec.rollback_to.is_some() || spec.override_window;
        let closed = self.window.as_ref().filter(|it| asks && !passes && !it.manual)?;
        Some(format!(
            "{closed}; nothing was done: wait, or override it (`tiphys sync --override-window`, spec.overrideWindow)"
        ))
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Let go of the objects, or delete them, and let the Application go.
    Delete,
    /// Run this Sync.
    Run {
        /// Its name.
        name: String,
    },
    /// Create a Sync and run it.
    Request {
        /// Its spec.
        spec: Box<SyncSpec>,
    },
    /// End this Sync unrun or unfinished, because another one takes its place.
    Supersede {
        /// Its name.
        name: String,
        /// Who takes its place, for the record.
        by: String,
    },
    /// End this Sync unrun, because it may not run now.
    Refuse {
        /// Its name.
        name: String,
        /// Why, and what to do.
        message: String,
    },
    /// The waiting Sync goes on with its next stage.
    Advance {
        /// Its name.
        name: String,
    },
    /// The waiting Sync brings back what somebody deleted meanwhile.
    Restore,
    /// The waiting Sync ends.
    Finish {
        /// How.
        end: End,
    },
    /// Nothing, until something happens or this time comes.
    Idle {
        /// When to look again.
        until: Option<Timestamp>,
    },
}

/// How a waiting Sync ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything is healthy.
    Healthy,
    /// Something is degraded.
    Degraded,
    /// Time is over.
    TimedOut,
}

/// Decides what to do next.
pub fn decide(facts: &Facts<'_>) -> Decision {
    if facts.deleting {
        return Decision::Delete;
    }
    requested(facts)
        .or_else(|| awaited(facts))
        .or_else(|| automatic(facts))
        .unwrap_or_else(|| Decision::Idle { until: next_look(facts) })
}

/// What somebody asked for, or an interrupted start of ours.
fn requested(facts: &Facts<'_>) -> Option<Decision> {
    let waiting = facts.waiting.map(|it| it.name);
    let suspended = is_suspended(facts);
    let automatic = |it: &&SyncRecord| it.spec.initiated_by.trigger != Trigger::User;
    let open = || {
        let rest =
            facts.syncs.iter().filter(|it| !it.phase.is_finished() && Some(it.name.as_str()) != waiting);
        let kept_back = |it: &&SyncRecord| {
            it.phase == Phase::Pending && facts.gates.keep_back(it.spec.initiated_by.trigger).is_some()
        };
        rest.filter(move |it| !(suspended && automatic(it) || kept_back(it)))
    };
    if let Some(question) = open().find(|it| it.spec.dry_run) {
        return Some(Decision::Run { name: question.name.clone() });
    }
    // One that is under way has passed.
    let refused = |it: &SyncRecord| match it.phase {
        Phase::Pending => facts.gates.refuse(&it.spec).map(|message| (it.name.clone(), message)),
        _ => None,
    };
    if let Some((name, message)) = open().find_map(refused) {
        return Some(Decision::Refuse { name, message });
    }
    let newest_automatic = open().rfind(automatic);
    if let Some(newest) = newest_automatic
        && let Some(older) =
            open().filter(automatic).find(|it| it.name != newest.name && it.phase == Phase::Pending)
    {
        return Some(Decision::Supersede { name: older.name.clone(), by: newest.name.clone() });
    }
    let next = open().next()?;
    if facts.waiting.is_some_and(|it| it.busy) {
        return None;
    }
    if let Some(waiting) = facts.waiting {
        // What is healthy already has nothing to wait for: it ends as what it is before the next one runs.
        if waiting.verdict == Verdict::Healthy && waiting.last {
            return Some(Decision::Finish { end: End::Healthy });
        }
        return Some(Decision::Supersede { name: waiting.name.to_owned(), by: next.name.clone() });
    }
    Some(Decision::Run { name: next.name.clone() })
}

/// The end of the waiting Sync, or of its stage.
fn awaited(facts: &Facts<'_>) -> Option<Decision> {
    let waiting = facts.waiting?;
    if !waiting.pinned
        && !waiting.busy
        && facts.spec.sync.auto
        && !is_suspended(facts)
        && !is_held(facts)
        && facts.gates.keep_back(facts.cause).is_none()
        && let Candidate::Rendered { digest, .. } = facts.candidate
        && waiting.rendering != Some(digest)
        && !has_failed(facts, digest)
    {
        // The new Sync takes the waiting one's place as soon as it exists.
        return Some(request(facts, facts.cause));
    }
    let end = match waiting.verdict {
        Verdict::Healthy if !waiting.last => {
            return Some(Decision::Advance { name: waiting.name.to_owned() });
        }
        Verdict::Healthy => End::Healthy,
        Verdict::Degraded => End::Degraded,
        Verdict::Progressing(_) if facts.now >= waiting.deadline => End::TimedOut,
        Verdict::Progressing(_) if restores(facts) => return Some(Decision::Restore),
        Verdict::Progressing(_) => {
            return Some(Decision::Idle { until: next_look(facts) });
        }
    };
    Some(Decision::Finish { end })
}

/// Whether what is gone while a Sync waits is brought back, by the rules by which drift is corrected.
fn restores(facts: &Facts<'_>) -> bool {
    facts.spec.sync.self_heal
        && facts.drift == Drift::Now
        && !is_suspended(facts)
        && facts.gates.keep_back(Trigger::SelfHeal).is_none()
}

/// What nobody had to ask for.
fn automatic(facts: &Facts<'_>) -> Option<Decision> {
    if is_suspended(facts) {
        return None;
    }
    let passes = |trigger: &Trigger| facts.gates.keep_back(*trigger).is_none();
    if let Some(confirmed) = newly_confirmed(facts)
        && facts.spec.sync.auto
        && !is_held(facts)
        && passes(&facts.cause)
    {
        return Some(confirm(facts, confirmed));
    }
    wanted(facts).into_iter().flatten().find(passes).map(|trigger| request(facts, trigger))
}

/// For which reasons a Sync would start by itself, the most urgent first.
fn wanted(facts: &Facts<'_>) -> [Option<Trigger>; 3] {
    let sync = &facts.spec.sync;
    let retry = facts.status.retry.as_ref().filter(|it| facts.now >= it.next_at.0);
    let tries_again = retry.is_some() && sync.on_failure == OnFailure::Retry;
    let goes_on = sync.auto && is_new(facts) && !is_held(facts);
    let heals = sync.self_heal && facts.drift == Drift::Now && !is_half_applied(facts);
    [tries_again.then_some(Trigger::Auto), goes_on.then_some(facts.cause), heals.then_some(Trigger::SelfHeal)]
}

/// What keeps back a Sync that would start by itself now.
pub fn waits(facts: &Facts<'_>) -> Option<Wait> {
    if is_suspended(facts) || facts.deleting {
        return None;
    }
    wanted(facts).into_iter().flatten().find_map(|trigger| facts.gates.keep_back(trigger))
}

/// Whether the source holds something that is not live and was not tried yet.
pub fn is_new(facts: &Facts<'_>) -> bool {
    let last = facts.status.last_sync.as_ref();
    let same_spec = last.is_some_and(|it| it.generation == Some(facts.generation));
    match facts.candidate {
        Candidate::Unknown => false,
        Candidate::Broken { message, .. } => {
            let seen = |it: &LastSync| it.phase == Phase::Failed && it.message.as_ref() == Some(message);
            !(same_spec && last.is_some_and(seen))
        }
        Candidate::Rendered { digest, .. } => {
            let live = facts.status.rendering.as_ref() == Some(digest);
            let tried = last.is_some_and(|it| it.rendering.as_ref() == Some(digest));
            !(live || tried && same_spec)
        }
    }
}

/// Whether the last Sync tried this rendering under the present spec, and failed.
fn has_failed(facts: &Facts<'_>, digest: &str) -> bool {
    let last = facts.status.last_sync.as_ref().filter(|it| it.phase == Phase::Failed);
    last.is_some_and(|it| it.rendering.as_deref() == Some(digest) && it.generation == Some(facts.generation))
}

/// Whether a Sync failed in the middle: what is missing since is not drift, and correcting it would be a hidden retry.
fn is_half_applied(facts: &Facts<'_>) -> bool {
    let corrects = |it: &LastSync| it.by.as_deref() == Some(Trigger::SelfHeal.as_str());
    let last = facts.status.last_sync.as_ref();
    facts.status.rendering.is_none() && last.is_some_and(|it| it.phase == Phase::Failed && !corrects(it))
}

/// Whether a rollback keeps the source's present content away.
pub fn is_held(facts: &Facts<'_>) -> bool {
    let Some(hold) = &facts.status.hold else {
        return false;
    };
    match hold.policy {
        HoldPolicy::None => false,
        HoldPolicy::Indefinite => true,
        HoldPolicy::UntilNewRevision => match facts.candidate {
            Candidate::Rendered { digest, .. } => hold.rendering.as_ref() == Some(digest),
            Candidate::Unknown | Candidate::Broken { .. } => true,
        },
    }
}

/// The revision with which the source says again what is live, if a hold waits for that: nothing is left to be kept away.
pub fn caught_up(facts: &Facts<'_>) -> Option<String> {
    let hold = facts.status.hold.as_ref().filter(|it| it.policy == HoldPolicy::UntilNewRevision)?;
    let Candidate::Rendered { revision, digest } = facts.candidate else {
        return None;
    };
    let is_live = facts.status.rendering.as_ref() == Some(digest);
    (is_live && hold.rendering.as_ref() != Some(digest)).then(|| revision.clone())
}

/// Whether somebody paused the Application.
pub fn is_suspended(facts: &Facts<'_>) -> bool {
    let suspend = facts.spec.suspend.as_ref();
    suspend.is_some_and(|it| it.until.as_ref().is_none_or(|until| facts.now < until.0))
}

/// The digest of the plan that the newest Sync was refused for, once somebody has confirmed it. A Sync that ran with that
/// confirmation and failed all the same is not repeated.
fn newly_confirmed<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    let confirmed = facts.confirmed?;
    let last = facts.status.last_sync.as_ref().filter(|it| it.phase == Phase::Failed)?;
    let record = facts.syncs.iter().find(|it| it.name == last.name)?;
    let planned = record.plan.as_ref()?.digest.as_deref();
    (planned == Some(confirmed) && record.spec.confirm.as_deref() != Some(confirmed)).then_some(confirmed)
}

fn confirm(facts: &Facts<'_>, digest: &str) -> Decision {
    let spec = SyncSpec { confirm: Some(digest.to_owned()), ..automatic_spec(facts, Trigger::Auto) };
    Decision::Request { spec: Box::new(spec) }
}

fn request(facts: &Facts<'_>, trigger: Trigger) -> Decision {
    Decision::Request { spec: Box::new(automatic_spec(facts, trigger)) }
}

fn automatic_spec(facts: &Facts<'_>, trigger: Trigger) -> SyncSpec {
    SyncSpec {
        application: facts.name.to_owned(),
        initiated_by: InitiatedBy { user: None, trigger },
        ..SyncSpec::default()
    }
}

fn next_look(facts: &Facts<'_>) -> Option<Timestamp> {
    let waited_out = facts.waiting.and_then(|it| match it.verdict {
        Verdict::Progressing(at) => at,
        Verdict::Healthy | Verdict::Degraded => None,
    });
    let slowed = match facts.drift {
        Drift::SlowedUntil(at) if facts.spec.sync.self_heal => Some(at),
        _ => None,
    };
    [
        facts.waiting.map(|it| it.deadline),
        waited_out,
        slowed,
        facts.status.retry.as_ref().map(|it| it.next_at.0),
        facts.spec.suspend.as_ref().and_then(|it| it.until.as_ref()).map(|it| it.0),
        facts.gates.window.as_ref().and_then(|it| it.until),
    ]
    .into_iter()
    .flatten()
    .filter(|at| *at > facts.now)
    .min()
}

#[cfg(test)]
mod tests;
