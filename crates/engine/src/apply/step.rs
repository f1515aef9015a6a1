//! One step of a plan.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tiphys_api::{Action, ObjectResult, Outcome};
use tiphys_manifest::{GroupVersionKind, Manifest};
use tokio::time::{Instant, sleep};

use super::{ApplyOptions, wait};
use crate::backoff::Backoff;
use crate::check::words;
use crate::cluster::Cluster;
use crate::definition::{defined_by, is_definition};
use crate::discovery::{Lookup, ServedKind};
use crate::error::{Class, Error};
use crate::fields::ProjectionHash;
use crate::hooks;
use crate::inventory::Inventory;
use crate::migrate::{self, Migration};
use crate::modes;
use crate::order::DeletePolicy;
use crate::plan::{Reason, Step};
use crate::requests::{Applied, Deleted, Mode, TriedCreate};

/// How long what a step needs, and what came with the same plan, may take to take effect in the API server.
const SETTLING: Duration = Duration::from_secs(10);
/// How many paths of a diff a result names.
const NAMED_PATHS: usize = 5;
/// How often replacing an object is tried while others write to it.
const REPLACE_TRIES: usize = 5;
/// How often taking over fields is tried while others write to the object.
const MIGRATION_TRIES: usize = 5;

/// Runs steps.
pub(super) struct Runner<'a> {
    pub(super) cluster: &'a Cluster,
    manifests: &'a [Manifest],
    pub(super) options: &'a ApplyOptions,
    /// Group and kind of everything that is applied, now or in a later stage: definitions of these are waited for.
    needed: BTreeSet<(String, String)>,
}

/// What came of one step.
pub(super) struct Done {
    pub(super) result: ObjectResult,
    effect: Effect,
}

/// What a step means for the inventory.
enum Effect {
    None,
    /// It was applied; this is what we own of it now.
    Applied(Option<ProjectionHash>),
    /// It is gone.
    Gone,
    /// Its deletion was asked for.
    Deleting,
}

impl Done {
    fn new(step: &Step, outcome: Outcome, message: Option<String>, effect: Effect) -> Self {
        Self { result: result(step, outcome, message), effect }
    }

    /// Whether the object is being deleted and not gone yet.
    pub(super) fn is_pending(&self) -> bool {
        matches!(self.effect, Effect::Deleting)
    }

    pub(super) fn note_in(&self, inventory: &mut Inventory, step: &Step) {
        match self.effect {
            Effect::Applied(live) => inventory.settle(&step.id, live),
            Effect::Gone => inventory.forget(&step.id),
            Effect::None | Effect::Deleting => {}
        }
    }
}

impl<'a> Runner<'a> {
    pub(super) fn new(cluster: &'a Cluster, manifests: &'a [Manifest], options: &'a ApplyOptions) -> Self {
        let kinds = manifests.iter().map(Manifest::gvk);
        let needed = kinds.map(|gvk| (gvk.group.clone(), gvk.kind.clone())).collect();
        Self { cluster, manifests, options, needed }
    }

    pub(super) async fn run(&self, step: &Step) -> Done {
        let done = match step.action {
            Action::Unchanged => Ok(Done::new(step, Outcome::Applied, None, Effect::None)),
            Action::Prune => self.prune(step).await,
            Action::Hook => self.run_hook(step).await,
            Action::Create | Action::Adopt | Action::Change | Action::Recreate => self.put(step).await,
        };
        done.unwrap_or_else(|error| Done::new(step, Outcome::Failed, Some(words(&error)), Effect::None))
    }

    /// Waits until an object whose deletion was asked for is gone.
    pub(super) async fn finish_deletion(&self, step: &Step, done: &mut Done) {
        let gone = async {
            let kind = self.kind_of(step).await?;
            wait::gone(self.cluster, &kind, &step.id, step.uid.as_deref(), self.options.deadline).await
        };
        *done = match gone.await {
            Ok(()) => Done::new(step, Outcome::Applied, None, Effect::Gone),
            Err(error) => Done::new(step, Outcome::Failed, Some(words(&error)), Effect::None),
        };
    }

    async fn kind_of(&self, step: &Step) -> Result<Arc<ServedKind>, Error> {
        let gvk = GroupVersionKind::new(&step.id.group, &step.version, &step.id.kind);
        match self.cluster.kinds.resolve(&gvk).await? {
            Lookup::Served(kind) => Ok(kind),
            Lookup::NotServed => Err(Error::NotServed { gvk }),
            Lookup::Unknown => Err(Error::KindUnanswered { gvk }),
        }
    }

