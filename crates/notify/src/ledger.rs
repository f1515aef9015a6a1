//! What was told already, what is still to be told, and what is the past: the part of a Notification that must survive a
//! restart, and so lies in its status.

use std::collections::VecDeque;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tiphys_api::{NotificationStatus, Phase, Sync, Transition};

/// Most deliveries that wait.
const MAX_PENDING: usize = 1000;
/// Most deliveries that are remembered one by one.
const MAX_RECENT: usize = 200;
/// So long a transition is remembered by itself: between its time and our seeing it lies one write to the API server.
const MEMORY: SignedDuration = SignedDuration::from_secs(60);

/// What a Notification has told and has to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Ledger {
    since: Timestamp,
    pending: VecDeque<Transition>,
    recent: VecDeque<Transition>,
    delivered: u64,
    failed: u64,
    last: Option<Transition>,
}

/// What a transition is to a Notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has not been seen.
    New,
    /// It was told, or is about to be.
    Known,
    /// It lies before everything that is told.
    Past,
}

/// What came of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its destination took it.
    Delivered,
    /// It will not be tried again.
    GivenUp,
    /// A newer one says it all.
    Replaced,
}

impl Ledger {
    /// What the status of a Notification says that was created at this time.
    pub fn load(status: &NotificationStatus, created: Timestamp) -> Self {
        Self {
            since: status.since.as_ref().map_or(created, |it| it.0.max(created)),
            pending: status.pending.iter().cloned().collect(),
            recent: status.recent.iter().cloned().collect(),
            delivered: status.delivered,
            failed: status.failed,
            last: status.last_delivery.clone(),
        }
    }

    /// Whether a transition is to be told.
    pub fn judge(&self, transition: &Transition) -> Verdict {
        let is_it = |it: &Transition| it.uid == transition.uid && it.phase == transition.phase;
        if self.pending.iter().chain(&self.recent).any(is_it) {
            Verdict::Known
        } else if transition.at.0 < self.since {
            Verdict::Past
        } else {
            Verdict::New
        }
    }

    /// Takes in a transition that is to be told. Gives those that are not told for it: earlier ones of the same Sync when
    /// only the newest matters, and the oldest when there are too many.
    pub fn queue(&mut self, transition: Transition, newest_only: bool) -> Vec<(Transition, Outcome)> {
        let mut dropped = Vec::new();
        if newest_only {
            let (replaced, kept): (VecDeque<_>, VecDeque<_>) =
                self.pending.drain(..).partition(|it| it.uid == transition.uid);
            self.pending = kept;
            dropped.extend(replaced.into_iter().map(|it| (it, Outcome::Replaced)));
        }
        if self.pending.len() >= MAX_PENDING {
            dropped.extend(self.pending.pop_front().map(|it| (it, Outcome::GivenUp)));
        }
        for (it, outcome) in &dropped {
            self.note(it.clone(), *outcome);
        }
        self.pending.push_back(transition);
        dropped
    }

    /// What is to be told next.
    pub fn next(&self) -> Option<&Transition> {
        self.pending.front()
    }

    /// How many are to be told still.
    pub fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// Notes what came of a delivery. Says whether it was still to be made.
    pub fn settle(&mut self, uid: &str, phase: Phase, outcome: Outcome) -> bool {
        let place = self.pending.iter().position(|it| it.uid == uid && it.phase == phase);
        let Some(transition) = place.and_then(|it| self.pending.remove(it)) else {
            return false;
        };
        self.note(transition, outcome);
        true
    }

    fn note(&mut self, transition: Transition, outcome: Outcome) {
        match outcome {
            Outcome::Delivered => {
                self.delivered += 1;
                self.last = Some(transition.clone());
            }
            Outcome::GivenUp => self.failed += 1,
            Outcome::Replaced => {}
        }
        self.recent.push_back(transition);
        if self.recent.len() > MAX_RECENT
            && let Some(oldest) = self.recent.pop_front()
        {
            // What cannot be remembered is the past: rather not told than told twice.
            self.since = self.since.max(oldest.at.0.saturating_add(SECOND).unwrap_or(oldest.at.0));
        }
    }

    /// Lets the past begin later: everything up to now was looked at.
    pub fn advance(&mut self, now: Timestamp) {
        self.since = self.since.max(now.saturating_sub(MEMORY).unwrap_or(now));
        let since = self.since;
        self.recent.retain(|it| it.at.0 >= since);
    }

