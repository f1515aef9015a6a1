//! What was live at a moment of the past, told from the Syncs that are kept. Pure.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use kube::ResourceExt as _;
use tiphys_api::{Action, Application, Outcome, Phase, Sync, SyncStatus};

/// What was live at some moment, as far as the history says.
#[derive(Clone, Debug, PartialEq)]
pub struct Then<'a> {
    /// The Sync that had been applied last.
    pub live: Option<&'a Sync>,
    /// A Sync that was being applied at that moment.
    pub applying: Option<&'a Sync>,
    /// Numbers of Syncs that are not kept and may have been applied in between: first and last.
    pub lost: Option<(u64, u64)>,
}

/// How much of a Sync became live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// Some of it: it failed or was superseded in the middle, or was about some objects only.
    Part,
    /// Nothing.
    Nothing,
}

/// The time of a text such as `2026-11-29T08:00:00Z`, `2h` or `3 days ago`.
pub fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(timestamp) = text.parse() {
        return Some(timestamp);
    }
    let span: Span = text.trim_end_matches("ago").trim().parse().ok()?;
    // Days are of 24 hours here, whatever clocks were set to.
    now.to_zoned(TimeZone::UTC).checked_sub(span.abs()).ok().map(|it| it.timestamp())
}

/// What was live at a moment. `last` is the number of the newest Sync that ever started.
pub fn live_at(syncs: &[Sync], last: u64, at: Timestamp) -> Then<'_> {
    let mut kept: Vec<_> = syncs.iter().filter_map(|sync| Some((number(sync)?, sync))).collect();
    kept.sort_by_key(|(number, _)| *number);
    let began = |sync: &Sync| status(sync).and_then(|it| it.started_at.as_ref()).is_some_and(|it| it.0 <= at);
    let (mut live, mut applying) = (None, None);
    for (number, sync) in kept.iter().filter(|(_, sync)| began(sync)) {
        match (extent(sync), applied_at(sync)) {
            (Extent::Nothing, _) => {}
            (_, Some(applied)) if applied <= at => (live, applying) = (Some((*number, *sync)), None),
            _ => applying = Some(*sync),
        }
    }
    let after = live.map_or(0, |(number, _)| number);
    let next = kept.iter().filter(|(_, sync)| !began(sync)).map(|(number, _)| *number).min();
    let before = next.unwrap_or(last + 1);
    let is_lost = |number: &u64| kept.iter().all(|(it, _)| it != number);
    let mut lost = (after + 1..before).filter(is_lost);
    let lost = lost.next().map(|first| (first, lost.next_back().unwrap_or(first)));
    Then { live: live.map(|(_, sync)| sync), applying, lost }
}

/// How much of a Sync became live.
pub fn extent(sync: &Sync) -> Extent {
    let Some(status) = status(sync).filter(|it| it.snapshot.is_some() && !sync.spec.dry_run) else {
        return Extent::Nothing;
    };
    let all = status.applied_at.is_some() || status.phase == Phase::Succeeded;
    match (all, sync.spec.resources.is_empty()) {
        (true, true) => Extent::Whole,
        (true, false) => Extent::Part,
        (false, _) if status.stage.as_ref().is_some_and(|it| it.untouched) => Extent::Nothing,
        (false, _) if !status.phase.is_finished() || has_written(status) => Extent::Part,
        (false, _) => Extent::Nothing,
    }
}

/// When what a Sync applied was live; none while it is under way.
pub fn applied_at(sync: &Sync) -> Option<Timestamp> {
    let status = status(sync)?;
    status.applied_at.as_ref().or(status.finished_at.as_ref()).map(|it| it.0)
}

fn has_written(status: &SyncStatus) -> bool {
    status
        .objects
        .iter()
        .any(|it| it.hook.is_none() && it.outcome == Outcome::Applied && it.action != Action::Unchanged)
}

fn status(sync: &Sync) -> Option<&SyncStatus> {
    sync.status.as_ref()
}

fn number(sync: &Sync) -> Option<u64> {
    status(sync)?.number.filter(|_| !sync.spec.dry_run)
}

/// The number of the newest Sync of an Application that ever started, kept or not.
pub fn last_number(application: &Application, syncs: &[Sync]) -> u64 {
    let told = application.status.as_ref().and_then(|it| it.last_sync.as_ref()).map(|it| it.number);
    syncs.iter().filter_map(number).chain(told).max().unwrap_or(0)
}

