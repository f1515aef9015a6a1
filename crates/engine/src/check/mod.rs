//! Asks the API server, without changing anything, what would come of the objects of a draft.
//!
//! Each object that may have changed costs one request: a server-side apply with `dryRun`. What it needs may only
//! come with the same plan; then there is no way to ask, or a way around:
//!
//! * its namespace: the object is tried in a namespace that exists (the *stand-in*);
//! * its kind, or a newer schema of it: the schema says what becomes of it ([`crate::structural`]), and the rights are asked
//!   about by themselves;
//! * an account, a role, a class that the server looks up at admission: [`Checked::Unverifiable`].

mod coming;
mod deletes;
mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{FutureExt as _, StreamExt as _};
use serde_json::{Map, Value};
use tiphys_manifest::ObjectId;
use tokio::sync::Mutex;
use tokio::time::Instant;

use self::coming::Coming;
use crate::cluster::Cluster;
use crate::definition::is_definition;
use crate::discovery::{Lookup, ServedKind};
use crate::error::{Class, Error};
use crate::modes;
use crate::plan::{Checked, Creating, Draft, Existed, Question, Tracking};
use crate::requests::failure::Refusal;
use crate::requests::{Applied, Mode, TriedCreate};

/// How often replacing an object is tried while others write to it.
const REPLACE_TRIES: usize = 5;

/// How a draft is checked.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// Requests under way at once.
    pub concurrency: usize,
    /// When to give up what is not answered.
    pub deadline: Instant,
    /// A namespace that exists, in which objects of namespaces to come are tried.
    pub stand_in: String,
}

/// Asks about every object of the draft that may have changed.
pub async fn check(cluster: &Cluster, draft: &Draft, options: &CheckOptions) -> BTreeMap<ObjectId, Checked> {
    let (first, rest): (Vec<_>, Vec<_>) = draft.questions().partition(|question| brings_others(question.id));
    let mut round = Round {
        cluster,
        options,
        missing_namespaces: BTreeSet::new(),
        coming: Coming::default(),
        planned: draft.questions().map(|question| question.id.name.clone()).collect(),
        brings_rights: draft.manifests().iter().any(|it| it.gvk().group == "rbac.authorization.k8s.io"),
        rights: Mutex::default(),
        namespaces: Mutex::default(),
    };
    let mut answers = round.ask(first).await;
    round.learn(&answers, draft);
    round.note_dropped_versions(&mut answers).await;
    answers.extend(round.ask(rest).await);
    answers.extend(round.count_objects(draft).await);
    answers.extend(round.try_deletions(draft).await);
    answers
}

/// Namespaces and definitions are asked about first: the rest depends on what is there.
fn brings_others(id: &ObjectId) -> bool {
    is_definition(id) || is_namespace(id)
}

fn is_namespace(id: &ObjectId) -> bool {
    id.group.is_empty() && id.kind == "Namespace"
}

/// What is known while one draft is checked.
struct Round<'a> {
    cluster: &'a Cluster,
    options: &'a CheckOptions,
    /// Namespaces that only come with this plan.
    missing_namespaces: BTreeSet<String>,
    /// Definitions that come or change with this plan.
    coming: Coming,
    /// Names of everything that this plan may bring.
    planned: BTreeSet<String>,
    /// Whether this plan has roles or bindings, so that rights may come with it.
    brings_rights: bool,
    /// What was asked about rights: once for each kind and namespace.
    rights: Mutex<BTreeMap<(String, Option<String>), bool>>,
    /// Which namespaces exist, as far as that was asked.
    namespaces: Mutex<BTreeMap<String, bool>>,
}

