//! One test for each rule, in the order of the rules.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tiphys_api::{Hold, RetryState, Source, Suspension, SyncPolicy};

use super::*;

/// A world in which `web` is live at `main@sha1:1` with the rendering `a`, and everything is automatic.
struct World {
    spec: ApplicationSpec,
    generation: i64,
    deleting: bool,
    status: ApplicationStatus,
    syncs: Vec<SyncRecord>,
    candidate: Candidate,
    waiting: Option<(String, bool, Verdict, i64)>,
    last: bool,
    busy: bool,
    drift: Drift,
    gates: Gates,
    confirmed: Option<String>,
}

const NOW: i64 = 1_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn rendered(digest: &str) -> Candidate {
    Candidate::Rendered { revision: format!("main@sha1:{digest}"), digest: digest.to_owned() }
}

fn broken(revision: &str) -> Candidate {
    Candidate::Broken { revision: revision.to_owned(), message: "line 3 is wrong".to_owned() }
}

fn world() -> World {
    let last = LastSync {
        name: "web-1".to_owned(),
        number: 1,
        phase: Phase::Succeeded,
        revision: Some("main@sha1:a".to_owned()),
        rendering: Some("a".to_owned()),
        generation: Some(1),
        by: None,
        finished_at: None,
        message: None,
    };
    World {
        spec: ApplicationSpec {
            project: "default".to_owned(),
            source: Source::default(),
            destination: tiphys_api::Destination::default(),
            service_account_name: None,
            sync: SyncPolicy { auto: true, self_heal: true, ..SyncPolicy::default() },
            depends_on: Vec::new(),
            ignore_differences: Vec::new(),
            history: tiphys_api::History::default(),
            deletion: tiphys_api::Deletion::default(),
            suspend: None,
        },
        generation: 1,
        deleting: false,
        status: ApplicationStatus {
            rendering: Some("a".to_owned()),
            last_sync: Some(last),
            ..ApplicationStatus::default()
        },
        syncs: Vec::new(),
        candidate: rendered("a"),
        waiting: None,
        last: true,
        busy: false,
        drift: Drift::None,
        gates: Gates::default(),
        confirmed: None,
    }
}

fn sync(name: &str, trigger: Trigger, phase: Phase) -> SyncRecord {
    let initiated_by = InitiatedBy { user: None, trigger };
    let spec = SyncSpec { application: "web".to_owned(), initiated_by, ..SyncSpec::default() };
    SyncRecord {
        name: name.to_owned(),
        uid: name.to_owned(),
        created_at: at(NOW),
        resource_version: 1,
        spec,
        owned: true,
        application_uid: None,
        deleting: false,
        phase,
        number: None,
        started_at: None,
        applied_at: None,
        revision: None,
        rendering: None,
        snapshot: None,
        plan: None,
        stage: None,
        proposes: false,
    }
}

