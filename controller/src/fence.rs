//! Keeps a replica from writing after its Lease may have gone to another.
//!
//! A process that was stopped (by the system, by a debugger, by a machine that ran out of memory) wakes up in the middle
//! of everything, and which of its tasks runs first is chance. So each write asks the clock, not a task.

use std::sync::Arc;
use std::time::Instant;

use http::{Method, Request};
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;

/// The Lease may be another's.
#[derive(Debug, thiserror::Error)]
#[error("the Lease was not renewed in time, so nothing is written any more")]
struct Fenced;

/// Writes pass until a certain time, which each renewal of the Lease moves on.
#[derive(Debug, Default)]
pub struct Fence {
    open_until: Mutex<Option<Instant>>,
}

impl Fence {
    /// From now on writes pass until then.
    pub fn open_until(&self, end: Instant) {
        *self.open_until.lock() = Some(end);
    }

    fn is_open(&self) -> bool {
        self.open_until.lock().is_some_and(|end| Instant::now() < end)
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
    fn a_fence_is_open_only_for_the_time_of_a_lease() {
        let fence = Fence::default();
        assert!(!fence.is_open(), "nobody leads yet");
        fence.open_until(Instant::now() + Duration::from_mins(1));
        assert!(fence.is_open());
        fence.open_until(Instant::now());
        assert!(!fence.is_open());
    }
}
