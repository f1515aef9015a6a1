//! How everything grows with the number of Applications: one column for each size.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tiphys_tests::{Controller, eventually, usage_of};

use crate::bare::{self, Loop};
use crate::cost::all_observed;
use crate::fleet::{Fleet, LIMIT, is_ready};
use crate::progress;
use crate::stage::Stage;
use crate::watching::Watching;

/// When there was no request for this long, all work is done.
const QUIET: Duration = Duration::from_secs(20);
/// Of what is short, the median of so many runs counts.
const RUNS: usize = 5;

/// Figures by row, one for each size.
#[derive(Default)]
pub struct Sizes {
    sizes: Vec<usize>,
    rows: Vec<(&'static str, Vec<String>)>,
}

impl Sizes {
    fn add(&mut self, row: &'static str, value: String) {
        progress(&format!("{}: {row}: {value}", self.sizes.last().copied().unwrap_or_default()));
        match self.rows.iter_mut().find(|(it, _)| *it == row) {
            Some((_, values)) => values.push(value),
            None => self.rows.push((row, vec![value])),
        }
    }

    fn time(&mut self, row: &'static str, time: Duration) {
        self.add(row, format!("{:.2} s", time.as_secs_f64()));
    }

    fn ratio(&mut self, row: &'static str, ours: Duration, other: Duration) {
        self.add(row, format!("{:.2}", ours.as_secs_f64() / other.as_secs_f64()));
    }

    fn memory(&mut self, row: &'static str, bytes: u64) {
        self.add(row, format!("{:.1} MiB", bytes as f64 / 1024.0 / 1024.0));
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes: Vec<_> = self.sizes.iter().map(ToString::to_string).collect();
        writeln!(f, "| Applications of 4 objects | {} |", sizes.join(" | "))?;
        writeln!(f, "|---|{}", "---:|".repeat(sizes.len()))?;
        for (row, values) in &self.rows {
            writeln!(f, "| {row} | {} |", values.join(" | "))?;
        }
        Ok(())
    }
}

/// Measures each size on a control plane of its own. `idle` is how long nothing happens.
pub async fn measure(sizes: &[usize], idle: Duration, log: Option<&str>) -> Sizes {
    let mut table = Sizes::default();
    for size in sizes {
        table.sizes.push(*size);
        let stage = Stage::raise(log).await;
        let bare = loops(&stage, *size).await;
        let fleet = stage.fleet("fleet", *size).await;
        let data = tempfile::tempdir().expect("a temporary folder can be made");
        // As it ships: it stands for election.
        let controller = stage.controller().elected_as("bench").data_dir(data.path()).start().await;
        let mut one = One { stage: &stage, fleet: &fleet, controller, bare, table: &mut table };
        one.first_sync().await;
        one.touched().await;
        one.all_touched().await;
        one.edited().await;
        one.restarted(data.path()).await;
        one.idle(idle).await;
    }
    table
}

/// What the loops took that do nothing but what there is no way around.
struct Bare {
    first: Duration,
    update: Duration,
}

async fn loops(stage: &Stage, size: usize) -> Bare {
    let client = stage.client_of_controller();
    let kind = Loop::ChecksAndApplies;
    // What is measured first pays for cold caches of the API server, so a round is not counted.
    let mut measured = Bare { first: Duration::ZERO, update: Duration::ZERO };
    for name in ["warm", "bare"] {
        let size = if name == "warm" { size.min(100) } else { size };
        let namespaces = stage.namespaces(name).await;
        let first = bare::run(stage, &client, kind, name, size, &namespaces).await;
        let update = bare::update(&client, kind, name, size, &namespaces, "1").await;
        measured = Bare { first, update };
        stage.remove_namespaces(&namespaces).await;
    }
    measured
}

/// One size.
struct One<'a> {
    stage: &'a Stage,
    fleet: &'a Fleet,
    controller: Controller,
    bare: Bare,
    table: &'a mut Sizes,
}

