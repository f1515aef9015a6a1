//! The one place from which objects of a cluster are read and written.
//!
//! Every call
//! * counts against one limit of requests under way, all Applications together;
//! * has its own timeout, and is tried again with jitter until its deadline when the failure is transient: 429
//!   (after what `Retry-After` says, for every call at once), 5xx, no answer, a lost connection;
//! * may be repeated without harm, because an answer that was lost may have been a success: server-side apply is
//!   idempotent, deletions name the uid, patches test what they replace.
//!
//! Warnings of the server and the difference between 200 and 201 reach the caller.
//!
//! [`Requests::acting_as`] gives the same in the name of somebody else.

mod account;
pub mod failure;
mod path;
mod redact;
mod trial;
mod whole;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, WARNING};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kube::Client;
use kube::client::Body;
use kube::core::Status;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tiphys_api::FIELD_MANAGER;
use tiphys_manifest::ObjectId;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout_at};

pub use self::account::Account;
use self::failure::{Failure, Refusal};
use crate::backoff::Backoff;
use crate::discovery::ServedKind;
use crate::error::{Class, Error, Operation};

/// The largest answer that is read, in bytes: an object in etcd is far smaller.
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;
/// How many objects [`Requests::list`] gives at most.
pub const MAX_LISTED: usize = 500;
/// The longest time that a server may ask us to wait before the next try.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long after trouble a server may still be starting.
const AFTER_TROUBLE: Duration = Duration::from_secs(15);
/// The header that names who is acted for.
const IMPERSONATE_USER: &str = "Impersonate-User";
/// How often a forced apply that met a concurrent writer is tried again.
const CONFLICT_TRIES: u32 = 12;

/// Bounds of the requests to one cluster.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Requests under way at once.
    pub concurrency: usize,
    /// How long one try may take.
    pub timeout: Duration,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self { concurrency: 16, timeout: Duration::from_secs(30) }
    }
}

/// Whether a request writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The server does everything but store the result.
    DryRun,
    /// The result is stored.
    Write,
}

impl Mode {
    fn parameter(self) -> &'static str {
        match self {
            Self::DryRun => "dryRun=All&",
            Self::Write => "",
        }
    }

    fn operation(self) -> Operation {
        match self {
            Self::DryRun => Operation::DryRun,
            Self::Write => Operation::Apply,
        }
    }
}

/// The answer to a server-side apply, or to a replacement.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The object as it is (or, of a dry run, would be) stored.
    pub object: Value,
    /// Whether it existed before.
    pub existed: bool,
    /// What the server warns of, such as deprecated fields.
    pub warnings: Vec<String>,
}

/// The answer to a creation.
#[derive(Clone, Debug)]
pub enum TriedCreate {
    /// The object as it is (or, of a dry run, would be) created.
    Created(Value),
    /// An object of the name exists; all else about the creation is valid.
    Exists,
}

/// The answer to a deletion.
#[derive(Clone, Debug, PartialEq)]
pub enum Deleted {
    /// The object is gone, or was gone before.
    Gone,
    /// The object is marked as deleted and goes when its finalizers or its grace period are over.
    Pending,
}

/// Sends requests about objects to one cluster. Clones share their bounds.
#[derive(Clone)]
pub struct Requests {
    client: Client,
    limits: RequestLimits,
    shared: Arc<Shared>,
    /// In whose name requests are sent; none: in that of the client.
    account: Option<Account>,
}

struct Shared {
    slots: Semaphore,
    /// No request starts before this: the server said that it has too much to do.
    resume_at: Mutex<Instant>,
    sent: AtomicU64,
    /// When the server last could not be reached or could not answer.
    trouble_at: Mutex<Option<Instant>>,
}

/// One request, to be sent as often as needed.
struct Call<'a> {
    method: Method,
    uri: String,
    content_type: &'static str,
    body: Bytes,
    /// The object whose values must not appear in what the server says.
    secret: Option<&'a Map<String, Value>>,
}

