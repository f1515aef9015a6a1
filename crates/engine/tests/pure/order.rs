use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;
use tiphys_engine::order::{Awaited, DeletePolicy, Occasion, Schedule};
use tiphys_manifest::{Manifest, ObjectId};

use crate::data::{check_all, text};
use crate::plan::list;
use crate::server::{id_of, manifest};

/// The occasion that a case names; none for a correction of drift.
pub fn occasion(case: &Value) -> Option<Occasion> {
    match text(case, "occasion") {
        "" => None,
        "install" => Some(Occasion::Install),
        "upgrade" => Some(Occasion::Upgrade),
        "rollback" => Some(Occasion::Rollback),
        "deletion" => Some(Occasion::Deletion),
        other => panic!("nothing is called {other:?}"),
    }
}

/// A file has `manifests`, what only has to exist (`ensure`) and an `occasion`; it expects the `schedule` as text.
#[test]
fn schedules_are_as_their_files_say() {
    check_all("order", |case| {
        let ensured: BTreeSet<_> = list(case, "ensure").iter().map(id_of).collect();
        let manifests: Vec<_> =
            list(case, "manifests").iter().chain(list(case, "ensure")).map(manifest).collect();
        let schedule = Schedule::new(&manifests, &ensured, occasion(case));
        let found = print(&schedule, &manifests);
        let reversed: Vec<_> = manifests.iter().rev().cloned().collect();
        let again = print(&Schedule::new(&reversed, &ensured, occasion(case)), &reversed);
        if schedule.refusals.is_empty()
            && schedule.aside.len() + schedule.warnings.len() < 2
            && found != again
        {
            return Err(format!("another order of manifests makes another schedule:\n{found}\n{again}"));
        }
        let expected = text(case, "schedule");
        if found.trim_end() == expected.trim_end() { Ok(()) } else { Err(format!("found\n{found}")) }
    });
}

fn print(schedule: &Schedule, manifests: &[Manifest]) -> String {
    let mut out = String::new();
    for stage in &schedule.stages {
        writeln!(out, "{} {}:", stage.phase.as_str(), stage.wave).unwrap();
        for task in &stage.tasks {
            let hook = task.hook.as_ref().map(|hook| policies(&hook.policies)).unwrap_or_default();
            writeln!(out, "  {} {}{hook}", task.rank, manifests[task.manifest].id()).unwrap();
        }
        let mut awaited: Vec<_> = stage.awaited.iter().map(|Awaited { id, .. }| id.to_string()).collect();
        awaited.sort();
        if !awaited.is_empty() {
            writeln!(out, "  wait for {}", awaited.join(", ")).unwrap();
        }
    }
    for aside in &schedule.aside {
        writeln!(out, "aside: {}: {}", aside.id, aside.why).unwrap();
    }
    for warning in &schedule.warnings {
        writeln!(out, "warning: {}: {}", warning.id, warning.message).unwrap();
    }
    for refusal in &schedule.refusals {
        writeln!(out, "refused: {}: {}", refusal.id, refusal.message).unwrap();
    }
    out
}

fn policies(policies: &BTreeSet<DeletePolicy>) -> String {
    let words: Vec<_> = policies.iter().map(|policy| format!("{policy:?}")).collect();
    format!(" ({})", words.join(", "))
}

#[test]
fn ten_thousand_objects_are_put_in_order_at_once() {
    let count = 10_000;
    let manifests: Vec<_> = (0..count)
        .map(|it| {
            let needs = if it > 0 { format!("Secret/s{}", it - 1) } else { String::new() };
            manifest(&serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata": {
                "name": format!("s{it}"), "namespace": "web",
                "annotations": {tiphys_api::SYNC_WAVE_ANNOTATION: (it / 5_000).to_string(),
                                tiphys_api::DEPENDS_ON_ANNOTATION: if it % 100 == 1 { needs } else { String::new() }},
            }}))
        })
        .collect();
    let began = std::time::Instant::now();
    let schedule = Schedule::new(&manifests, &BTreeSet::<ObjectId>::new(), Some(Occasion::Upgrade));
    assert_eq!(schedule.refusals, []);
    assert_eq!(schedule.stages.len(), 4, "two waves of two turns");
    assert_eq!(schedule.stages.iter().map(|stage| stage.tasks.len()).sum::<usize>(), count);
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}
