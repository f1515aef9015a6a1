//! A random history of several Applications, checked against a small model.
//!
//! Each round does a few things at once (pushes, edits and deletions of live objects, rollbacks, Applications that are
//! deleted and come again) and now and then kills the controller or the API server in the middle. Then everything has to
//! become what the model says: nothing lost, nothing foreign pruned, the record true.
//!
//! `TIPHYS_SEQUENCES` and `TIPHYS_SEED` ask for more sequences, or for others; a failure names the seed of its sequence.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fastrand::Rng;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;
use tiphys_api::{Application, Phase, SyncState};
use tiphys_tests::{Component, Controller, eventually};

use crate::ground::Ground;
use crate::promises::from_environment;
use crate::support::controller::Endpoints;
use crate::support::manifests::config_map;
use crate::support::stage::Stage;
use crate::support::{is_ready, phase, stalled, words};

/// Sequences in an ordinary run.
const SEQUENCES: u64 = 20;
/// Rounds of one sequence.
const ROUNDS: usize = 5;
/// Applications of one sequence.
const NAMES: [&str; 3] = ["ant", "bee", "cat"];
/// How long everything may take to settle, on a machine that does much else.
const SETTLED: Duration = Duration::from_mins(2);

/// ConfigMaps by name, with their values.
type Content = BTreeMap<String, String>;

/// What one Application should be.
#[derive(Clone, Debug, Default)]
struct Modelled {
    /// What its folder in Git says.
    git: Content,
    /// Whether its folder cannot be read as manifests.
    broken: bool,
    /// What should be live of it.
    live: Content,
    /// What was left behind when it was deleted without its objects, and is in nothing that came later: nobody's.
    left: Content,
    /// Whether a rollback holds it.
    held: bool,
    /// Its Syncs that succeeded, with what they brought.
    past: BTreeMap<String, Content>,
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Action {
    /// Its folder gets new content.
    Push { application: usize, content: Content },
    /// Its folder gets what nobody can read.
    Break { application: usize },
    /// Somebody changes a live object.
    Edit { object: String },
    /// Somebody deletes a live object.
    Delete { object: String },
    /// Somebody goes back.
    RollBack { application: usize, to: String },
    /// The Application is deleted, with or without its objects, and made again.
    Replace { application: usize, prune: bool },
    /// The controller is killed after so many milliseconds, and started again.
    KillController { after: u64 },
    /// The API server is killed after so many milliseconds, and started again.
    KillApiServer { after: u64 },
}

/// What everything should be.
struct Model {
    applications: Vec<Modelled>,
    /// Objects that are nobody's.
    strangers: BTreeSet<String>,
    /// Makes every content another one.
    counter: u64,
}

impl Model {
    fn new() -> Self {
        Self { applications: vec![Modelled::default(); NAMES.len()], strangers: BTreeSet::new(), counter: 0 }
    }

    /// New content: some objects stay, some change, one may go, one may come. Never empty, which a guard rail would stop.
    fn content(&mut self, random: &mut Rng, application: usize) -> Content {
        self.counter += 1;
        let mut content = self.applications[application].git.clone();
        let names: Vec<_> = content.keys().cloned().collect();
        for name in names {
            match random.u8(0..4) {
                0 if content.len() > 1 => drop(content.remove(&name)),
                1 => drop(content.insert(name, self.counter.to_string())),
                _ => {}
            }
        }
        let name = format!("{}-{}", NAMES[application], random.u8(0..6));
        content.insert(name, self.counter.to_string());
        content
    }

    /// What happens in a round. Each Application is pushed, gone back or replaced at most once, since these would race.
    fn round(&mut self, random: &mut Rng) -> Vec<Action> {
        let mut actions = Vec::new();
        for application in 0..NAMES.len() {
            let known = &self.applications[application];
            let past: Vec<_> = known.past.keys().cloned().collect();
            let broken = known.broken;
            match random.u8(0..10) {
                0..=4 => {
                    actions.push(Action::Push { application, content: self.content(random, application) });
                }
                5 if !broken && !known.held => actions.push(Action::Break { application }),
                6 if !past.is_empty() => {
                    actions
                        .push(Action::RollBack { application, to: past[random.usize(..past.len())].clone() });
                }
                7 if !broken => actions.push(Action::Replace { application, prune: random.bool() }),
                _ => {
                    let objects: Vec<_> = known.live.keys().cloned().collect();
                    let Some(object) = random.choice(objects) else { continue };
                    actions.push(if random.bool() {
                        Action::Edit { object }
                    } else {
                        Action::Delete { object }
                    });
                }
            }
        }
        random.shuffle(&mut actions);
        let after = random.u64(0..800);
        match random.u8(0..10) {
            0..=3 => actions.push(Action::KillController { after }),
            4 => actions.push(Action::KillApiServer { after }),
            _ => {}
        }
        actions
    }