struct Answer {
    status: StatusCode,
    warnings: Vec<String>,
    body: Value,
}

impl Requests {
    /// Sends through `client`. Its own retries should be off (`Config::default_retry`), they know no deadline.
    pub fn new(client: Client, limits: RequestLimits) -> Self {
        let shared = Shared {
            slots: Semaphore::new(limits.concurrency.max(1)),
            resume_at: Mutex::new(Instant::now()),
            sent: AtomicU64::new(0),
            trouble_at: Mutex::default(),
        };
        Self { client, limits, shared: Arc::new(shared), account: None }
    }

    /// The client, for watches.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// How many requests were sent so far, repeated ones included.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// How many requests are sent at once.
    pub fn concurrency(&self) -> usize {
        self.limits.concurrency.max(1)
    }

    /// Server-side apply of `object` with our field manager, by force: what the rendering says, we own.
    pub async fn apply(
        &self,
        kind: &ServedKind,
        object: &Map<String, Value>,
        mode: Mode,
        deadline: Instant,
    ) -> Result<Applied, Error> {
        self.apply_as(FIELD_MANAGER, kind, object, mode, deadline).await
    }

    /// Like [`Requests::apply`] for another field manager of ours.
    pub async fn apply_as(
        &self,
        manager: &str,
        kind: &ServedKind,
        object: &Map<String, Value>,
        mode: Mode,
        deadline: Instant,
    ) -> Result<Applied, Error> {
        let id = identify(kind, object);
        let operation = mode.operation();
        let attempt = async {
            let path = path::object(kind, id.namespace.as_deref(), &id.name)?;
            let dry_run = mode.parameter();
            let call = Call {
                method: Method::PATCH,
                uri: format!("{path}?{dry_run}force=true&fieldManager={manager}&fieldValidation=Strict"),
                content_type: "application/apply-patch+yaml",
                body: encode(&desired(object))?,
                secret: secret_of(kind, object),
            };
            self.send_through_conflicts(&call, deadline).await
        };
        let answer = attempt.await.map_err(|failure| Error::request(operation, &id, failure))?;
        Ok(Applied {
            object: answer.body,
            existed: answer.status != StatusCode::CREATED,
            warnings: answer.warnings,
        })
    }

    /// Reads an object; `None` when there is none.
    pub async fn get(
        &self,
        kind: &ServedKind,
        id: &ObjectId,
        deadline: Instant,
    ) -> Result<Option<Value>, Error> {
        let attempt = async {
            let call = Call {
                method: Method::GET,
                uri: path::object(kind, id.namespace.as_deref(), &id.name)?,
                content_type: "application/json",
                body: Bytes::new(),
                secret: None,
            };
            self.send(&call, deadline).await
        };
        match attempt.await {
            Ok(answer) => Ok(Some(answer.body)),
            Err(failure) if failure.is_not_found() => Ok(None),
            Err(failure) => Err(Error::request(Operation::Get, id, failure)),
        }
    }

    /// Whether there is any object of a kind, in the whole cluster.
    pub async fn has_objects(&self, kind: &ServedKind, deadline: Instant) -> Result<bool, Error> {
        let list = self.first(1, kind, None, deadline).await?;
        let items = list.get("items").and_then(Value::as_array);
        Ok(items.is_some_and(|items| !items.is_empty()))
    }

    /// Reads all objects of a kind as a list: of one namespace, or of the whole cluster. More than [`MAX_LISTED`] are an
    /// error, so that what is asked for in passing takes bounded memory.
    pub async fn list(
        &self,
        kind: &ServedKind,
        namespace: Option<&str>,
        deadline: Instant,
    ) -> Result<Value, Error> {
        let list = self.first(MAX_LISTED, kind, namespace, deadline).await?;
        let more = list.pointer("/metadata/continue").and_then(Value::as_str);
        if more.is_some_and(|more| !more.is_empty()) {
            return Err(Error::TooMany { resource: kind.resource_name(), limit: MAX_LISTED });
        }
        Ok(list)
    }

