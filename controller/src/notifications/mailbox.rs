//! What one Notification has to deliver: filled by whoever sees Syncs, emptied by the worker.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use parking_lot::Mutex;
use tiphys_api::{
    Application, Condition, ConditionStatus, Notification, NotificationSpec, NotificationStatus, Phase,
    READY, RECONCILING, STALLED, Sync, Transition, set_conditions,
};
use tiphys_notify::{Facts, Ledger, Message, Outcome, Rules, Subject, Verdict};
use tokio::sync::Notify;

use super::Key;

/// What one Notification has to deliver.
pub struct Mailbox {
    /// Which Notification.
    pub key: Key,
    /// Its identity.
    pub uid: String,
    /// Wakes the worker.
    pub wake: Notify,
    installation: String,
    state: Mutex<State>,
}

struct State {
    spec: Arc<NotificationSpec>,
    generation: i64,
    rules: Result<Arc<Rules>, String>,
    ledger: Ledger,
    /// What is said in deliveries of this process; those of an earlier one are made again.
    messages: HashMap<(String, Phase), Arc<Message>>,
    /// Why its condition or template could not be evaluated the last time.
    unclear: Option<String>,
    /// The status that was last written or read.
    written: NotificationStatus,
    /// Whether something was seen that was not told, which moves the beginning of the past.
    moved: bool,
}

/// A Sync that reached a phase, and everything that may be said of it.
pub struct Told<'a> {
    /// Its Application.
    pub application: &'a Application,
    /// The Sync.
    pub sync: &'a Sync,
    /// What expressions see.
    pub facts: &'a Facts,
    /// The address of the repository.
    pub repository: &'a str,
}

/// How deliveries go at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Going {
    /// Well, as far as is known.
    Well,
    /// Nothing can be delivered until somebody changes something.
    Stalled(String),
    /// The present delivery is tried again.
    Retrying(String),
    /// The last delivery was given up.
    GivenUp(String),
}

impl Mailbox {
    /// What is to be delivered for a Notification, as its status says.
    pub fn new(notification: &Notification, installation: &str) -> Self {
        let status = notification.status.clone().unwrap_or_default();
        let created = notification.creation_timestamp().map_or_else(Timestamp::now, |it| it.0);
        let key = super::key(notification);
        let state = State {
            rules: Rules::compile(&notification.spec, &key.0, installation).map(Arc::new),
            spec: Arc::new(notification.spec.clone()),
            generation: notification.metadata.generation.unwrap_or_default(),
            ledger: Ledger::load(&status, created),
            messages: HashMap::new(),
            unclear: None,
            written: status,
            moved: false,
        };
        Self {
            key,
            uid: notification.uid().unwrap_or_default(),
            wake: Notify::new(),
            installation: installation.to_owned(),
            state: Mutex::new(state),
        }
    }

    /// Takes in a changed spec.
    pub fn configure(&self, notification: &Notification) {
        let mut state = self.state.lock();
        let generation = notification.metadata.generation.unwrap_or_default();
        if state.generation == generation {
            return;
        }
        state.generation = generation;
        state.spec = Arc::new(notification.spec.clone());
        state.rules = Rules::compile(&notification.spec, &self.key.0, &self.installation).map(Arc::new);
        state.unclear = None;
        drop(state);
        self.wake.notify_one();
    }