    async fn prune(&self, step: &Step) -> Result<Done, Error> {
        let kind = match self.kind_of(step).await {
            // With its kind everything of it went.
            Err(Error::NotServed { .. }) => return Ok(Done::new(step, Outcome::Applied, None, Effect::Gone)),
            other => other?,
        };
        let uid = step.uid.as_deref();
        let deleted = self.cluster.requests.delete(&kind, &step.id, uid, self.options.deadline).await?;
        Ok(match deleted {
            Deleted::Gone => Done::new(step, Outcome::Applied, None, Effect::Gone),
            Deleted::Pending => {
                let message = Some("it goes when its finalizers or its grace period are over".to_owned());
                Done::new(step, Outcome::Applied, message, Effect::Deleting)
            }
        })
    }

    fn manifest_of(&self, step: &Step) -> Result<&Manifest, Error> {
        let manifest = step.manifest.and_then(|place| self.manifests.get(place));
        manifest.ok_or_else(|| Error::ForeignPlan { id: Box::new(step.id.clone()) })
    }

    /// Creates a hook, unless this very run has done so before. What is live is read anew: the plan may be older than
    /// another try of the same run.
    async fn run_hook(&self, step: &Step) -> Result<Done, Error> {
        let (Ok(manifest), Some(hook)) = (self.manifest_of(step), &step.hook) else {
            return Err(Error::ForeignPlan { id: Box::new(step.id.clone()) });
        };
        let deadline = self.options.deadline;
        let kind = self.kind_of(step).await?;
        let live = self.cluster.requests.get(&kind, &step.id, deadline).await?;
        if let Some(live) = &live {
            if hooks::mark_of(live) == Some(&hook.mark) {
                self.cluster.live.observe(live)?;
                return Ok(Done::new(step, Outcome::Applied, None, Effect::None));
            }
            if hook.hook.policies.contains(&DeletePolicy::BeforeHookCreation) {
                let uid = live.pointer("/metadata/uid").and_then(Value::as_str);
                if self.cluster.requests.delete(&kind, &step.id, uid, deadline).await? == Deleted::Pending {
                    if let Some(patch) = hooks::release(live) {
                        self.cluster.requests.json_patch(&kind, &step.id, &patch, deadline).await?;
                    }
                    wait::gone(self.cluster, &kind, &step.id, uid, deadline).await?;
                }
            }
        }
        let manifest = hooks::marked(manifest.clone(), &hook.mark);
        let applied = self.apply_settling(step, &kind, &manifest).await?;
        self.cluster.live.observe(&applied.object)?;
        self.await_definition(step, &manifest).await?;
        Ok(Done::new(step, Outcome::Applied, None, Effect::None))
    }

    async fn put(&self, step: &Step) -> Result<Done, Error> {
        let manifest = self.manifest_of(step)?;
        let kind = self.kind_of(step).await?;
        if step.action == Action::Recreate {
            self.remove_first(step, &kind).await?;
        }
        self.migrate(step, &kind, step.migration.clone()).await?;
        let applied = self.apply_settling(step, &kind, manifest).await?;
        if step.mode == modes::Mode::IfNotPresent && applied.existed {
            let message = Some("somebody else created it meanwhile; it stays as it is".to_owned());
            return Ok(Done::new(step, Outcome::Applied, message, Effect::Gone));
        }
        let owned = ProjectionHash::of_live(&applied.object);
        self.cluster.live.observe(&applied.object)?;
        self.await_definition(step, manifest).await?;
        let changed = step.diff.summary(NAMED_PATHS);
        let mut message = (step.action != Action::Create && !changed.is_empty()).then_some(changed);
        if step.action == Action::Change && step.predicted.is_some() && step.predicted != owned {
            let noticed = "what is stored now is not what the dry run foretold: a webhook that acts on real requests only?";
            message = Some(message.map_or_else(|| noticed.to_owned(), |it| format!("{it} ({noticed})")));
        }
        Ok(Done::new(step, Outcome::Applied, message, Effect::Applied(owned)))
    }

    /// Writes an object once, as its mode says.
    async fn write(&self, step: &Step, kind: &ServedKind, manifest: &Manifest) -> Result<Applied, Error> {
        let (requests, deadline) = (&self.cluster.requests, self.options.deadline);
        match step.mode {
            modes::Mode::IfNotPresent => {
                match requests.create(kind, manifest.object(), Mode::Write, deadline).await? {
                    TriedCreate::Created(object) => {
                        Ok(Applied { object, existed: false, warnings: Vec::new() })
                    }
                    TriedCreate::Exists => {
                        Ok(Applied { object: Value::Null, existed: true, warnings: Vec::new() })
                    }
                }
            }
            modes::Mode::Replace => self.replace(step, kind, manifest).await,
            modes::Mode::ReplaceOnce => self.replace_once(step, kind, manifest).await,
            modes::Mode::Override | modes::Mode::Merge | modes::Mode::Ignore => {
                requests.apply(kind, manifest.object(), Mode::Write, deadline).await
            }
        }
    }

