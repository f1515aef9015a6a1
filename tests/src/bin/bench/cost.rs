//! What it costs: memory, processor time, requests.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tiphys_tests::{Controller, FaultProxy, RecordedRequest, Verb, eventually, usage_of};

use crate::fleet::{Fleet, LIMIT, is_ready};
use crate::stage::Stage;
use crate::table::{Goal, Table, Times};
use crate::watching::Watching;
use crate::{Plan, progress};

/// When there was no request for this long, all work is done.
const QUIET: Duration = Duration::from_secs(20);

/// Resident memory of a controller that has done all of the above.
pub fn memory(fleet: &Fleet, controller: &Controller, table: &mut Table) {
    let own = usage_of(controller.pid());
    let workers: Vec<u64> = controller.workers().into_iter().map(|it| usage_of(it).resident_bytes).collect();
    let what = format!("resident memory of the controller with {} Applications of 4 objects", fleet.size());
    table.memory(&what, own.resident_bytes, Goal::AtMost(40.0));
    table.memory("its peak", own.peak_bytes, Goal::None);
    let what = format!("resident memory of its {} workers together", workers.len());
    table.memory(&what, workers.iter().sum(), Goal::None);
}

/// How long a new process takes until it knows that all Applications are Ready.
pub async fn restart(
    stage: &Stage,
    fleet: &Fleet,
    mut controller: Controller,
    data: &Path,
    plan: &Plan,
    table: &mut Table,
) -> Controller {
    progress("restart to all Ready");
    let mut times = Times::new();
    for _ in 0..plan.runs {
        controller.terminate();
        controller.wait(Duration::from_mins(1));
        let began = Instant::now();
        controller = stage.controller().data_dir(data).launch();
        all_observed(&controller, fleet).await;
        times.add(began.elapsed());
    }
    table.latency(
        "restart until every Application was looked at and is Ready",
        &times,
        Goal::within(2.0, 2.0),
    );
    controller
}

/// Waits until the controller has looked at every Application itself and found it Ready: what its metrics say.
pub async fn all_observed(controller: &Controller, fleet: &Fleet) {
    eventually("all Applications are Ready", LIMIT, || async {
        let metrics = controller.metrics().await?;
        let ready = metrics
            .iter()
            .filter(|(name, value)| name.starts_with("tiphys_application_ready") && **value > 0.5);
        let count = ready.count();
        if count >= fleet.size() { Ok(()) } else { Err(format!("{count} of {} are Ready", fleet.size())) }
    })
    .await;
}

/// A controller whose requests are counted. It stands for election, as it ships.
pub struct Counted {
    proxy: FaultProxy,
    controller: Controller,
}

impl Counted {
    /// Starts it, and waits until it has nothing to do.
    pub async fn start(stage: &Stage, data: &Path, fleet: &Fleet) -> Self {
        let proxy = FaultProxy::start(stage.cluster(), 0);
        let controller = stage.controller_at(&proxy).elected_as("bench").data_dir(data).start().await;
        let counted = Self { proxy, controller };
        all_observed(&counted.controller, fleet).await;
        let restarted = counted.requests_so_far();
        progress(&format!("requests of a restart: {}", listed(&restarted)));
        counted.settle().await;
        counted
    }

    /// Waits until there was no request but for the Lease and for watches for a while.
    async fn settle(&self) {
        progress("waiting until nothing happens");
        eventually("the controller has nothing to do", LIMIT, || async {
            let last = self.proxy.requests().into_iter().rev().find(|it| !is_upkeep(it));
            match last {
                Some(it) if it.at.elapsed() < QUIET => Err(format!("{:?} {}", it.verb, it.path_and_query)),
                _ => Ok(()),
            }
        })
        .await;
        self.proxy.forget();
    }

    fn requests_so_far(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for it in self.proxy.requests().iter().filter(|it| !is_upkeep(it)) {
            let dry = if it.dry_run { " (dry-run)" } else { "" };
            *counts.entry(format!("{:?} {}{dry}", it.verb, it.resource_name())).or_default() += 1;
        }
        counts
    }

