//! One watch that never ends: list once, then follow, whatever the connection does.
//!
//! Why not `kube::runtime::watcher`: it resumes a watch that ended at once, so a proxy or a server on its way down
//! that accepts watches and closes them makes it ask thousands of times a second; it repeats for ever a watch that
//! is answered with the HTTP status 410; it cannot go from streaming lists to plain ones where a server has no
//! streaming; and it restarts streaming lists from the oldest state that a server may have. Here:
//!
//! * every watch that ends early, fails or has expired is followed by a pause that grows and has jitter, so a
//!   server that comes back is not met by all watches at once;
//! * a watch resumes from the last version that it saw, bookmarks included; only an expired version (410) lists
//!   again, and then from a version at least as new as the last one;
//! * the list is streamed (`sendInitialEvents`), or taken from the server's watch cache where that is not served;
//! * a connection that was silently dropped is noticed after [`IDLE`].

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use http::header::ACCEPT;
use kube::Client;
use kube::core::WatchEvent;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::backoff::Backoff;
use crate::discovery::ServedKind;
use crate::error::Class;
use crate::requests::failure::{Failure, describe_status};

/// Servers send a bookmark about once a minute: silence for longer than this is a dead connection.
const IDLE: Duration = Duration::from_secs(150);
/// How long the answer to a watch or list may take to begin.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the server keeps a watch open; each watch adds up to a fifth, so that they do not renew together.
const WATCH_SECONDS: u64 = 600;
/// A watch that lived this long, or told something, was a good one: the next pause is a short one again.
const GOOD: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often we wait for a server that lags behind, before we take its state for the true one: after a restore
/// from a backup versions start over.
const PATIENCE: u32 = 5;
/// First pause after an answer that seldom goes away by itself (no such kind, no permission). It is short, since a
/// server that has just started forbids everything until it has read its roles.
const FIRST_HOPELESS_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_HOPELESS_PAUSE: Duration = Duration::from_secs(30);

/// Which objects of a kind, and how much of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All objects, metadata only.
    Metadata,
    /// Whole objects that carry this label.
    Labelled(&'static str),
}

/// What a watch tells, in this order: a list, then changes; another list when changes were missed.
#[derive(Debug)]
pub(crate) enum Step {
    /// A list begins: what it does not name is gone when it ends.
    ListStarted,
    /// An object of the list.
    Listed(Value),
    /// The list is complete, as of this version.
    ListDone {
        /// Resource version of the list.
        version: String,
    },
    /// The watch goes on where it was interrupted.
    Resumed,
    /// An object was created or changed.
    Applied(Value),
    /// An object was deleted, or is no longer selected.
    Deleted(Value),
    /// Everything up to this version has been told.
    Progress {
        /// Resource version of the bookmark.
        version: String,
    },
    /// The watch is interrupted; it goes on by itself after a pause.
    Failed(Arc<Failure>),
}

/// Why one connection of a watch ended.
#[derive(Debug)]
enum End {
    /// The server closed it, or it went silent.
    Closed,
    /// The version to resume from is too old: list again.
    Expired,
    /// The server does not stream lists.
    NoStreaming,
    /// The server has not yet reached the version that we want at least.
    NotYetThere(Failure),
    /// Anything else.
    Failed(Failure),
}

/// The pauses between connections.
struct Pauses {
    usual: Backoff,
    hopeless: Backoff,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            usual: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            hopeless: Backoff::new(FIRST_HOPELESS_PAUSE, LONGEST_HOPELESS_PAUSE),
        }
    }
}

impl Pauses {
    /// Starts over with the first of each.
    fn reset(&mut self) {
        self.usual.reset();
        self.hopeless.reset();
    }
}

/// A watch over one kind.
pub(crate) struct Watch {
    client: Client,
    kind: Arc<ServedKind>,
    selection: Selection,
    /// Where to resume; none lists first.
    cursor: Option<String>,
    /// The newest version seen: a later list must not be older.
    newest: Option<String>,
    /// How often the server had not reached the newest version yet.
    waited: u32,
    listing: Listing,
}

/// How the server gives the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listing {
    Streamed,
    Plain,
}

impl Watch {
    pub(crate) fn new(client: Client, kind: Arc<ServedKind>, selection: Selection) -> Self {
        Self { client, kind, selection, cursor: None, newest: None, waited: 0, listing: Listing::Streamed }
    }

