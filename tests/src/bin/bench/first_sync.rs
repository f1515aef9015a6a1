//! All Applications created at once, beside loops that only do what there is no way around.

use crate::bare::{self, Loop};
use crate::stage::Stage;
use crate::table::{Goal, Table, Times};
use crate::{Plan, progress};

/// Measures in turn: ours, the loop that checks, the loop that only applies, each in namespaces of its own.
pub async fn measure(stage: &Stage, plan: &Plan, table: &mut Table) {
    let controller = stage.controller().start().await;
    let client = stage.client_of_controller();
    let size = plan.applications;
    let [mut ours, mut checks, mut applies] = [const { Times::new() }; 3];
    let mut processor = Times::new();
    // What is measured first pays for cold caches of the API server, so one round is not counted.
    for round in 0..=plan.runs {
        progress(&format!("first sync, round {round} of {}", plan.runs));
        let name = format!("round-{round}");
        let fleet = stage.fleet(&name, size).await;
        let before = controller.cpu_time();
        let took = fleet.bring_up().await;
        let used = controller.cpu_time().saturating_sub(before);
        fleet.remove_applications().await;
        stage.remove_namespaces(fleet.namespaces()).await;
        let mut loops = Vec::new();
        for (kind, hint) in [(Loop::ChecksAndApplies, "checks"), (Loop::Applies, "applies")] {
            let name = format!("{hint}-{round}");
            let namespaces = stage.namespaces(&name).await;
            loops.push(bare::run(stage, &client, kind, &name, size, &namespaces).await);
            stage.remove_namespaces(&namespaces).await;
        }
        progress(&format!("{took:.2?}, a bare loop {:.2?}, without dry-runs {:.2?}", loops[0], loops[1]));
        if round > 0 {
            ours.add(took);
            processor.add(used);
            checks.add(loops[0]);
            applies.add(loops[1]);
        }
    }
    table.latency(
        &format!("first sync of {size} Applications of 4 objects until all are healthy"),
        &ours,
        Goal::None,
    );
    table.ratio(
        "the same as a multiple of a bare loop that dry-runs and applies",
        &ours,
        &checks,
        Goal::AtMost(1.5),
    );
    table.ratio(
        "the same as a multiple of a bare loop that only applies",
        &ours,
        &applies,
        Goal::AtMost(1.5),
    );
    table.latency("for comparison: the bare loop that dry-runs and applies", &checks, Goal::None);
    table.latency("for comparison: the bare loop that only applies", &applies, Goal::None);
    table.latency("processor time of the controller for a first sync", &processor, Goal::None);
}