/// Name and number of a Sync, for people.
pub fn words(sync: &Sync) -> String {
    number(sync).map_or_else(|| format!("Sync {}", sync.name_any()), |number| format!("Sync {number}"))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use tiphys_api::{ObjectReference, ObjectResult, SyncSpec};

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_mins(minute)
    }

    /// One that started at a minute, and was applied at the next.
    fn sync(number: u64, minute: i64, phase: Phase) -> Sync {
        let spec = SyncSpec { application: "web".to_owned(), ..SyncSpec::default() };
        let mut sync = Sync::new(&format!("web-{number}"), spec);
        let applied = phase == Phase::Succeeded;
        sync.status = Some(SyncStatus {
            phase,
            number: Some(number),
            started_at: Some(Time(at(minute))),
            applied_at: applied.then(|| Time(at(minute + 1))),
            finished_at: phase.is_finished().then(|| Time(at(minute + 2))),
            snapshot: Some(format!("web-{number}-snapshot")),
            ..SyncStatus::default()
        });
        sync
    }

    fn with(mut sync: Sync, change: impl FnOnce(&mut Sync)) -> Sync {
        change(&mut sync);
        sync
    }

    fn wrote(mut sync: Sync) -> Sync {
        let status = sync.status.as_mut().unwrap();
        status.objects = vec![ObjectResult {
            group: String::new(),
            kind: "ConfigMap".to_owned(),
            namespace: None,
            name: "a".to_owned(),
            hook: None,
            action: Action::Change,
            outcome: Outcome::Applied,
            message: None,
        }];
        sync
    }

    type Told = (Option<u64>, Option<u64>, Option<(u64, u64)>);

    fn told(syncs: &[Sync], last: u64, minute: i64) -> Told {
        let then = live_at(syncs, last, at(minute));
        (then.live.and_then(number), then.applying.and_then(number), then.lost)
    }

    #[test]
    fn the_past_is_told_as_far_as_it_is_kept() {
        use Phase::{Failed, Running, Succeeded, Superseded};
        let three = || vec![sync(1, 0, Succeeded), sync(2, 10, Succeeded), sync(3, 20, Succeeded)];
        let failed = |it| vec![sync(1, 0, Succeeded), it];
        let untouched = sync(2, 10, Failed);
        let cases: Vec<(&str, Vec<Sync>, u64, i64, Told)> = vec![
            ("before the first", three(), 3, -5, (None, None, None)),
            ("while the first is applied", three(), 3, 0, (None, Some(1), None)),
            ("from when it is applied", three(), 3, 1, (Some(1), None, None)),
            ("while the next is applied", three(), 3, 10, (Some(1), Some(2), None)),
            ("the next", three(), 3, 15, (Some(2), None, None)),
            ("now", three(), 3, 99, (Some(3), None, None)),
            ("a failure that wrote nothing", failed(untouched.clone()), 2, 99, (Some(1), None, None)),
            ("a failure in the middle", failed(wrote(untouched)), 2, 99, (Some(2), None, None)),
            (
                "superseded and applied",
                failed(with(sync(2, 10, Superseded), |it| {
                    it.status.as_mut().unwrap().applied_at = Some(Time(at(11)));
                })),
                2,
                99,
                (Some(2), None, None),
            ),
            ("superseded before anything", failed(sync(2, 10, Superseded)), 2, 99, (Some(1), None, None)),
            ("under way", failed(sync(2, 10, Running)), 2, 99, (Some(1), Some(2), None)),
            (
                "a question",
                failed(with(sync(2, 10, Succeeded), |it| it.spec.dry_run = true)),
                1,
                99,
                (Some(1), None, None),
            ),
            (
                "without a snapshot",
                failed(with(sync(2, 10, Failed), |it| {
                    it.status.as_mut().unwrap().snapshot = None;
                })),
                2,
                99,
                (Some(1), None, None),
            ),
            ("the oldest are gone", vec![sync(8, 80, Succeeded)], 8, 50, (None, None, Some((1, 7)))),
            ("nobody knows of later ones", vec![sync(8, 80, Succeeded)], 8, 90, (Some(8), None, None)),
            (
                "one in the middle is kept",
                vec![sync(3, 30, Succeeded), sync(8, 80, Succeeded)],
                8,
                50,
                (Some(3), None, Some((4, 7))),
            ),
            (
                "and matters no more after the next",
                vec![sync(3, 30, Succeeded), sync(8, 80, Succeeded)],
                8,
                90,
                (Some(8), None, None),
            ),
            (
                "a failure after the gap says nothing",
                vec![sync(3, 30, Succeeded), sync(8, 80, Failed)],
                8,
                90,
                (Some(3), None, Some((4, 7))),
            ),
            ("the newest were deleted", vec![sync(3, 30, Succeeded)], 5, 90, (Some(3), None, Some((4, 5)))),
            ("nothing is kept", vec![], 5, 90, (None, None, Some((1, 5)))),
            ("nothing ever was", vec![], 0, 90, (None, None, None)),
        ];
        for (what, syncs, last, minute, expected) in cases {
            assert_eq!(told(&syncs, last, minute), expected, "{what}");
        }
    }

    #[test]
    fn what_was_about_some_objects_is_a_part() {
        let some =
            with(sync(1, 0, Phase::Succeeded), |it| it.spec.resources = vec![ObjectReference::default()]);
        assert_eq!(extent(&some), Extent::Part);
        assert_eq!(extent(&sync(1, 0, Phase::Succeeded)), Extent::Whole);
        assert_eq!(extent(&sync(1, 0, Phase::Failed)), Extent::Nothing);
    }

    #[test]
    fn moments_are_read_as_people_write_them() {
        let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-11-28T08:30:00Z", Some("2026-11-28T08:30:00Z")),
            ("2026-11-28T08:30:00+02:00", Some("2026-11-28T06:30:00Z")),
            ("2h", Some("2026-11-29T10:00:00Z")),
            ("2h ago", Some("2026-11-29T10:00:00Z")),
            ("1h30m", Some("2026-11-29T10:30:00Z")),
            ("2 hours ago", Some("2026-11-29T10:00:00Z")),
            ("3d", Some("2026-11-26T12:00:00Z")),
            ("yesterday", None),
            ("", None),
            ("12", None),
        ] {
            assert_eq!(moment(text, now), expected.map(|it| it.parse().unwrap()), "{text}");
        }
    }
}
