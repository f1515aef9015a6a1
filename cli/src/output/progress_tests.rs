//! A Sync from its creation to its end, as a terminal and as a pipe show it.

use std::fmt::Write as _;

use jiff::Timestamp;
use tiphys_api::{Action, Health, Outcome, Phase, Sync, SyncStatus};

use super::*;
use crate::output::samples::{application, now, sync};

fn picture(progress: &Progress, size: (usize, usize), now: Timestamp) -> String {
    let size = Size { width: size.0, height: size.1 };
    Picture { size, style: Style::Plain, frame: 0 }.text(progress, now)
}

/// The states that a rollback goes through, each with a title.
fn story() -> Vec<(&'static str, Progress)> {
    let waiting = sync("rollback");
    let stage = |phase: Phase, edit: fn(&mut SyncStatus)| -> Sync {
        let mut sync = waiting.clone();
        let status = sync.status.as_mut().unwrap();
        status.phase = phase;
        edit(status);
        sync
    };
    let new = Sync { status: None, ..waiting.clone() };
    let planning = stage(Phase::Running, |it| it.objects.clear());
    let applying = stage(Phase::Running, |it| it.objects[1].outcome = Outcome::Pending);
    let failed = stage(Phase::Failed, |it| {
        it.objects[1].outcome = Outcome::Failed;
        it.objects[1].message = Some("quota exceeded".to_owned());
        it.finished_at = it.started_at.clone();
    });
    let succeeded = stage(Phase::Succeeded, |it| it.finished_at = it.started_at.clone());
    let mut seen_health = Progress::new(waiting.clone(), now());
    seen_health.application_changed(&application("waiting"));
    let mut all_healthy = seen_health.clone();
    let mut healthy = application("waiting");
    for it in &mut healthy.status.as_mut().unwrap().resources {
        it.health = Health::Healthy;
        it.message = None;
    }
    all_healthy.application_changed(&healthy);
    let mut done = all_healthy.clone();
    done.sync_changed(succeeded);
    let at = |sync: Sync| Progress::new(sync, now());
    vec![
        ("new", at(new)),
        ("planning", at(planning)),
        ("applying", at(applying)),
        ("waiting", at(waiting)),
        ("waiting, health known", seen_health),
        ("waiting, all healthy", all_healthy),
        ("succeeded", done),
        ("or failed", at(failed)),
    ]
}

#[test]
fn pictures() {
    let pictures: Vec<String> = story()
        .iter()
        .map(|(title, progress)| format!("--- {title}\n{}\n", picture(progress, (100, 24), now())))
        .collect();
    insta::assert_snapshot!("pictures", pictures.concat());
}

#[test]
fn lines_say_nothing_twice() {
    let mut narrator = Narrator::default();
    let mut text = String::new();
    for (title, progress) in story() {
        let _ = writeln!(text, "--- {title}");
        for _ in 0..2 {
            for line in narrator.lines(&progress, now()) {
                let _ = writeln!(text, "{line}");
            }
        }
    }
    insta::assert_snapshot!("lines", text);
}

#[test]
fn what_was_done_is_told_even_when_health_was_seen_first() {
    let mut narrator = Narrator::default();
    let new = Sync { status: None, ..sync("rollback") };
    let mut progress = Progress::new(new, now());
    progress.application_changed(&application("waiting"));
    narrator.lines(&progress, now());
    progress.sync_changed(sync("rollback"));
    let lines = narrator.lines(&progress, now()).join("\n");
    assert!(lines.contains("changed apps/Deployment web/nginx"), "{lines}");
}

#[test]
fn a_small_terminal_shows_what_is_not_done_yet() {
    let mut sync = sync("rollback");
    let status = sync.status.as_mut().unwrap();
    status.phase = Phase::Running;
    let sample = status.objects[0].clone();
    status.objects = (0..40)
        .map(|index| {
            let mut object = sample.clone();
            object.name = format!("part-{index:02}");
            object.action = Action::Prune;
            object.outcome = if index % 8 == 7 { Outcome::Pending } else { Outcome::Applied };
            object
        })
        .collect();
    let progress = Progress::new(sync, now());
    let text = picture(&progress, (50, 10), now());
    assert!(text.lines().count() < 10, "{text}");
    assert!(text.lines().all(|it| console::measure_text_width(it) <= 50), "{text}");
    insta::assert_snapshot!("small_terminal", text);
}

#[test]
fn health_from_before_the_sync_does_not_count() {
    let mut other = application("waiting");
    other.status.as_mut().unwrap().last_sync.as_mut().unwrap().name = "web-13".to_owned();
    let mut progress = Progress::new(sync("rollback"), now());
    progress.application_changed(&other);
    assert!(!picture(&progress, (100, 24), now()).contains("Degraded"));
}

#[test]
fn a_sync_that_nobody_picks_up_is_remarked_on() {
    let progress = Progress::new(sync("pending"), now());
    assert_eq!(progress.one_line(now()), "waiting for its turn (0s)");
    let later = "2026-03-01T12:00:10Z".parse().unwrap();
    assert_eq!(
        progress.one_line(later),
        "nothing has picked this Sync up: is the controller running? see `tiphys check` (10s)"
    );
}