impl One<'_> {
    async fn first_sync(&mut self) {
        let (before, cpu) = (self.requests().await, self.controller.cpu_time());
        let took = self.fleet.bring_up().await;
        let used = self.controller.cpu_time().saturating_sub(cpu);
        self.table.time("first sync until all are healthy", took);
        self.table.time("a bare loop that dry-runs and applies the same", self.bare.first);
        self.table.ratio("the first sync as a multiple of it", took, self.bare.first);
        self.table.time("processor time of the controller for it", used);
        self.quiet().await;
        let counts = self.requests_since(&before).await;
        let total: f64 = counts.values().sum();
        self.table
            .add("requests for it, for each Application", format!("{:.1}", total / self.fleet.size() as f64));
        self.table.add("these by verb", by_verb(&counts));
    }

    async fn touched(&mut self) {
        let webhook = self.controller.webhook();
        let before = (self.requests().await, self.works().await);
        let mut times = Vec::new();
        for run in 0..RUNS {
            let index = run * 37 % self.fleet.size();
            let (old, new) = self.fleet.commit_version(index, &format!("touched-{run}"));
            let mut watching =
                Watching::one(&self.fleet.applications(), &self.fleet.application_name(index)).await;
            let began = Instant::now();
            let told = webhook.push(self.fleet.repo().url(), "main", &old, &new);
            let live = watching.until("the push is live", LIMIT, |it| is_ready(it) && is_at(it, &new));
            let (told, ended) = futures::join!(told, live);
            told.expect("the webhook is received");
            times.push(ended.duration_since(began));
        }
        self.table.time("one touched: webhook until live and recorded", median(&mut times));
        let works = self.works().await;
        let (fetches, renders) = (works.0 - before.1.0, works.1 - before.1.1);
        let runs = RUNS as f64;
        self.table.add("fetches and renderings for it", format!("{} and {}", fetches / runs, renders / runs));
        self.quiet().await;
        let counts = self.requests_since(&before.0).await;
        self.table.add("requests for it", format!("{:.1}", counts.values().sum::<f64>() / runs));
    }

    async fn all_touched(&mut self) {
        let webhook = self.controller.webhook();
        let before = self.requests().await;
        let (old, new) = self.fleet.commit_all("1");
        let mut watching = Watching::all(&self.fleet.applications(), "").await;
        let began = Instant::now();
        let told = webhook.push(self.fleet.repo().url(), "main", &old, &new);
        let live = watching.until_all("Applications are live", self.fleet.size(), LIMIT, |it| {
            is_ready(it) && is_at(it, &new)
        });
        let (told, ended) = futures::join!(told, live);
        told.expect("the webhook is received");
        let took = ended.duration_since(began);
        self.table.time("all touched (a label of every object): webhook until live and recorded", took);
        self.table.time("a bare loop that dry-runs and applies the same change", self.bare.update);
        self.quiet().await;
        let counts = self.requests_since(&before).await;
        let total: f64 = counts.values().sum();
        self.table.add(
            "requests for all touched, for each Application",
            format!("{:.1}", total / self.fleet.size() as f64),
        );
    }

    async fn edited(&mut self) {
        let mut times = Vec::new();
        for run in 0..RUNS {
            let index = run * 37 % self.fleet.size();
            let name = self.fleet.application_name(index);
            let configmaps: Api<ConfigMap> =
                Api::namespaced(self.fleet.client(), self.fleet.namespace(index));
            let mut watching = Watching::one(&configmaps, &name).await;
            let mut application = Watching::one(&self.fleet.applications(), &name).await;
            let greeting = |it: &ConfigMap| it.data.as_ref().and_then(|it| it.get("greeting").cloned());
            let patch = Patch::Merge(json!({ "data": { "greeting": "edited" } }));
            let began = Instant::now();
            configmaps.patch(&name, &PatchParams::default(), &patch).await.expect("it can be edited");
            watching.until("the edit is live", LIMIT, |it| greeting(it).as_deref() == Some("edited")).await;
            let is_right = |it: &ConfigMap| greeting(it).as_deref() == Some("hello");
            let ended = watching.until("the edit is corrected", LIMIT, is_right).await;
            times.push(ended.duration_since(began));
            application.until("the Application is Ready again", LIMIT, is_ready).await;
        }
        self.table.time("foreign edit until corrected", median(&mut times));
        self.table.memory("resident memory then", usage_of(self.controller.pid()).resident_bytes);
        self.table.memory("its peak", usage_of(self.controller.pid()).peak_bytes);
    }

    async fn restarted(&mut self, data: &Path) {
        let mut times = Vec::new();
        for _ in 0..RUNS {
            self.controller.terminate();
            self.controller.wait(Duration::from_mins(1));
            let began = Instant::now();
            self.controller = self.stage.controller().elected_as("bench").data_dir(data).launch();
            all_observed(&self.controller, self.fleet).await;
            times.push(began.elapsed());
        }
        self.table.time("restart until every Application was looked at and is Ready", median(&mut times));
        self.quiet().await;
        self.table.memory("resident memory after a restart", usage_of(self.controller.pid()).resident_bytes);
    }

    async fn idle(&mut self, idle: Duration) {
        progress(&format!("idle for {idle:?}"));
        let (before, cpu) = (self.requests().await, self.processor_time());
        tokio::time::sleep(idle).await;
        let used = self.processor_time().saturating_sub(cpu);
        let counts = self.requests_since(&before).await;
        self.table.add("idle for 120 s: requests by verb", by_verb(&counts));
        self.table.time("the same: processor time, workers included", used);
    }

    fn processor_time(&self) -> Duration {
        let workers = self.controller.workers().into_iter();
        workers.map(|it| usage_of(it).cpu_time).sum::<Duration>() + self.controller.cpu_time()
    }

    /// Fetches that brought something, and renderings, since the start of the process.
    async fn works(&self) -> (f64, f64) {
        let metrics = self.controller.metrics().await.expect("metrics are served");
        let of = |name: &str| metrics.get(name).copied().unwrap_or_default();
        (of("tiphys_fetches_total{result=\"changed\"}"), of("tiphys_renders_total{result=\"rendered\"}"))
    }

    /// Requests by verb since the start of the process.
    async fn requests(&self) -> BTreeMap<String, f64> {
        let metrics = self.controller.metrics().await.expect("metrics are served");
        let mut counts = BTreeMap::new();
        for (name, value) in metrics {
            let Some(labels) = name.strip_prefix("tiphys_kubernetes_requests_total{") else { continue };
            let verb = labels.split('"').nth(1).unwrap_or_default();
            let verb = if labels.contains("dry_run=\"true\"") {
                format!("{verb} (dry-run)")
            } else {
                verb.to_owned()
            };
            *counts.entry(verb).or_default() += value;
        }
        counts
    }

    async fn requests_since(&self, before: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
        let mut counts = self.requests().await;
        for (verb, count) in &mut counts {
            *count -= before.get(verb).copied().unwrap_or_default();
        }
        counts.retain(|verb, count| *count > 0.0 && verb != "watch");
        counts
    }

    /// Waits until there was no request but for the Lease for a while: what comes late belongs to what was done.
    async fn quiet(&self) {
        eventually("the controller has nothing to do", LIMIT, || async {
            let before = self.requests().await;
            tokio::time::sleep(QUIET).await;
            let counts = self.requests_since(&before).await;
            // The Lease is renewed with one request every three seconds.
            let lease = QUIET.as_secs_f64() / 3.0 + 2.0;
            let busy = counts.iter().filter(|(verb, count)| *verb != "put" || **count > lease);
            let busy: Vec<_> = busy.collect();
            if busy.is_empty() { Ok(()) } else { Err(format!("{busy:?}")) }
        })
        .await;
    }
}

fn is_at(application: &tiphys_api::Application, commit: &str) -> bool {
    let revision = application.status.as_ref().and_then(|it| it.revision.as_ref());
    revision.is_some_and(|it| it.ends_with(commit))
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn by_verb(counts: &BTreeMap<String, f64>) -> String {
    let parts: Vec<_> = counts.iter().map(|(verb, count)| format!("{count} {verb}")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}