impl World {
    fn look<T>(&self, look: impl Fn(&Facts<'_>) -> T) -> T {
        let waiting = self.waiting.as_ref().map(|(name, pinned, verdict, deadline)| Waiting {
            name,
            pinned: *pinned,
            rendering: Some("a"),
            deadline: at(*deadline),
            verdict: *verdict,
            last: self.last,
            busy: self.busy,
        });
        look(&Facts {
            now: at(NOW),
            name: "web",
            spec: &self.spec,
            generation: self.generation,
            deleting: self.deleting,
            status: &self.status,
            syncs: &self.syncs,
            candidate: &self.candidate,
            cause: Trigger::Webhook,
            gates: &self.gates,
            waiting,
            drift: self.drift,
            confirmed: self.confirmed.as_deref(),
        })
    }

    fn decide(&self) -> Decision {
        self.look(decide)
    }

    /// A window is closed for this long.
    fn close(&mut self, seconds: i64, manual: bool) {
        let message = "a sync window keeps Syncs back".to_owned();
        self.gates.window = Some(Closed { message, until: Some(at(NOW + seconds)), is_later: false, manual });
    }

    fn wait_for_health(&mut self, verdict: Verdict) {
        self.waiting = Some(("web-1".to_owned(), false, verdict, NOW + 60));
    }

    fn hold(&mut self, policy: HoldPolicy, rendering: Option<&str>) {
        self.status.hold = Some(Hold {
            policy,
            rolled_back_to: "web-1".to_owned(),
            by: "web-3".to_owned(),
            revision: Some("main@sha1:b".to_owned()),
            rendering: rendering.map(str::to_owned),
            since: Time(at(0)),
        });
    }
}

#[track_caller]
fn assert_requests(world: &World, trigger: Trigger) {
    match world.decide() {
        Decision::Request { spec } => assert_eq!(spec.initiated_by.trigger, trigger),
        other => panic!("expected a request by {trigger:?}, got {other:?}"),
    }
}

#[track_caller]
fn assert_idle(world: &World) {
    assert_eq!(world.decide(), Decision::Idle { until: None });
}

#[test]
fn nothing_happens_without_a_reason() {
    assert_idle(&world());
}

#[test]
fn a_deletion_comes_before_everything() {
    let mut world = world();
    world.deleting = true;
    world.syncs = vec![sync("web-2", Trigger::User, Phase::Pending)];
    assert_eq!(world.decide(), Decision::Delete);
}

#[test]
fn a_new_revision_is_synced_when_auto() {
    let mut world = world();
    world.candidate = rendered("b");
    assert_requests(&world, Trigger::Webhook);
    world.spec.sync.auto = false;
    assert_idle(&world);
}

#[test]
fn what_was_tried_and_failed_is_not_tried_again_until_something_changes() {
    let mut world = world();
    world.candidate = rendered("b");
    world.status.rendering = None;
    let last = world.status.last_sync.as_mut().unwrap();
    last.phase = Phase::Failed;
    last.rendering = Some("b".to_owned());
    assert_idle(&world);
    world.generation = 2;
    assert_requests(&world, Trigger::Webhook);
}

#[test]
fn a_broken_revision_is_recorded_once() {
    let mut world = world();
    world.candidate = broken("main@sha1:b");
    assert_requests(&world, Trigger::Webhook);
    let last = world.status.last_sync.as_mut().unwrap();
    last.phase = Phase::Failed;
    last.message = Some("line 3 is wrong".to_owned());
    assert_idle(&world);
    world.candidate = broken("main@sha1:c");
    assert_idle(&world);
}

#[test]
fn what_is_live_is_put_back_after_a_partial_failure() {
    let mut world = world();
    world.status.rendering = None;
    world.status.last_sync.as_mut().unwrap().rendering = Some("b".to_owned());
    assert_requests(&world, Trigger::Webhook);
}

#[test]
fn requests_run_in_the_order_of_their_creation() {
    let mut world = world();
    world.syncs = vec![sync("a", Trigger::User, Phase::Pending), sync("b", Trigger::User, Phase::Pending)];
    assert_eq!(world.decide(), Decision::Run { name: "a".to_owned() });
}

#[test]
fn a_question_does_not_wait_for_anything() {
    let mut world = world();
    world.wait_for_health(Verdict::Progressing(None));
    let mut question = sync("q", Trigger::User, Phase::Pending);
    question.spec.dry_run = true;
    world.syncs = vec![sync("web-1", Trigger::Auto, Phase::Waiting), question];
    assert_eq!(world.decide(), Decision::Run { name: "q".to_owned() });
}

#[test]
fn a_newer_automatic_request_replaces_a_waiting_one() {
    let mut world = world();
    world.syncs = vec![sync("a", Trigger::Auto, Phase::Pending), sync("b", Trigger::Webhook, Phase::Pending)];
    assert_eq!(world.decide(), Decision::Supersede { name: "a".to_owned(), by: "b".to_owned() });
}

#[test]
fn an_interrupted_run_is_run_again() {
    let mut world = world();
    world.syncs = vec![sync("a", Trigger::Auto, Phase::Running)];
    assert_eq!(world.decide(), Decision::Run { name: "a".to_owned() });
}

#[test]
fn a_request_takes_the_place_of_a_wait() {
    let mut world = world();
    world.wait_for_health(Verdict::Progressing(None));
    world.syncs =
        vec![sync("web-1", Trigger::Auto, Phase::Waiting), sync("back", Trigger::User, Phase::Pending)];
    assert_eq!(world.decide(), Decision::Supersede { name: "web-1".to_owned(), by: "back".to_owned() });
}

#[test]
fn a_newer_revision_takes_the_place_of_a_wait_unless_it_is_pinned() {
    let mut world = world();
    world.wait_for_health(Verdict::Progressing(None));
    world.candidate = rendered("b");
    assert_requests(&world, Trigger::Webhook);
    world.waiting.as_mut().unwrap().1 = true;
    assert_eq!(world.decide(), Decision::Idle { until: Some(at(NOW + 60)) });
}

#[test]
fn a_correction_of_drift_brings_nothing_that_is_held_off_or_has_failed() {
    let mut world = world();
    world.wait_for_health(Verdict::Healthy);
    world.candidate = rendered("b");
    world.hold(HoldPolicy::UntilNewRevision, Some("b"));
    assert_eq!(world.decide(), Decision::Finish { end: End::Healthy });
    world.status.hold = None;
    let last = world.status.last_sync.as_mut().unwrap();
    (last.phase, last.rendering) = (Phase::Failed, Some("b".to_owned()));
    assert_eq!(world.decide(), Decision::Finish { end: End::Healthy });
    world.candidate = rendered("c");
    assert_requests(&world, Trigger::Webhook);
}

#[test]
fn a_wait_ends_by_health_or_by_time() {
    for (verdict, deadline, expected) in [
        (Verdict::Healthy, NOW + 60, Decision::Finish { end: End::Healthy }),
        (Verdict::Healthy, NOW - 1, Decision::Finish { end: End::Healthy }),
        (Verdict::Degraded, NOW + 60, Decision::Finish { end: End::Degraded }),
        (Verdict::Progressing(None), NOW, Decision::Finish { end: End::TimedOut }),
        (Verdict::Progressing(None), NOW + 60, Decision::Idle { until: Some(at(NOW + 60)) }),
        (Verdict::Progressing(Some(at(NOW + 5))), NOW + 60, Decision::Idle { until: Some(at(NOW + 5)) }),
    ] {
        let mut world = world();
        world.waiting = Some(("web-1".to_owned(), false, verdict, deadline));
        assert_eq!(world.decide(), expected, "{verdict:?} until {deadline}");
    }
}

#[test]
fn what_is_deleted_during_a_wait_is_brought_back_where_drift_is_corrected() {
    let mut world = world();
    world.wait_for_health(Verdict::Progressing(None));
    world.drift = Drift::Now;
    assert_eq!(world.decide(), Decision::Restore);
    world.drift = Drift::SlowedUntil(at(NOW + 2));
    assert_eq!(world.decide(), Decision::Idle { until: Some(at(NOW + 2)) });
    world.drift = Drift::Now;
    world.close(30, false);
    assert_eq!(world.decide(), Decision::Idle { until: Some(at(NOW + 30)) });
    world.gates = Gates::default();
    world.spec.sync.self_heal = false;
    assert_eq!(world.decide(), Decision::Idle { until: Some(at(NOW + 60)) });
    world.spec.sync.self_heal = true;
    world.candidate = rendered("b");
    assert_requests(&world, Trigger::Webhook);
    world.waiting = Some(("web-1".to_owned(), false, Verdict::Progressing(None), NOW));
    world.candidate = rendered("a");
    assert_eq!(world.decide(), Decision::Finish { end: End::TimedOut });
}

#[test]
fn a_hold_is_over_when_git_says_what_is_live() {
    let mut world = world();
    let caught_up = |world: &World| world.look(caught_up);
    world.candidate = rendered("b");
    world.hold(HoldPolicy::UntilNewRevision, Some("b"));
    assert_eq!(caught_up(&world), None, "it is what is held off");
    world.candidate = rendered("c");
    assert_eq!(caught_up(&world), None, "it is something new");
    world.candidate = rendered("a");
    assert!(caught_up(&world).is_some());
    world.hold(HoldPolicy::Indefinite, Some("b"));
    assert_eq!(caught_up(&world), None, "somebody wants it to stay");
}

#[test]
fn a_hold_ends_when_the_inputs_change() {
    let mut world = world();
    world.candidate = rendered("b");
    world.hold(HoldPolicy::UntilNewRevision, Some("b"));
    assert_idle(&world);
    world.candidate = broken("main@sha1:x");
    assert_idle(&world);
    world.candidate = rendered("c");
    assert_requests(&world, Trigger::Webhook);
    world.hold(HoldPolicy::Indefinite, Some("b"));
    assert_idle(&world);
}

#[test]
fn drift_is_healed_even_while_held() {
    let mut world = world();
    world.drift = Drift::Now;
    assert_requests(&world, Trigger::SelfHeal);
    world.hold(HoldPolicy::Indefinite, None);
    assert_requests(&world, Trigger::SelfHeal);
    world.spec.sync.self_heal = false;
    assert_idle(&world);
}

#[test]
fn what_is_not_to_be_corrected_yet_waits() {
    let mut world = world();
    world.drift = Drift::SlowedUntil(at(NOW + 30));
    assert_eq!(world.decide(), Decision::Idle { until: Some(at(NOW + 30)) });
}

#[test]
fn a_retry_starts_when_it_is_due() {
    let mut world = world();
    world.spec.sync.on_failure = OnFailure::Retry;
    world.status.retry = Some(RetryState { attempt: 1, next_at: Time(at(NOW + 5)), revision: None });
    assert_eq!(world.decide(), Decision::Idle { until: Some(at(NOW + 5)) });
    world.status.retry.as_mut().unwrap().next_at = Time(at(NOW));
    assert_requests(&world, Trigger::Auto);
}

#[test]
fn a_suspended_application_does_only_what_a_person_asks_for() {
    let mut world = world();
    world.spec.suspend = Some(Suspension::default());
    world.candidate = rendered("b");
    world.drift = Drift::Now;
    world.syncs = vec![sync("a", Trigger::Auto, Phase::Pending)];
    assert_idle(&world);
    world.syncs.push(sync("b", Trigger::User, Phase::Pending));
    assert_eq!(world.decide(), Decision::Run { name: "b".to_owned() });
    world.syncs.clear();
    world.spec.suspend = Some(Suspension { reason: None, until: Some(Time(at(NOW + 9))) });
    assert_eq!(world.decide(), Decision::Idle { until: Some(at(NOW + 9)) });
    world.spec.suspend = Some(Suspension { reason: None, until: Some(Time(at(NOW))) });
    assert_requests(&world, Trigger::Webhook);
}

#[test]
fn a_stage_that_is_done_is_followed_by_the_next() {
    let mut world = world();
    world.wait_for_health(Verdict::Healthy);
    world.last = false;
    assert_eq!(world.decide(), Decision::Advance { name: "web-1".to_owned() });
    world.wait_for_health(Verdict::Degraded);
    assert_eq!(world.decide(), Decision::Finish { end: End::Degraded });
}

#[test]
fn between_two_stages_another_sync_may_take_its_place() {
    let mut world = world();
    world.wait_for_health(Verdict::Healthy);
    world.last = false;
    world.syncs = vec![sync("mine", Trigger::User, Phase::Pending)];
    let by = "mine".to_owned();
    assert_eq!(world.decide(), Decision::Supersede { name: "web-1".to_owned(), by });
    world.syncs.clear();
    world.candidate = rendered("b");
    assert_requests(&world, Trigger::Webhook);
}

#[test]
fn a_hook_that_runs_is_not_interrupted() {
    let mut world = world();
    world.wait_for_health(Verdict::Progressing(None));
    (world.last, world.busy) = (false, true);
    world.syncs = vec![sync("mine", Trigger::User, Phase::Pending)];
    world.candidate = rendered("b");
    assert_eq!(world.decide(), Decision::Idle { until: Some(at(NOW + 60)) });
    world.waiting = Some(("web-1".to_owned(), false, Verdict::Progressing(None), NOW - 1));
    assert_eq!(world.decide(), Decision::Finish { end: End::TimedOut });
    // A question is answered all the same.
    let mut question = sync("question", Trigger::User, Phase::Pending);
    question.spec.dry_run = true;
    world.syncs.push(question);
    assert_eq!(world.decide(), Decision::Run { name: "question".to_owned() });
}

#[test]
fn a_closed_window_keeps_back_what_nobody_asked_for() {
    let mut world = world();
    world.close(30, false);
    assert_eq!(world.look(waits), None, "there is nothing to do");
    world.candidate = rendered("b");
    assert_eq!(world.decide(), Decision::Idle { until: Some(at(NOW + 30)) });
    let wait = world.look(waits).unwrap();
    assert_eq!((wait.reason, wait.until), (WaitReason::Window, Some(Time(at(NOW + 30)))));
    assert!(wait.message.contains("until 1970-01-01T00:17:10Z"), "{}", wait.message);
    // Drift, further tries and what waits for its turn are kept back as well.
    world.candidate = rendered("a");
    world.drift = Drift::Now;
    assert_eq!(world.decide(), Decision::Idle { until: Some(at(NOW + 30)) });
    assert!(world.look(waits).is_some());
    world.drift = Drift::None;
    world.spec.sync.on_failure = OnFailure::Retry;
    world.status.retry = Some(RetryState { attempt: 1, next_at: Time(at(NOW)), revision: None });
    assert_eq!(world.decide(), Decision::Idle { until: Some(at(NOW + 30)) });
    assert!(world.look(waits).is_some());
    world.status.retry = None;
    world.syncs = vec![sync("a", Trigger::Auto, Phase::Pending)];
    assert_eq!(world.decide(), Decision::Idle { until: Some(at(NOW + 30)) });
    // What is under way goes on.
    world.syncs = vec![sync("a", Trigger::Auto, Phase::Running)];
    assert_eq!(world.decide(), Decision::Run { name: "a".to_owned() });
}

#[test]
fn a_newer_revision_does_not_take_the_place_of_a_wait_while_a_window_is_closed() {
    let mut world = world();
    world.close(30, true);
    world.wait_for_health(Verdict::Progressing(None));
    world.candidate = rendered("b");
    assert_eq!(world.decide(), Decision::Idle { until: Some(at(NOW + 30)) });
    world.wait_for_health(Verdict::Healthy);
    assert_eq!(world.decide(), Decision::Finish { end: End::Healthy });
}

#[test]
fn a_person_is_refused_in_a_window_unless_it_lets_people_through() {
    let mut world = world();
    world.close(30, false);
    let asked = |change: fn(&mut SyncSpec)| {
        let mut sync = sync("mine", Trigger::User, Phase::Pending);
        change(&mut sync.spec);
        sync
    };
    world.syncs = vec![asked(|_| {})];
    let Decision::Refuse { name, message } = world.decide() else { panic!("{:?}", world.decide()) };
    assert_eq!(name, "mine");
    assert!(message.contains("--override-window"), "{message}");
    let run = Decision::Run { name: "mine".to_owned() };
    let passes: [fn(&mut SyncSpec); 3] = [
        |spec| spec.override_window = true,
        |spec| spec.dry_run = true,
        |spec| spec.rollback_to = Some("web-1".to_owned()),
    ];
    for change in passes {
        world.syncs = vec![asked(change)];
        assert_eq!(world.decide(), run);
    }
    world.close(30, true);
    world.syncs = vec![asked(|_| {})];
    assert_eq!(world.decide(), run);
}

#[test]
fn a_rollback_passes_a_window_and_waits_for_nobody() {
    let mut world = world();
    world.close(30, false);
    world.gates.dependency = Some("waits for db".to_owned());
    world.syncs = vec![sync("back", Trigger::Rollback, Phase::Pending)];
    assert_eq!(world.decide(), Decision::Run { name: "back".to_owned() });
}

#[test]
fn new_revisions_wait_for_other_applications_and_nothing_else_does() {
    let mut world = world();
    world.gates.dependency = Some("waits for Application db".to_owned());
    assert_eq!(world.look(waits), None);
    world.candidate = rendered("b");
    assert_idle(&world);
    let wait = world.look(waits).unwrap();
    assert_eq!((wait.reason, wait.until), (WaitReason::Dependency, None));
    world.drift = Drift::Now;
    assert_requests(&world, Trigger::SelfHeal);
    world.drift = Drift::None;
    world.syncs = vec![sync("mine", Trigger::User, Phase::Pending)];
    assert_eq!(world.decide(), Decision::Run { name: "mine".to_owned() });
    // A Sync that waits for health is not given up for one that has to wait itself.
    world.syncs.clear();
    world.wait_for_health(Verdict::Progressing(None));
    assert_eq!(world.decide(), Decision::Idle { until: Some(at(NOW + 60)) });
    world.gates.dependency = None;
    assert_requests(&world, Trigger::Webhook);
}

#[test]
fn a_refused_plan_that_is_confirmed_by_an_annotation_is_run_once() {
    let mut world = world();
    world.candidate = rendered("b");
    let last = world.status.last_sync.as_mut().unwrap();
    (last.name, last.phase, last.rendering) = ("web-2".to_owned(), Phase::Failed, Some("b".to_owned()));
    let mut refused = sync("web-2", Trigger::Auto, Phase::Failed);
    refused.plan = Some(tiphys_api::PlanSummary { digest: Some("d1".to_owned()), ..Default::default() });
    world.syncs = vec![refused];
    assert_eq!(world.decide(), Decision::Idle { until: None }, "nobody confirmed it");
    world.confirmed = Some("d2".to_owned());
    assert_eq!(world.decide(), Decision::Idle { until: None }, "another plan");
    world.confirmed = Some("d1".to_owned());
    let Decision::Request { spec } = world.decide() else { panic!("it is confirmed") };
    assert_eq!(spec.confirm.as_deref(), Some("d1"));
    world.spec.sync.auto = false;
    assert_eq!(world.decide(), Decision::Idle { until: None }, "nothing is synced without being asked");
    world.spec.sync.auto = true;
    world.syncs[0].spec.confirm = Some("d1".to_owned());
    assert_eq!(world.decide(), Decision::Idle { until: None }, "it was tried");
}