impl Round<'_> {
    async fn ask(&self, questions: Vec<Question<'_>>) -> BTreeMap<ObjectId, Checked> {
        // Boxed, because the compiler cannot see that a stream of closures over borrowed questions is `Send`.
        let asked: Vec<_> = questions.into_iter().map(|question| self.ask_named(question).boxed()).collect();
        futures::stream::iter(asked).buffer_unordered(self.options.concurrency.max(1)).collect().await
    }

    async fn ask_named(&self, question: Question<'_>) -> (ObjectId, Checked) {
        (question.id.clone(), self.ask_one(&question).await)
    }

    /// Takes in what the answers about namespaces and definitions say.
    fn learn(&mut self, answers: &BTreeMap<ObjectId, Checked>, draft: &Draft) {
        self.coming.learn(answers, draft);
        for question in draft.questions() {
            let answer = answers.get(question.id);
            if is_namespace(question.id)
                && let Some(Checked::Predicted { existed: Existed::No, .. }) = answer
            {
                self.missing_namespaces.insert(question.id.name.clone());
            }
            let gvk = question.manifest.gvk();
            if question.surroundings.definition && self.cluster.kinds.lookup(gvk) == Lookup::NotServed {
                self.coming.add_settled(draft, &(gvk.group.clone(), gvk.kind.clone()), answers);
            }
        }
    }

    async fn ask_one(&self, question: &Question<'_>) -> Checked {
        if let Some(known) = self.known_namespace(question) {
            return known;
        }
        let gvk = question.manifest.gvk();
        let kind = match self.cluster.kinds.resolve(gvk).await {
            Ok(Lookup::Served(kind)) => kind,
            Ok(Lookup::Unknown) => return unanswered_kind(&gvk.to_string()),
            Ok(Lookup::NotServed) if question.surroundings.definition => {
                return self.of_kind_to_come(question).await.unwrap_or_else(|error| refused(&error));
            }
            Ok(Lookup::NotServed) => {
                return Checked::Refused {
                    class: Class::Invalid,
                    message: format!(
                        "the API server serves no kind {gvk}: is the apiVersion right, and is its CustomResourceDefinition installed?"
                    ),
                };
            }
            Err(error) => return refused(&error),
        };
        let namespace = question.id.namespace.as_deref().unwrap_or_default();
        let answered = if self.missing_namespaces.contains(namespace) {
            self.try_elsewhere(question, &kind, namespace).await
        } else {
            match question.mode {
                modes::Mode::IfNotPresent => self.try_as_new(question, &kind).await,
                modes::Mode::Replace | modes::Mode::ReplaceOnce => self.try_replacing(question, &kind).await,
                _ => self.try_in_place(question, &kind).await,
            }
        };
        let answered = self.unless_undeletable(question, &kind, answered).await;
        let answered = answered.unwrap_or_else(|error| refused(&error));
        match self.coming.of(question.id).filter(|it| it.changes(&gvk.version)) {
            Some(coming) => {
                let told = self.under_new_schema(question, &kind, coming, answered).await;
                told.unwrap_or_else(|error| refused(&error))
            }
            None => answered,
        }
    }

    /// A namespace that only has to exist need not be asked about when something of ours is in it.
    fn known_namespace(&self, question: &Question<'_>) -> Option<Checked> {
        let only_exists = question.tracking == Tracking::Unowned && is_namespace(question.id);
        if !only_exists || !self.cluster.live.has_namespace(&question.id.name) {
            return None;
        }
        let object = Value::Object(question.manifest.object().clone());
        Some(Checked::Predicted {
            live: Some(object.clone()),
            object,
            existed: Existed::Yes,
            warnings: Vec::new(),
            dropped: Vec::new(),
        })
    }

    async fn try_in_place(&self, question: &Question<'_>, kind: &ServedKind) -> Result<Checked, Error> {
        let asked = self.dry_run(kind, question.manifest.object()).await;
        match asked {
            Ok(applied) => self.predicted(question, kind, applied).await,
            Err(error) => self.why_not(question, kind, error).await,
        }
    }

    /// What would come of creating the object, if there is none of its name.
    async fn try_as_new(&self, question: &Question<'_>, kind: &ServedKind) -> Result<Checked, Error> {
        let object = question.manifest.object();
        let (object, existed) =
            match self.cluster.requests.try_create(kind, object, self.options.deadline).await {
                Ok(TriedCreate::Created(object)) => (object, Existed::No),
                Ok(TriedCreate::Exists) => (Value::Object(object.clone()), Existed::Yes),
                Err(error) => return self.why_not(question, kind, error).await,
            };
        Ok(Checked::Predicted { object, existed, live: None, warnings: Vec::new(), dropped: Vec::new() })
    }

    /// What would come of replacing the whole object, or of creating it.
    async fn try_replacing(&self, question: &Question<'_>, kind: &ServedKind) -> Result<Checked, Error> {
        let mut live = match question.live {
            Some(live) => Some(live.object()?),
            None => self.read(question, kind).await?,
        };
        for tries_left in (0..REPLACE_TRIES).rev() {
            let Some(before) = live else {
                return self.try_as_new(question, kind).await;
            };
            let object = modes::replacement(question.manifest.object(), &before);
            let requests = &self.cluster.requests;
            match requests.replace(kind, &object, Mode::DryRun, self.options.deadline).await {
                Ok(applied) => {
                    return Ok(Checked::Predicted {
                        object: applied.object,
                        existed: Existed::Yes,
                        live: Some(before),
                        warnings: applied.warnings,
                        dropped: Vec::new(),
                    });
                }
                // What is known of it is old.
                Err(error) if error.class() == Class::Conflict && tries_left > 0 => {
                    live = self.read(question, kind).await?;
                }
                Err(error) => return self.why_not(question, kind, error).await,
            }
        }
        Ok(Checked::Refused { class: Class::Transient, message: "others write to it; try again".to_owned() })
    }

    async fn dry_run(&self, kind: &ServedKind, object: &Map<String, Value>) -> Result<Applied, Error> {
        self.cluster.requests.apply(kind, object, Mode::DryRun, self.options.deadline).await
    }

    async fn predicted(
        &self,
        question: &Question<'_>,
        kind: &ServedKind,
        applied: Applied,
    ) -> Result<Checked, Error> {
        let live = match (applied.existed, question.live, question.tracking) {
            (false, _, _) | (true, Some(_), _) => None,
            // It stays as it is: nobody compares it.
            (true, None, Tracking::Unowned) => Some(applied.object.clone()),
            (true, None, Tracking::Owned | Tracking::Hook) => self.read(question, kind).await?,
        };
        // It may have been deleted since it was dry-run.
        let existed = applied.existed && (live.is_some() || question.live.is_some());
        Ok(Checked::Predicted {
            object: applied.object,
            existed: if existed { Existed::Yes } else { Existed::No },
            live,
            warnings: applied.warnings,
            dropped: Vec::new(),
        })
    }

    async fn read(&self, question: &Question<'_>, kind: &ServedKind) -> Result<Option<Value>, Error> {
        self.cluster.requests.get(kind, question.id, self.options.deadline).await
    }

    /// What a refusal means: for good, until the plan has run, or unless the object is created anew.
    async fn why_not(
        &self,
        question: &Question<'_>,
        kind: &ServedKind,
        error: Error,
    ) -> Result<Checked, Error> {
        let Some(refusal) = error.failure().and_then(|failure| failure.refusal()) else {
            return Err(error);
        };
        if let Some(why) = self.comes_later(question, refusal) {
            return Ok(Checked::Unverifiable { why });
        }
        let namespace = question.id.namespace.as_deref().unwrap_or_default();
        if refusal.is_missing_namespace(namespace) {
            return Ok(no_namespace(namespace));
        }
        if !refusal.is_immutable() {
            return Err(error);
        }
        let live = match question.live {
            Some(_) => None,
            None => self.read(question, kind).await?,
        };
        if question.live.is_none() && live.is_none() {
            return Err(error);
        }
        let message = refusal.message.clone();
        let uid = match (question.live, &live) {
            (Some(known), _) => Some(known.uid.clone()),
            (None, read) => {
                read.as_ref().and_then(|it| Some(it.pointer("/metadata/uid")?.as_str()?.to_owned()))
            }
        };
        let creating = if question.try_creating {
            self.try_recreating(question, kind, uid.as_deref()).await?
        } else {
            Creating::NotAsked
        };
        Ok(Checked::Immutable { message, live, creating })
    }

    /// Whether the refusal is about something that this very plan brings.
    fn comes_later(&self, question: &Question<'_>, refusal: &Refusal) -> Option<String> {
        let id = question.id;
        let others = self.planned.iter().filter(|name| **name != id.name);
        let missing = others.into_iter().find(|name| refusal.misses(name))?;
        Some(format!("it needs {missing}, which comes with the same plan"))
    }

    /// Whether the object may be deleted and could then be created.
    async fn try_recreating(
        &self,
        question: &Question<'_>,
        kind: &ServedKind,
        uid: Option<&str>,
    ) -> Result<Creating, Error> {
        let creating = self.try_creating(question, kind).await?;
        if creating != Creating::Accepted {
            return Ok(creating);
        }
        match self.try_deleting(kind, question.id, uid).await? {
            Some(Checked::Refused { message, .. }) => {
                Ok(Creating::Refused { message: format!("it may not be deleted: {message}") })
            }
            _ => Ok(Creating::Accepted),
        }
    }

    async fn try_creating(&self, question: &Question<'_>, kind: &ServedKind) -> Result<Creating, Error> {
        let object = question.manifest.object();
        match self.cluster.requests.try_create(kind, object, self.options.deadline).await {
            Ok(TriedCreate::Created(_) | TriedCreate::Exists) => Ok(Creating::Accepted),
            Err(error) if error.class() == Class::Transient => Err(error),
            Err(error) => Ok(Creating::Refused { message: words(&error) }),
        }
    }

    /// Tries an object of a namespace to come in another one.
    async fn try_elsewhere(
        &self,
        question: &Question<'_>,
        kind: &ServedKind,
        namespace: &str,
    ) -> Result<Checked, Error> {
        let mut manifest = question.manifest.clone();
        manifest.set_namespace(&self.options.stand_in);
        let tried = match self.dry_run(kind, manifest.object()).await {
            Ok(applied) if applied.existed => {
                // Something else has this name there. Creating says whether the object is valid by itself.
                let tried = self.cluster.requests.try_create(kind, manifest.object(), self.options.deadline);
                tried.await.map(|tried| match tried {
                    TriedCreate::Created(object) => (object, applied.warnings),
                    TriedCreate::Exists => (Value::Object(manifest.object().clone()), applied.warnings),
                })
            }
            other => other.map(|applied| (applied.object, applied.warnings)),
        };
        match tried {
            Ok((object, warnings)) => Ok(Checked::Predicted {
                object: moved(object, namespace),
                existed: Existed::No,
                live: None,
                warnings,
                dropped: Vec::new(),
            }),
            // What is wrong with the object is wrong everywhere; what is in the way there may not be here.
            Err(error) if matches!(error.class(), Class::Forbidden | Class::Conflict) => {
                if !self.may_apply(&kind.resource.plural, question.id).await? {
                    return Err(error);
                }
                Ok(Checked::Unverifiable {
                    why: format!("its namespace {namespace} comes with the same plan"),
                })
            }
            Err(error) => self.why_not(question, kind, error).await,
        }
    }

    /// Notes which definitions would no longer serve a version though there are objects of their kind.
    async fn note_dropped_versions(&self, answers: &mut BTreeMap<ObjectId, Checked>) {
        for (definition, versions) in self.coming.dropping() {
            let text =
                |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let kind = self.defined_kind(text("/spec/group"), text("/spec/names/plural")).await;
            let in_use = match kind {
                // Who cannot be asked may have some.
                Some(kind) => {
                    self.cluster.requests.has_objects(&kind, self.options.deadline).await.unwrap_or(true)
                }
                None => false,
            };
            let id =
                answers.keys().find(|id| is_definition(id) && id.name == text("/metadata/name")).cloned();
            if let Some(Checked::Predicted { dropped, .. }) =
                id.and_then(|id| answers.get_mut(&id)).filter(|_| in_use)
            {
                *dropped = versions;
            }
        }
    }

    /// Whether what would be pruned may be deleted: rights and admission. Where nothing is in the way nothing is said.
    async fn try_deletions(&self, draft: &Draft) -> BTreeMap<ObjectId, Checked> {
        let asked: Vec<_> = draft
            .objects_to_prune()
            .map(|live| {
                async move {
                    let kind = match self.cluster.kinds.resolve(&live.gvk).await {
                        Ok(Lookup::Served(kind)) => kind,
                        Ok(Lookup::NotServed | Lookup::Unknown) => return None,
                        Err(error) => return Some((live.id.clone(), refused(&error))),
                    };
                    let answer = self.try_deleting(&kind, &live.id, Some(&live.uid)).await;
                    Some((live.id.clone(), answer.unwrap_or_else(|error| Some(refused(&error)))?))
                }
                .boxed()
            })
            .collect();
        let answered = futures::stream::iter(asked).buffer_unordered(self.options.concurrency.max(1));
        answered.filter_map(futures::future::ready).collect().await
    }

    /// Why an object may not be deleted, or why that is not known.
    async fn try_deleting(
        &self,
        kind: &ServedKind,
        id: &ObjectId,
        uid: Option<&str>,
    ) -> Result<Option<Checked>, Error> {
        let tried = self.cluster.requests.try_delete(kind, id, uid, self.options.deadline).await;
        let Err(error) = tried else { return Ok(None) };
        if error.class() == Class::Transient {
            return Err(error);
        }
        let refusal = error.failure().and_then(|failure| failure.refusal());
        if refusal.is_some_and(Refusal::is_dry_run_unsupported) {
            return Ok(Some(Checked::Unverifiable { why: words(&error) }));
        }
        Ok(Some(refused(&error)))
    }

    /// The kind that a live definition defines. One that was applied a moment ago may be served and not known here yet.
    async fn defined_kind(&self, group: &str, plural: &str) -> Option<Arc<ServedKind>> {
        let known = || self.cluster.kinds.by_resource(group, plural);
        if known().is_none()
            && let Err(error) = self.cluster.kinds.refresh().await
        {
            tracing::warn!(group, plural, %error, "cannot see whether a definition is served");
        }
        known()
    }

    /// Which of the definitions that would be pruned have no objects.
    async fn count_objects(&self, draft: &Draft) -> BTreeMap<ObjectId, Checked> {
        let mut answers = BTreeMap::new();
        for id in draft.definitions_to_prune() {
            let Some((plural, group)) = id.name.split_once('.') else {
                continue;
            };
            let asked = match self.defined_kind(group, plural).await {
                Some(kind) => self.cluster.requests.has_objects(&kind, self.options.deadline).await,
                None => continue,
            };
            match asked {
                Ok(false) => drop(answers.insert(id.clone(), Checked::NoObjects)),
                Ok(true) => {}
                Err(error) => {
                    tracing::warn!(definition = id.name, %error, "cannot see whether it has objects");
                }
            }
        }
        answers
    }
}

fn no_namespace(namespace: &str) -> Checked {
    Checked::Refused {
        class: Class::Invalid,
        message: format!("there is no namespace {namespace}: create it, or set destination.createNamespace"),
    }
}

fn moved(mut object: Value, namespace: &str) -> Value {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
    object
}

fn unanswered_kind(kind: &str) -> Checked {
    Checked::Refused {
        class: Class::Transient,
        message: format!("the server behind the kind {kind} does not answer"),
    }
}

fn refused(error: &Error) -> Checked {
    Checked::Refused { class: error.class(), message: words(error) }
}

/// What went wrong, in one line: the API server's own words where it said something.
pub(crate) fn words(error: &Error) -> String {
    if let Some(refusal) = error.failure().and_then(|failure| failure.refusal()) {
        return refusal.message.clone();
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        // kube's errors repeat their sources in their own words.
        source = if cause.is::<kube::Error>() { None } else { cause.source() };
    }
    text
}