    /// The first objects of a kind, as a list.
    async fn first(
        &self,
        count: usize,
        kind: &ServedKind,
        namespace: Option<&str>,
        deadline: Instant,
    ) -> Result<Value, Error> {
        let call = Call {
            method: Method::GET,
            uri: format!("{}?limit={count}", kind.collection_path(namespace)),
            content_type: "application/json",
            body: Bytes::new(),
            secret: None,
        };
        let listed = self.send(&call, deadline).await;
        let failed = |failure| Error::List { resource: kind.resource_name(), source: Box::new(failure) };
        Ok(listed.map_err(failed)?.body)
    }

    /// Deletes an object, and what belongs to it in the background.
    ///
    /// With a uid only the object that has it is meant: another one that has taken the name stays, ours is gone then.
    pub async fn delete(
        &self,
        kind: &ServedKind,
        id: &ObjectId,
        uid: Option<&str>,
        deadline: Instant,
    ) -> Result<Deleted, Error> {
        let attempt = async {
            let mut options = json!({
                "apiVersion": "v1",
                "kind": "DeleteOptions",
                "propagationPolicy": "Background",
            });
            if let Some(uid) = uid {
                options["preconditions"] = json!({"uid": uid});
            }
            let call = Call {
                method: Method::DELETE,
                uri: path::object(kind, id.namespace.as_deref(), &id.name)?,
                content_type: "application/json",
                body: encode(&options)?,
                secret: None,
            };
            self.send_through_conflicts(&call, deadline).await
        };
        match attempt.await {
            Ok(answer) if is_terminating(&answer.body) => Ok(Deleted::Pending),
            Ok(_) => Ok(Deleted::Gone),
            Err(failure) if failure.is_not_found() => Ok(Deleted::Gone),
            Err(Failure::Refused(refusal)) if refusal.is_other_object() => Ok(Deleted::Gone),
            Err(failure) => Err(Error::request(Operation::Delete, id, failure)),
        }
    }

    /// Applies a JSON patch (RFC 6902). It must test what it replaces, so that repeating it does no harm.
    pub async fn json_patch(
        &self,
        kind: &ServedKind,
        id: &ObjectId,
        patch: &impl serde::Serialize,
        deadline: Instant,
    ) -> Result<Value, Error> {
        let attempt = async {
            let uri = path::object(kind, id.namespace.as_deref(), &id.name)?;
            let call = Call {
                method: Method::PATCH,
                uri: format!("{uri}?fieldManager={FIELD_MANAGER}"),
                content_type: "application/json-patch+json",
                body: encode(patch)?,
                secret: None,
            };
            self.send(&call, deadline).await
        };
        let answer = attempt.await.map_err(|failure| Error::request(Operation::Migrate, id, failure))?;
        Ok(answer.body)
    }

    /// A forced apply conflicts only with a writer of the same moment: both can have their way, one by one.
    async fn send_through_conflicts(&self, call: &Call<'_>, deadline: Instant) -> Result<Answer, Failure> {
        let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        for _ in 1..CONFLICT_TRIES {
            match self.send(call, deadline).await {
                Err(Failure::Refused(refusal)) if refusal.code == 409 && !refusal.is_other_object() => {
                    tokio::time::sleep(pauses.next()).await;
                }
                other => return other,
            }
        }
        self.send(call, deadline).await
    }

    /// Sends until there is an answer that waiting would not change, or the deadline would pass.
    async fn send(&self, call: &Call<'_>, deadline: Instant) -> Result<Answer, Failure> {
        let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let mut failure = match self.send_once(call, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if let (Failure::Refused(refusal), Some(secret)) = (&mut failure, call.secret) {
                redact::hide(refusal, secret);
            }
            let next_try = Instant::now() + self.pause_after(&failure, &mut pauses);
            if !self.may_pass(&failure) || next_try >= deadline {
                return Err(failure);
            }
            tracing::debug!(method = %call.method, uri = call.uri, error = %failure, "trying again");
            sleep_until(next_try).await;
        }
    }

