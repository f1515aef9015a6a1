//! Background tasks that end with their owner.

use std::future::Future;

use tokio::task::AbortHandle;

/// A background task; it is aborted when this handle is dropped.
#[derive(Debug)]
#[must_use = "the task ends when this is dropped"]
pub struct Task(AbortHandle);

impl Task {
    pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work).abort_handle())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