    /// Watches until the future is dropped.
    pub(crate) async fn run(mut self, mut sink: impl FnMut(Step) + Send) {
        let mut pauses = Pauses::default();
        loop {
            let (began, cursor) = (Instant::now(), self.cursor.clone());
            let end = self.connect(&mut sink).await;
            let lived_long = began.elapsed() >= GOOD;
            if lived_long || self.cursor != cursor {
                pauses.reset();
            }
            if lived_long && matches!(end, End::Closed) {
                continue;
            }
            let pause = self.after(end, &mut pauses, &mut sink);
            tokio::time::sleep(pause).await;
        }
    }

    /// Notes how a connection ended, and says how long to wait before the next.
    fn after(&mut self, end: End, pauses: &mut Pauses, sink: &mut impl FnMut(Step)) -> Duration {
        tracing::debug!(kind = %self.kind.gvk(), ?end, "watch interrupted");
        match end {
            End::Closed => pauses.usual.next(),
            End::Expired => {
                self.cursor = None;
                pauses.usual.next()
            }
            End::NoStreaming => {
                self.listing = Listing::Plain;
                Duration::ZERO
            }
            End::NotYetThere(failure) => {
                self.waited += 1;
                if self.waited > PATIENCE {
                    self.start_over();
                }
                sink(Step::Failed(Arc::new(failure)));
                pauses.usual.next()
            }
            End::Failed(failure) => {
                if failure.is_not_found() {
                    self.start_over();
                }
                let hopeless = failure.class() != Class::Transient;
                let asked = failure.refusal().and_then(|refusal| refusal.retry_after);
                sink(Step::Failed(Arc::new(failure)));
                if hopeless {
                    return pauses.hopeless.next();
                }
                pauses.usual.next().max(asked.unwrap_or_default().min(LONGEST_HOPELESS_PAUSE))
            }
        }
    }

    /// Forgets where it was: the kind was not served meanwhile, or versions started over after a restore.
    fn start_over(&mut self) {
        self.cursor = None;
        self.newest = None;
        self.waited = 0;
    }

    /// Lists if need be, then watches until this one connection ends.
    async fn connect(&mut self, sink: &mut (impl FnMut(Step) + Send)) -> End {
        if self.cursor.is_none()
            && self.listing == Listing::Plain
            && let Err(end) = self.list(sink).await
        {
            return end;
        }
        match self.follow(sink).await {
            Ok(()) => End::Closed,
            Err(end) => end,
        }
    }

    /// The whole list in one answer, from the server's watch cache.
    async fn list(&mut self, sink: &mut (impl FnMut(Step) + Send)) -> Result<(), End> {
        let version = self.newest.as_deref().unwrap_or("0");
        let query = format!("resourceVersion={version}&resourceVersionMatch=NotOlderThan");
        let request = self.request(&query, METADATA_LIST)?;
        let asked = timeout(START_TIMEOUT, self.client.request::<Value>(request));
        let mut list =
            asked.await.map_err(|_| End::Failed(Failure::timed_out(START_TIMEOUT)))?.map_err(end_of)?;
        let version =
            list.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
        sink(Step::ListStarted);
        if let Some(Value::Array(items)) = list.get_mut("items").map(Value::take) {
            for item in items {
                sink(Step::Listed(self.with_kind(item)));
            }
        }
        self.reached(&version);
        sink(Step::ListDone { version });
        Ok(())
    }