    /// Whether the same request may succeed soon.
    ///
    /// A server that just started forbids everything until it has read its roles, so what is forbidden shortly after the
    /// server could not be reached may be allowed in a moment.
    fn may_pass(&self, failure: &Failure) -> bool {
        let mut trouble = self.shared.trouble_at.lock();
        match failure.class() {
            Class::Transient => {
                *trouble = Some(Instant::now());
                true
            }
            Class::Forbidden => trouble.is_some_and(|at| at.elapsed() < AFTER_TROUBLE),
            Class::Conflict | Class::Invalid => false,
        }
    }

    /// How long to wait before the next try. Too many requests are a matter of all of them.
    fn pause_after(&self, failure: &Failure, pauses: &mut Backoff) -> Duration {
        let asked = failure.refusal().and_then(|refusal| refusal.retry_after);
        let pause = pauses.next().max(asked.unwrap_or_default().min(LONGEST_RETRY_AFTER));
        if failure.refusal().is_some_and(|refusal| refusal.code == 429) {
            let mut resume_at = self.shared.resume_at.lock();
            *resume_at = (*resume_at).max(Instant::now() + pause);
        }
        pause
    }

    async fn send_once(&self, call: &Call<'_>, deadline: Instant) -> Result<Answer, Failure> {
        let out_of_time = || Failure::timed_out(self.limits.timeout);
        let resume_at = *self.shared.resume_at.lock();
        if resume_at > Instant::now() {
            timeout_at(deadline, sleep_until(resume_at)).await.map_err(|_| out_of_time())?;
        }
        let slot = timeout_at(deadline, self.shared.slots.acquire()).await.map_err(|_| out_of_time())?;
        let limit = deadline.min(Instant::now() + self.limits.timeout);
        self.shared.sent.fetch_add(1, Ordering::Relaxed);
        let answer = timeout_at(limit, self.exchange(call)).await.map_err(|_| out_of_time())?;
        drop(slot);
        answer
    }

    async fn exchange(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(&call.uri)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, call.content_type);
        if let Some(account) = &self.account {
            if account.is_revoked() {
                return Err(Failure::AccountGone { account: account.to_string() });
            }
            request = request.header(IMPERSONATE_USER, account.user());
        }
        let request = request.body(Body::from(call.body.clone())).map_err(|source| Failure::Name {
            problem: format!("no request can be made of {}: {source}", call.uri),
        })?;
        let (head, body) = self.client.send(request).await.map_err(Failure::from)?.into_parts();
        let body = read(body).await?;
        if !head.status.is_success() {
            return Err(Failure::Refused(Box::new(refusal(head.status, &head.headers, &body))));
        }
        let warnings = warnings(&head.headers).map(|warning| match call.secret {
            Some(secret) => redact::hide_text(&warning, secret),
            None => warning,
        });
        Ok(Answer {
            status: head.status,
            warnings: warnings.collect(),
            body: serde_json::from_slice(&body)
                .map_err(|source| Failure::Unreadable { source: Box::new(source) })?,
        })
    }
}

async fn read(body: Body) -> Result<Bytes, Failure> {
    match Limited::new(body, LARGEST_ANSWER).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Failure::TooLarge { limit: LARGEST_ANSWER }),
        Err(error) => Err(match error.downcast::<kube::Error>() {
            Ok(error) => Failure::from(*error),
            Err(other) => Failure::from(kube::Error::Service(other)),
        }),
    }
}

fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Refusal {
    let mut refusal = match serde_json::from_slice::<Status>(body) {
        Ok(answer) => Refusal::from(answer),
        // A proxy, or a path that nothing serves, answers in its own words.
        Err(_) => Refusal::from(Status::failure(String::from_utf8_lossy(body).trim(), "")),
    };
    refusal.code = status.as_u16();
    if refusal.message.is_empty() {
        refusal.message = status.to_string();
    }
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    refusal.retry_after = seconds.map(Duration::from_secs).or(refusal.retry_after);
    refusal
}