    /// What becomes of everything when this happens.
    fn apply(&mut self, action: &Action) {
        match action {
            Action::Push { application, content } => {
                let it = &mut self.applications[*application];
                (it.git, it.live) = (content.clone(), content.clone());
                (it.broken, it.held) = (false, false);
            }
            Action::Break { application } => self.applications[*application].broken = true,
            Action::RollBack { application, to } => {
                let it = &mut self.applications[*application];
                it.live = it.past[to].clone();
                it.held = true;
            }
            Action::Replace { application, prune } => {
                let it = &mut self.applications[*application];
                if !prune {
                    it.left.extend(std::mem::take(&mut it.live));
                }
                it.live = it.git.clone();
                it.held = false;
                it.past.clear();
            }
            Action::Edit { .. }
            | Action::Delete { .. }
            | Action::KillController { .. }
            | Action::KillApiServer { .. } => {}
        }
        for it in &mut self.applications {
            it.left.retain(|name, _| !it.live.contains_key(name));
        }
    }
}

/// The world that the model is about.
struct World<'a> {
    ground: &'a Ground,
    controller: Controller,
    data: tempfile::TempDir,
    stage: Stage<'a>,
}

impl World<'_> {
    /// Does what happens, without waiting for what follows from it.
    async fn act(&mut self, action: &Action) {
        let stage = &self.stage;
        let ignore_missing = |result: Result<(), kube::Error>| match result {
            Ok(()) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => panic!("{error}"),
        };
        match action {
            Action::Push { application, content } => {
                let files: Vec<_> = content.iter().map(|(name, value)| config_map(name, value)).collect();
                self.commit(*application, &files.join("---\n"));
            }
            Action::Break { application } => {
                self.commit(*application, "kind: ConfigMap\nmetadata: {name: [\n");
            }
            Action::Edit { object } => {
                let patch = Patch::Merge(json!({ "data": { "value": "edited" } }));
                let api = stage.namespace.api::<ConfigMap>();
                ignore_missing(api.patch(object, &PatchParams::default(), &patch).await.map(drop));
            }
            Action::Delete { object } => {
                let api = stage.namespace.api::<ConfigMap>();
                ignore_missing(api.delete(object, &DeleteParams::default()).await.map(drop));
            }
            Action::RollBack { application, to } => {
                let name = format!("back-{}", fastrand::u64(..));
                stage.request(NAMES[*application], &name, json!({ "rollbackTo": to })).await;
            }
            Action::Replace { application, prune } => self.replace(NAMES[*application], *prune).await,
            Action::KillController { after } => {
                tokio::time::sleep(Duration::from_millis(*after)).await;
                self.controller.kill();
                self.controller = start(self.ground, &self.data).await;
                self.stage.endpoints = Endpoints::of(&self.controller);
            }
            Action::KillApiServer { after } => {
                tokio::time::sleep(Duration::from_millis(*after)).await;
                self.ground.kill(Component::ApiServer);
                self.ground.restart(Component::ApiServer);
                eventually("the API server answers", SETTLED, || async {
                    stage.applications().list(&ListParams::default()).await.map(drop)
                })
                .await;
                // The next sequence needs the controllers of Kubernetes, which take longer: they bring this one back.
                let api = stage.namespace.api::<ConfigMap>();
                let certificate = "kube-root-ca.crt";
                ignore_missing(api.delete(certificate, &DeleteParams::default()).await.map(drop));
                eventually("Kubernetes' controllers work", SETTLED, || api.get(certificate)).await;
            }
        }
    }

    fn commit(&self, application: usize, text: &str) {
        self.stage.repo.commit_file("main", &format!("{}/all.yaml", NAMES[application]), text);
    }

    async fn replace(&self, name: &str, prune: bool) {
        let stage = &self.stage;
        stage.change(name, json!({ "deletion": if prune { "Prune" } else { "Orphan" } })).await;
        stage.applications().delete(name, &DeleteParams::default()).await.expect("it can be deleted");
        eventually(&format!("{name} is gone"), SETTLED, || async {
            match stage.applications().get_opt(name).await {
                Ok(None) => Ok(()),
                Ok(Some(it)) => Err(words(&it)),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
        self.create(name).await;
    }

    async fn create(&self, name: &str) {
        self.stage.create(name, json!({ "source": { "path": name } })).await;
    }

    /// Waits until everything is as the model says.
    async fn settles(&self, model: &mut Model, story: &str) {
        // Whoever was killed before it looked is told by nobody: a person would wait for the next poll.
        self.stage.tell(&self.stage.repo.id("main")).await;
        for (name, modelled) in NAMES.iter().zip(&mut model.applications) {
            eventually(&format!("{name} is as it should be after {story}"), SETTLED, || async {
                let application = self.stage.applications().get(name).await.map_err(|it| it.to_string())?;
                self.is_as_modelled(&application, modelled).await
            })
            .await;
            self.remember(name, modelled, story).await;
        }
        let all = self.config_maps("").await;
        for stranger in &model.strangers {
            assert_eq!(all.get(stranger).map(String::as_str), Some("theirs"), "{stranger} after {story}");
        }
    }

    async fn is_as_modelled(&self, application: &Application, modelled: &Modelled) -> Result<(), String> {
        let live = self.config_maps(&format!("{}-", application.name_any())).await;
        let mut wanted = modelled.live.clone();
        wanted.extend(modelled.left.clone());
        if live != wanted {
            return Err(format!("live {live:?}, not {wanted:?}: {}", words(application)));
        }
        let status = application.status.clone().unwrap_or_default();
        let hold = status.hold.is_some();
        let told = match (modelled.broken, modelled.held) {
            (true, held) => held && hold || stalled(application).is_some_and(|it| it.contains("all.yaml")),
            (false, true) => hold && is_ready(application),
            (false, false) => !hold && status.sync == Some(SyncState::Synced) && is_ready(application),
        };
        let syncs = self.stage.syncs(&application.name_any()).await;
        let open: Vec<_> =
            syncs.iter().filter(|it| !phase(it).is_finished()).map(ResourceExt::name_any).collect();
        match (told, open.as_slice()) {
            (true, []) => Ok(()),
            _ => Err(format!("open {open:?}, {}", words(application))),
        }
    }

    /// The ConfigMaps whose names begin so.
    async fn config_maps(&self, start: &str) -> Content {
        let api = self.stage.namespace.api::<ConfigMap>();
        let Ok(list) = api.list(&ListParams::default()).await else { return Content::new() };
        let value = |it: &ConfigMap| it.data.as_ref()?.get("value").cloned();
        let named = list.items.iter().filter(|it| it.name_any().starts_with(start));
        named.filter_map(|it| Some((it.name_any(), value(it)?))).collect()
    }

    /// Takes in the record: numbers that are each another one, and what the last success brought.
    async fn remember(&self, name: &str, modelled: &mut Modelled, story: &str) {
        let syncs = self.stage.syncs(name).await;
        let numbers: Vec<_> = syncs.iter().filter_map(|it| it.status.as_ref()?.number).collect();
        let distinct: BTreeSet<_> = numbers.iter().collect();
        assert_eq!(distinct.len(), numbers.len(), "{name}: {numbers:?} after {story}");
        let succeeded: Vec<_> =
            syncs.iter().filter(|it| phase(it) == Phase::Succeeded && !it.spec.dry_run).collect();
        let names: BTreeSet<_> = succeeded.iter().map(|it| it.name_any()).collect();
        modelled.past.retain(|it, _| names.contains(it));
        if let Some(last) = succeeded.last() {
            modelled.past.entry(last.name_any()).or_insert_with(|| modelled.live.clone());
        }
    }
}

async fn start(ground: &Ground, data: &tempfile::TempDir) -> Controller {
    ground.installation.controller(ground).data_dir(data.path()).start().await
}

/// Promises 3, 4 and 7 together.
#[tokio::test]
async fn a_random_history_ends_as_its_model_says() {
    let ground = Ground::prepare().await;
    let sequences = from_environment("TIPHYS_SEQUENCES", SEQUENCES);
    let first = from_environment("TIPHYS_SEED", 1);
    for seed in first..first + sequences {
        eprintln!("sequence with seed {seed}");
        sequence(&ground, seed).await;
    }
}

async fn sequence(ground: &Ground, seed: u64) {
    let mut random = Rng::with_seed(seed);
    let data = tempfile::tempdir().expect("a temporary folder can be made");
    let controller = start(ground, &data).await;
    let stage = ground.stage(Endpoints::of(&controller), "model").await;
    let mut world = World { ground, controller, data, stage };
    let mut model = Model::new();
    for (application, name) in NAMES.iter().enumerate() {
        let content = model.content(&mut random, application);
        let action = Action::Push { application, content };
        world.act(&action).await;
        model.apply(&action);
        world.create(name).await;
        // Named as if it were the Application's, and still nobody's.
        let stranger = format!("{name}s-stranger");
        world.stage.namespace.apply(&config_map(&stranger, "theirs"));
        model.strangers.insert(stranger);
    }
    let mut story = vec![format!("seed {seed}")];
    world.settles(&mut model, &story.join("; ")).await;
    for _ in 0..ROUNDS {
        let actions = model.round(&mut random);
        story.push(format!("{actions:?}"));
        let is_kill =
            |it: &&Action| matches!(it, Action::KillController { .. } | Action::KillApiServer { .. });
        for action in actions.iter().filter(|it| !is_kill(it)) {
            world.act(action).await;
            model.apply(action);
        }
        // Told before the kill, so that the kill comes into the middle of something.
        world.stage.tell(&world.stage.repo.id("main")).await;
        for kill in actions.iter().filter(is_kill) {
            world.act(kill).await;
        }
        world.settles(&mut model, &story.join("; ")).await;
    }
}
