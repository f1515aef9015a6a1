//! Events for a reader that may be slower than the cluster: of one object only the last change is kept.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tiphys_manifest::ObjectId;
use tokio::sync::Notify;

use super::index::{Change, LiveEvent};

/// All readers.
#[derive(Default)]
pub(super) struct Readers(Mutex<Vec<Weak<Queue>>>);

/// Changes of live objects, in order, those of one object put together while they wait to be read.
///
/// Memory is bounded by the number of objects, however slow the reader is.
pub struct LiveEvents(Arc<Queue>);

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    ready: Notify,
}

type Key = (String, ObjectId);

#[derive(Default)]
struct Waiting {
    order: VecDeque<Key>,
    changes: HashMap<Key, Change>,
}

impl Readers {
    pub(super) fn add(&self) -> LiveEvents {
        let queue = Arc::new(Queue::default());
        self.0.lock().push(Arc::downgrade(&queue));
        LiveEvents(queue)
    }

    pub(super) fn send(&self, events: &[LiveEvent]) {
        if events.is_empty() {
            return;
        }
        self.0.lock().retain(|reader| {
            let reader = reader.upgrade();
            if let Some(queue) = &reader {
                queue.push(events);
            }
            reader.is_some()
        });
    }
}

impl LiveEvents {
    /// The next change; waits until there is one.
    pub async fn next(&mut self) -> LiveEvent {
        loop {
            if let Some(event) = self.0.waiting.lock().pop() {
                return event;
            }
            self.0.ready.notified().await;
        }
    }
}

impl Queue {
    fn push(&self, events: &[LiveEvent]) {
        let mut waiting = self.waiting.lock();
        for event in events {
            waiting.push(event);
        }
        drop(waiting);
        self.ready.notify_one();
    }
}

impl Waiting {
    fn push(&mut self, event: &LiveEvent) {
        let key = (event.owner_label.clone(), event.id.clone());
        match self.changes.get_mut(&key) {
            None => {
                self.order.push_back(key.clone());
                self.changes.insert(key, event.change);
            }
            // Added and then changed is still new to the reader; gone and back is a change.
            Some(before) => {
                *before = match (*before, event.change) {
                    (Change::Added, Change::Modified) => Change::Added,
                    (Change::Removed, Change::Added) => Change::Modified,
                    (_, after) => after,
                };
            }
        }
    }

    fn pop(&mut self) -> Option<LiveEvent> {
        let key = self.order.pop_front()?;
        let change = self.changes.remove(&key)?;
        let (owner_label, id) = key;
        Some(LiveEvent { owner_label, id, change })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, change: Change) -> LiveEvent {
        LiveEvent {
            owner_label: "app".to_owned(),
            id: format!("ConfigMap web/{name}").parse().unwrap(),
            change,
        }
    }

    #[tokio::test]
    async fn a_slow_reader_gets_each_object_once() {
        let readers = Readers::default();
        let mut events = readers.add();
        readers.send(&[event("a", Change::Added), event("b", Change::Modified)]);
        readers.send(&[event("a", Change::Modified), event("b", Change::Removed)]);
        assert_eq!(events.next().await, event("a", Change::Added));
        assert_eq!(events.next().await, event("b", Change::Removed));
        readers.send(&[event("a", Change::Removed)]);
        readers.send(&[event("a", Change::Added)]);
        assert_eq!(events.next().await, event("a", Change::Modified));
    }

    #[test]
    fn readers_that_are_gone_cost_nothing() {
        let readers = Readers::default();
        drop(readers.add());
        readers.send(&[event("a", Change::Added)]);
        assert!(readers.0.lock().is_empty());
    }
}