/// The texts of the `Warning` headers, which the API server writes as `299 - "text"`.
fn warnings(headers: &HeaderMap) -> impl Iterator<Item = String> {
    headers.get_all(WARNING).iter().filter_map(|value| {
        let value = value.to_str().ok()?;
        let quoted = value.get(value.find('"')?..)?;
        let text = quoted.strip_prefix('"')?.strip_suffix('"').unwrap_or(quoted);
        Some(text.replace("\\\"", "\"").replace("\\\\", "\\"))
    })
}

fn identify(kind: &ServedKind, object: &Map<String, Value>) -> ObjectId {
    let metadata = |field: &str| {
        let value = object.get("metadata")?.get(field)?.as_str()?;
        Some(value.to_owned())
    };
    ObjectId {
        group: kind.resource.group.clone(),
        kind: kind.resource.kind.clone(),
        namespace: metadata("namespace"),
        name: metadata("name").unwrap_or_default(),
    }
}

/// The object without what only the server may say. Left in a manifest these fields would be refused
/// (`managedFields`) or become conditions on one object of one cluster.
fn desired(object: &Map<String, Value>) -> Map<String, Value> {
    let mut object = object.clone();
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        for field in
            ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"]
        {
            metadata.remove(field);
        }
    }
    object
}

fn encode(body: &impl serde::Serialize) -> Result<Bytes, Failure> {
    match serde_json::to_vec(body) {
        Ok(bytes) => Ok(Bytes::from(bytes)),
        Err(source) => Err(Failure::Unreadable { source: Box::new(source) }),
    }
}

fn secret_of<'a>(kind: &ServedKind, object: &'a Map<String, Value>) -> Option<&'a Map<String, Value>> {
    redact::is_secret(&kind.resource.group, &kind.resource.kind).then_some(object)
}

fn is_terminating(answer: &Value) -> bool {
    answer.pointer("/metadata/deletionTimestamp").is_some_and(Value::is_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_lose_their_wrapping() {
        let mut headers = HeaderMap::new();
        headers.append(WARNING, r#"299 - "unknown field \"spec.x\"""#.parse().unwrap());
        headers.append(WARNING, r#"299 - "v1 Foo is deprecated""#.parse().unwrap());
        assert_eq!(
            warnings(&headers).collect::<Vec<_>>(),
            ["unknown field \"spec.x\"", "v1 Foo is deprecated"]
        );
    }

    #[test]
    fn refusals_are_read_whoever_wrote_them() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        let plain = refusal(StatusCode::TOO_MANY_REQUESTS, &headers, b"slow down\n");
        assert_eq!((plain.code, plain.message.as_str()), (429, "slow down"));
        assert_eq!(plain.retry_after, Some(Duration::from_secs(7)));
        let empty = refusal(StatusCode::BAD_GATEWAY, &HeaderMap::new(), b"");
        assert_eq!(empty.message, "502 Bad Gateway");
        let own = refusal(
            StatusCode::UNPROCESSABLE_ENTITY,
            &HeaderMap::new(),
            br#"{"kind":"Status","reason":"Invalid","message":"m","code":422,
                "details":{"causes":[{"reason":"FieldValueInvalid","message":"bad","field":"spec.x"}]}}"#,
        );
        assert_eq!((own.reason.as_str(), own.causes.len()), ("Invalid", 1));
    }

    #[test]
    fn what_only_the_server_may_say_is_not_sent() {
        let object =
            json!({"metadata": {"name": "a", "uid": "1", "managedFields": [], "labels": {"x": "y"}}});
        let sent = desired(object.as_object().unwrap());
        assert_eq!(Value::from(sent), json!({"metadata": {"name": "a", "labels": {"x": "y"}}}));
    }
}