    /// Takes in a Sync that reached a phase, if it is to be told.
    pub fn offer(&self, told: &Told<'_>, transition: &Transition) {
        let mut state = self.state.lock();
        let Ok(rules) = state.rules.clone() else { return };
        if !rules.concerns(told.application) || state.ledger.judge(transition) != Verdict::New {
            return;
        }
        state.moved = true;
        let said = evaluate(&rules, told.facts, transition.phase);
        state.unclear = said.as_ref().err().cloned();
        if let Ok(Said::Words(words)) = said {
            let message = self.message(told, transition.phase, words);
            let dropped = state.ledger.queue(transition.clone(), rules.newest_only());
            for (it, _) in dropped {
                state.messages.remove(&(it.uid, it.phase));
            }
            state.messages.insert((transition.uid.clone(), transition.phase), Arc::new(message));
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Makes the message of a delivery that an earlier process left behind. It was decided then that it is sent.
    pub fn remake(&self, told: &Told<'_>, transition: &Transition) -> Result<Arc<Message>, String> {
        let mut state = self.state.lock();
        let words = state.rules.clone()?.words(told.facts)?;
        let message = Arc::new(self.message(told, transition.phase, words));
        state.messages.insert((transition.uid.clone(), transition.phase), Arc::clone(&message));
        Ok(message)
    }

    fn message(&self, told: &Told<'_>, phase: Phase, words: Option<String>) -> Message {
        let subject = Subject { namespace: self.key.0.clone(), name: self.key.1.clone() };
        let notification = (subject, self.uid.as_str());
        Message::new(notification, told.application, told.repository.to_owned(), told.sync, phase, words)
    }

    /// The spec and its generation.
    pub fn spec(&self) -> (Arc<NotificationSpec>, i64) {
        let state = self.state.lock();
        (Arc::clone(&state.spec), state.generation)
    }

    /// Why nothing can be told at all, or could not be the last time.
    pub fn problem(&self) -> Option<String> {
        let state = self.state.lock();
        state.rules.as_ref().err().cloned().or_else(|| state.unclear.clone())
    }

    /// What is to be delivered next, with what is said if that is known.
    pub fn next(&self) -> Option<(Transition, Option<Arc<Message>>)> {
        let state = self.state.lock();
        let transition = state.ledger.next()?.clone();
        let message = state.messages.get(&(transition.uid.clone(), transition.phase)).cloned();
        Some((transition, message))
    }

    /// Notes what came of a delivery.
    pub fn settle(&self, transition: &Transition, outcome: Outcome) {
        let mut state = self.state.lock();
        state.messages.remove(&(transition.uid.clone(), transition.phase));
        state.ledger.settle(&transition.uid, transition.phase, outcome);
    }

    /// Whether something was seen since the last write that was not told.
    pub fn moved(&self) -> bool {
        self.state.lock().moved
    }

    /// The status as it should be, if it is another one than was written; with `everything` also when only the beginning
    /// of the past moved.
    pub fn changed(&self, going: &Going, everything: bool) -> Option<NotificationStatus> {
        let mut state = self.state.lock();
        let before = state.written.clone();
        let mut status = before.clone();
        state.ledger.write(&mut status);
        status.since.clone_from(&before.since);
        status.observed_generation = Some(state.generation);
        set_conditions(&mut status.conditions, conditions(going, state.generation));
        if status == before && before.since.is_some() && !(everything && state.moved) {
            return None;
        }
        state.ledger.advance(Timestamp::now());
        state.ledger.write(&mut status);
        Some(status)
    }

    /// Notes that a status was written.
    pub fn written(&self, status: NotificationStatus) {
        let mut state = self.state.lock();
        state.written = status;
        state.moved = false;
    }
}

/// What a Notification says of a Sync.
enum Said {
    /// Nothing: it does not fire.
    Nothing,
    /// What its template says, if it has one.
    Words(Option<String>),
}

/// What is said. The interpreter is not ours: a mistake in it must not end the task that asks.
fn evaluate(rules: &Rules, facts: &Facts, phase: Phase) -> Result<Said, String> {
    let evaluated = std::panic::catch_unwind(AssertUnwindSafe(|| {
        if rules.fires(facts, phase)? { rules.words(facts).map(Said::Words) } else { Ok(Said::Nothing) }
    }));
    evaluated.unwrap_or_else(|_| Err("spec.when or spec.template: the interpreter failed".to_owned()))
}

fn conditions(going: &Going, generation: i64) -> Vec<Condition> {
    let (ready, companion, reason, message) = match going {
        Going::Well => (ConditionStatus::True, None, "Ready", "it is sent when its condition holds"),
        Going::Stalled(why) => (ConditionStatus::False, Some(STALLED), "Invalid", why.as_str()),
        Going::Retrying(why) => (ConditionStatus::False, Some(RECONCILING), "Retrying", why.as_str()),
        Going::GivenUp(why) => (ConditionStatus::False, None, "DeliveryFailed", why.as_str()),
    };
    let message = crate::application::report::shorten(message, 1024);
    let mut conditions = vec![Condition::new(READY, ready, reason, message.clone(), Some(generation))];
    conditions.extend(
        companion.map(|it| Condition::new(it, ConditionStatus::True, reason, message, Some(generation))),
    );
    conditions
}