    /// Replaces the whole object, in whichever version it is by now, or creates it.
    async fn replace(&self, step: &Step, kind: &ServedKind, manifest: &Manifest) -> Result<Applied, Error> {
        let (requests, deadline) = (&self.cluster.requests, self.options.deadline);
        let mut tries_left = REPLACE_TRIES;
        loop {
            tries_left = tries_left.saturating_sub(1);
            let Some(live) = requests.get(kind, &step.id, deadline).await? else {
                match requests.create(kind, manifest.object(), Mode::Write, deadline).await? {
                    TriedCreate::Created(object) => {
                        return Ok(Applied { object, existed: false, warnings: Vec::new() });
                    }
                    TriedCreate::Exists => continue,
                }
            };
            let object = modes::replacement(manifest.object(), &live);
            match requests.replace(kind, &object, Mode::Write, deadline).await {
                Err(error) if error.class() == Class::Conflict && tries_left > 0 => {}
                done => return done,
            }
        }
    }

    /// Replaces the whole object and then applies it, so that it is ours as everything is that is applied: what leaves the
    /// rendering later leaves the object.
    async fn replace_once(
        &self,
        step: &Step,
        kind: &ServedKind,
        manifest: &Manifest,
    ) -> Result<Applied, Error> {
        if matches!(step.action, Action::Adopt | Action::Change) {
            let replaced = self.replace(step, kind, manifest).await?;
            self.migrate(step, kind, migrate::plan(&replaced.object)).await?;
        }
        let deadline = self.options.deadline;
        self.cluster.requests.apply(kind, manifest.object(), Mode::Write, deadline).await
    }

    /// Deletes an object that cannot be changed, and waits until it is gone.
    async fn remove_first(&self, step: &Step, kind: &ServedKind) -> Result<(), Error> {
        let deadline = self.options.deadline;
        let uid = step.uid.as_deref();
        let asked = step.reason == Reason::Deleting;
        if !asked && self.cluster.requests.delete(kind, &step.id, uid, deadline).await? == Deleted::Gone {
            return Ok(());
        }
        wait::gone(self.cluster, kind, &step.id, uid, deadline).await
    }

    /// Makes fields ours that kubectl wrote, or we otherwise than by apply, so that what leaves the rendering leaves the
    /// object.
    async fn migrate(
        &self,
        step: &Step,
        kind: &ServedKind,
        mut migration: Option<Migration>,
    ) -> Result<(), Error> {
        let deadline = self.options.deadline;
        let requests = &self.cluster.requests;
        for tries_left in (0..MIGRATION_TRIES).rev() {
            let Some(wanted) = &migration else { return Ok(()) };
            match requests.json_patch(kind, &step.id, &wanted.json_patch, deadline).await {
                Ok(_) => return Ok(()),
                // The object is not as it was planned with: look again.
                Err(error) if tries_left > 0 && matches!(error.class(), Class::Conflict | Class::Invalid) => {
                    let live = requests.get(kind, &step.id, deadline).await?;
                    migration = live.as_ref().and_then(migrate::plan);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Applies; what could not be checked before is tried again while what it needs takes effect.
    async fn apply_settling(
        &self,
        step: &Step,
        kind: &ServedKind,
        manifest: &Manifest,
    ) -> Result<Applied, Error> {
        let give_up = self.options.deadline.min(Instant::now() + SETTLING);
        let mut pauses = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        loop {
            let applied = self.write(step, kind, manifest).await;
            let Err(error) = &applied else { return applied };
            let pause = pauses.next();
            if !may_settle(step, error) || Instant::now() + pause >= give_up {
                return applied;
            }
            sleep(pause).await;
        }
    }

    /// After a definition whose objects come later in this plan: waits until they can be applied and seen.
    async fn await_definition(&self, step: &Step, manifest: &Manifest) -> Result<(), Error> {
        let defined = if is_definition(&step.id) { defined_by(manifest.object()) } else { None };
        let Some((group, kind)) = defined.filter(|defined| self.needed.contains(defined)) else {
            return Ok(());
        };
        let wanted = self.manifests.iter().map(Manifest::gvk);
        let wanted: BTreeSet<_> = wanted.filter(|gvk| gvk.group == group && gvk.kind == kind).collect();
        wait::established(self.cluster, &step.id, &wanted, self.options.deadline).await
    }
}

/// Whether a refusal may go away by itself because what the object needs has just been applied.
fn may_settle(step: &Step, error: &Error) -> bool {
    let Some(refusal) = error.failure().and_then(|failure| failure.refusal()) else {
        return false;
    };
    let unverified = step.by_schema || matches!(step.reason, Reason::Unverified { .. });
    let missing = refusal.code == 404 || refusal.message.contains("not found");
    missing || (unverified && refusal.class() == Class::Invalid)
}

/// The record of one step.
pub(super) fn result(step: &Step, outcome: Outcome, message: Option<String>) -> ObjectResult {
    ObjectResult {
        group: step.id.group.clone(),
        kind: step.id.kind.clone(),
        namespace: step.id.namespace.clone(),
        name: step.id.name.clone(),
        hook: step.hook.as_ref().map(|it| it.hook.phase),
        action: step.action,
        outcome,
        message,
    }
}