    /// Writes it into a status.
    pub fn write(&self, status: &mut NotificationStatus) {
        status.since = Some(Time(whole_seconds(self.since)));
        status.pending = self.pending.iter().cloned().collect();
        status.recent = self.recent.iter().cloned().collect();
        status.delivered = self.delivered;
        status.failed = self.failed;
        status.last_delivery.clone_from(&self.last);
    }
}

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// As the API server keeps it.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// The phase that a Sync has reached, and when; none before it started.
pub fn moment(sync: &Sync) -> Option<(Phase, Time)> {
    let status = sync.status.as_ref()?;
    let at = match status.phase {
        Phase::Pending => None,
        Phase::Running => status.started_at.clone(),
        Phase::Waiting => status.applied_at.clone().or_else(|| status.started_at.clone()),
        Phase::Succeeded | Phase::Failed | Phase::Superseded => status.finished_at.clone(),
    };
    Some((status.phase, Time(whole_seconds(at?.0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn transition(uid: &str, phase: Phase, second: i64) -> Transition {
        Transition {
            application: "team-a/web".to_owned(),
            sync: format!("sync-{uid}"),
            uid: uid.to_owned(),
            phase,
            at: Time(time(second)),
        }
    }

    fn fresh() -> Ledger {
        Ledger::load(&NotificationStatus::default(), time(0))
    }

    /// What a process that starts now knows.
    fn after_restart(ledger: &Ledger) -> Ledger {
        let mut status = NotificationStatus::default();
        ledger.write(&mut status);
        let text = serde_json::to_string(&status).unwrap();
        Ledger::load(&serde_json::from_str(&text).unwrap(), time(0))
    }

    #[test]
    fn what_happened_before_it_was_created_is_the_past() {
        let ledger = fresh();
        for (second, verdict) in [(-1, Verdict::Past), (0, Verdict::New), (1, Verdict::New)] {
            assert_eq!(ledger.judge(&transition("a", Phase::Failed, second)), verdict, "{second}");
        }
    }

    #[test]
    fn the_same_is_told_once_also_after_a_restart() {
        let mut ledger = fresh();
        let failed = transition("a", Phase::Failed, 5);
        assert!(ledger.queue(failed.clone(), false).is_empty());
        assert_eq!(ledger.judge(&failed), Verdict::Known);
        assert_eq!(after_restart(&ledger).judge(&failed), Verdict::Known);
        assert_eq!(after_restart(&ledger).next(), Some(&failed), "what was not told yet is told then");
        assert!(ledger.settle("a", Phase::Failed, Outcome::Delivered));
        assert!(!ledger.settle("a", Phase::Failed, Outcome::Delivered));
        let restarted = after_restart(&ledger);
        assert_eq!(restarted.judge(&failed), Verdict::Known);
        assert_eq!(restarted.next(), None);
        assert_eq!(restarted, ledger);
        // Another phase of the same Sync, another Sync: something else.
        assert_eq!(ledger.judge(&transition("a", Phase::Running, 5)), Verdict::New);
        assert_eq!(ledger.judge(&transition("b", Phase::Failed, 5)), Verdict::New);
    }

    #[test]
    fn what_was_looked_at_becomes_the_past() {
        let mut ledger = fresh();
        ledger.queue(transition("a", Phase::Failed, 5), false);
        ledger.settle("a", Phase::Failed, Outcome::Delivered);
        ledger.queue(transition("waits", Phase::Failed, 6), false);
        ledger.advance(time(300));
        assert_eq!(ledger.judge(&transition("a", Phase::Failed, 5)), Verdict::Past);
        assert_eq!(ledger.judge(&transition("new", Phase::Failed, 239)), Verdict::Past);
        assert_eq!(ledger.judge(&transition("new", Phase::Failed, 240)), Verdict::New);
        assert_eq!(ledger.waiting(), 1, "what waits is not forgotten");
        let mut status = NotificationStatus::default();
        ledger.write(&mut status);
        assert_eq!((status.recent.len(), status.pending.len()), (0, 1));
    }

    #[test]
    fn a_status_of_a_commit_is_only_told_as_it_is_now() {
        let mut ledger = fresh();
        ledger.queue(transition("a", Phase::Running, 5), true);
        ledger.queue(transition("b", Phase::Running, 5), true);
        let dropped = ledger.queue(transition("a", Phase::Succeeded, 6), true);
        assert_eq!(dropped, [(transition("a", Phase::Running, 5), Outcome::Replaced)]);
        assert_eq!(ledger.judge(&transition("a", Phase::Running, 5)), Verdict::Known);
        assert_eq!(ledger.waiting(), 2);
        assert_eq!((ledger.delivered, ledger.failed), (0, 0));
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let mut ledger = fresh();
        for number in 0..2_000 {
            let uid = format!("00000000-0000-0000-0000-{number:012}");
            ledger.queue(transition(&uid, Phase::Superseded, number / 100), false);
        }
        assert_eq!(ledger.waiting(), MAX_PENDING);
        assert_eq!(ledger.failed, 1_000, "what is dropped is counted");
        let mut status = NotificationStatus::default();
        ledger.write(&mut status);
        assert_eq!(status.recent.len(), MAX_RECENT);
        let bytes = serde_json::to_vec(&status).unwrap().len();
        assert!(bytes < 400_000, "{bytes}");
        // The first was forgotten, and so it is the past.
        let first = transition("00000000-0000-0000-0000-000000000000", Phase::Superseded, 0);
        assert_eq!(ledger.judge(&first), Verdict::Past);
    }
}