    async fn follow(&mut self, sink: &mut (impl FnMut(Step) + Send)) -> Result<(), End> {
        let mut listing = self.cursor.is_none();
        let request = self.watch_request()?;
        let started = timeout(START_TIMEOUT, self.client.request_events::<Value>(request));
        let events =
            started.await.map_err(|_| End::Failed(Failure::timed_out(START_TIMEOUT)))?.map_err(end_of)?;
        let mut events = events.boxed();
        sink(if listing { Step::ListStarted } else { Step::Resumed });
        loop {
            let limit = if listing { START_TIMEOUT } else { IDLE };
            let event = match timeout(limit, events.next()).await {
                // A server that ignores `sendInitialEvents` never says that the list is complete.
                Err(_) if listing => return Err(End::NoStreaming),
                Err(_) | Ok(None) => return Ok(()),
                Ok(Some(event)) => event.map_err(end_of)?,
            };
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) if listing => {
                    sink(Step::Listed(object));
                }
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    self.reached(version_of(&object));
                    sink(Step::Applied(object));
                }
                WatchEvent::Deleted(object) => {
                    if !listing {
                        self.reached(version_of(&object));
                    }
                    sink(Step::Deleted(object));
                }
                WatchEvent::Bookmark(bookmark) => {
                    let version = bookmark.metadata.resource_version;
                    let complete = bookmark.metadata.annotations.contains_key("k8s.io/initial-events-end");
                    if listing && complete {
                        listing = false;
                        self.reached(&version);
                        sink(Step::ListDone { version });
                    } else if !listing {
                        self.reached(&version);
                        sink(Step::Progress { version });
                    }
                }
                WatchEvent::Error(status) => return Err(end_of(kube::Error::Api(status))),
            }
        }
    }

    fn watch_request(&self) -> Result<http::Request<Vec<u8>>, End> {
        let seconds = WATCH_SECONDS + fastrand::u64(0..=WATCH_SECONDS / 5);
        let common = format!("watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}");
        let query = if let Some(version) = &self.cursor {
            format!("{common}&resourceVersion={version}")
        } else {
            let version = self.newest.as_deref().unwrap_or("0");
            format!(
                "{common}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion={version}"
            )
        };
        self.request(&query, METADATA)
    }

    fn request(&self, query: &str, metadata: &'static str) -> Result<http::Request<Vec<u8>>, End> {
        let path = self.kind.collection_path(None);
        let (selector, accept) = match self.selection {
            Selection::Metadata => (String::new(), metadata),
            // A label key holds letters, digits, `-`, `_`, `.` and one `/`: nothing that a query must escape.
            Selection::Labelled(label) => (format!("labelSelector={label}&"), "application/json"),
        };
        http::Request::get(format!("{path}?{selector}{query}"))
            .header(ACCEPT, accept)
            .body(Vec::new())
            .map_err(|source| End::Failed(Failure::from(kube::Error::HttpError(source))))
    }

    fn reached(&mut self, version: &str) {
        if !version.is_empty() {
            self.waited = 0;
            self.cursor = Some(version.to_owned());
            self.newest = Some(version.to_owned());
        }
    }

    /// The items of a list do not say their kind.
    fn with_kind(&self, mut item: Value) -> Value {
        if let Value::Object(object) = &mut item {
            let resource = &self.kind.resource;
            object.entry("apiVersion").or_insert_with(|| resource.api_version.as_str().into());
            object.entry("kind").or_insert_with(|| resource.kind.as_str().into());
        }
        item
    }
}

const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

fn version_of(object: &Value) -> &str {
    object.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default()
}

/// What an error means for the watch.
fn end_of(error: kube::Error) -> End {
    let kube::Error::Api(status) = &error else {
        return End::Failed(Failure::from(error));
    };
    let text = describe_status(status);
    let too_large = |text: &str| text.contains("Too large resource version");
    match status.code {
        410 => End::Expired,
        // An unknown or forbidden option is a bad request or an invalid one, depending on the server.
        400 | 422 if text.contains("sendInitialEvents") || text.contains("resourceVersionMatch") => {
            End::NoStreaming
        }
        500 | 504 if too_large(&text) => End::NotYetThere(Failure::from(error)),
        _ => End::Failed(Failure::from(error)),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn api_error(code: u16, message: &str) -> kube::Error {
        kube::Error::Api(Status::failure(message, "").with_code(code).boxed())
    }

    #[test]
    fn each_answer_has_its_meaning() {
        for (code, message, expected) in [
            (410, "too old resource version: 1 (2)", "Expired"),
            (
                422,
                "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
                "NoStreaming",
            ),
            (504, "Timeout: Too large resource version: 12, current: 3", "NotYetThere"),
            (403, "things.example.com is forbidden", "Failed"),
            (503, "the server is currently unable to handle the request", "Failed"),
        ] {
            let end = format!("{:?}", end_of(api_error(code, message)));
            assert!(end.starts_with(expected), "{code} {message}: {end}");
        }
    }
}
