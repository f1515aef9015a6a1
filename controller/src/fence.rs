//! Keeps a replica from writing after one of its Leases may have gone to another.
//!
//! A process that was stopped (by the system, by a debugger, by a machine that ran out of memory) wakes up in the middle
//! of everything, and which of its tasks runs first is chance. So each write asks the clock, not a task.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use http::{Method, Request};
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;

use crate::slots::Slot;

/// The Lease may be another's.
#[derive(Debug, thiserror::Error)]
#[error("the Lease was not renewed in time, so nothing is written any more")]
struct Fenced;

/// Writes pass until a certain time, which each renewal of a Lease moves on: with several slots, until the first of them
/// was not renewed.
#[derive(Debug, Default)]
pub struct Fence {
    open_until: Mutex<BTreeMap<Slot, Instant>>,
}

impl Fence {
    /// From now on the slot is ours until then.
    pub fn open_until(&self, slot: Slot, end: Instant) {
        self.open_until.lock().insert(slot, end);
    }

    /// The slot was given away, and nothing is written for it any more.
    pub fn forget(&self, slot: Slot) {
        self.open_until.lock().remove(&slot);
    }

    fn is_open(&self) -> bool {
        let now = Instant::now();
        let slots = self.open_until.lock();
        !slots.is_empty() && slots.values().all(|end| now < *end)
    }

    /// A client whose writes pass this fence. What only reads always passes.
    pub fn client(self: &Arc<Self>, client: Client) -> Client {
        let namespace = client.default_namespace().to_owned();
        let fence = Arc::clone(self);
        let service = tower::service_fn(move |request: Request<Body>| {
            let (client, fence) = (client.clone(), Arc::clone(&fence));
            async move {
                if *request.method() != Method::GET && !fence.is_open() {
                    return Err(kube::Error::Service(Box::new(Fenced)));
                }
                client.send(request).await
            }
        });
        Client::new(service, namespace)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_fence_is_open_only_for_the_time_of_every_lease() {
        let fence = Fence::default();
        assert!(!fence.is_open(), "nobody leads yet");
        let later = Instant::now() + Duration::from_mins(1);
        fence.open_until(0, later);
        fence.open_until(3, later);
        assert!(fence.is_open());
        fence.open_until(3, Instant::now());
        assert!(!fence.is_open(), "one of the slots may be another's");
        fence.forget(3);
        assert!(fence.is_open(), "it was given away");
        fence.open_until(0, Instant::now());
        assert!(!fence.is_open());
        fence.forget(0);
        assert!(!fence.is_open(), "none is left");
    }
}