    /// Requests of a push, of a correction, and of a first sync.
    pub async fn requests(&self, stage: &Stage, fleet: &Fleet, plan: &Plan, table: &mut Table) {
        progress("requests of a push");
        self.push(fleet).await;
        self.settle_into(table, "API requests of a push that changes one object", Goal::AtMost(8.0)).await;
        progress("requests of a correction");
        Self::edit(fleet).await;
        self.settle_into(table, "API requests of the correction of one object", Goal::AtMost(8.0)).await;
        progress("requests of a first sync");
        let others = stage.fleet("counted", plan.applications).await;
        others.bring_up().await;
        // For each Application 2 for each of its 4 objects and 6 more.
        let most = 14 * u32::try_from(plan.applications).expect("there are fewer");
        let what = format!("API requests of a first sync of {} Applications of 4 objects", plan.applications);
        self.settle_into(table, &what, Goal::AtMost(most.into())).await;
        others.remove_applications().await;
        stage.remove_namespaces(others.namespaces()).await;
        self.settle().await;
    }

    async fn settle_into(&self, table: &mut Table, what: &str, goal: Goal) {
        // What comes late, such as the upkeep of old Syncs, belongs to it too.
        eventually("the controller has nothing to do", LIMIT, || async {
            let busy = self.proxy.count(|it| !is_upkeep(it) && it.at.elapsed() < QUIET);
            if busy == 0 { Ok(()) } else { Err(format!("{busy} requests lately")) }
        })
        .await;
        let counts = self.requests_so_far();
        progress(&listed(&counts));
        table.count(what, counts.values().sum(), goal);
        self.proxy.forget();
    }

    async fn push(&self, fleet: &Fleet) {
        let (before, after) = fleet.commit_version(0, "counted");
        let mut application = Watching::one(&fleet.applications(), &fleet.application_name(0)).await;
        let webhook = self.controller.webhook();
        webhook.push(fleet.repo().url(), "main", &before, &after).await.expect("it is received");
        let is_so = |it: &tiphys_api::Application| {
            is_ready(it)
                && it
                    .status
                    .as_ref()
                    .and_then(|it| it.revision.as_ref())
                    .is_some_and(|it| it.ends_with(&after))
        };
        application.until("the push is live", LIMIT, is_so).await;
    }

    async fn edit(fleet: &Fleet) {
        let name = fleet.application_name(1);
        let configmaps: Api<ConfigMap> = Api::namespaced(fleet.client(), fleet.namespace(1));
        let mut watching = Watching::one(&configmaps, &name).await;
        let greeting = |it: &ConfigMap| it.data.as_ref().and_then(|it| it.get("greeting").cloned());
        let patch = Patch::Merge(json!({ "data": { "greeting": "edited" } }));
        configmaps.patch(&name, &PatchParams::default(), &patch).await.expect("it can be edited");
        watching.until("the edit is live", LIMIT, |it| greeting(it).as_deref() == Some("edited")).await;
        watching.until("the edit is corrected", LIMIT, |it| greeting(it).as_deref() == Some("hello")).await;
    }

    /// Requests and processor time while nothing happens.
    pub async fn idle(&self, plan: &Plan, table: &mut Table) {
        progress(&format!("idle for {:?}", plan.idle));
        self.proxy.forget();
        let before = self.processor_time();
        tokio::time::sleep(plan.idle).await;
        let used = self.processor_time().saturating_sub(before);
        let requests = self.proxy.requests();
        let upkeep = requests.iter().filter(|it| is_upkeep(it)).count();
        progress(&format!("{upkeep} for the Lease and watches; {}", listed(&self.requests_so_far())));
        let seconds = plan.idle.as_secs();
        let what = format!(
            "{} idle Applications for {seconds} s: API requests beside Lease and watches",
            plan.applications
        );
        table.count(&what, requests.len() - upkeep, Goal::AtMost(0.0));
        table.count("the same: requests for the Lease and to renew watches", upkeep, Goal::None);
        table.seconds("the same: processor time, workers included", used, Goal::AtMost(0.1));
    }

    fn processor_time(&self) -> Duration {
        let workers = self.controller.workers().into_iter();
        workers.map(|it| usage_of(it).cpu_time).sum::<Duration>() + self.controller.cpu_time()
    }
}

/// Requests that have to be: the Lease, and watches that are renewed.
fn is_upkeep(request: &RecordedRequest) -> bool {
    request.verb == Verb::Watch || request.resource == "leases"
}

fn listed(counts: &BTreeMap<String, usize>) -> String {
    let parts: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    if parts.is_empty() { "no requests".to_owned() } else { parts.join(", ") }
}
