//! Waiting for what the cluster does after a write.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use tiphys_manifest::{GroupVersionKind, ObjectId};
use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;
use crate::cluster::Cluster;
use crate::discovery::{Lookup, ServedKind};
use crate::error::Error;
use crate::live_object::LiveObject;

/// How long a definition may take to be established and served.
const ESTABLISHING: Duration = Duration::from_secs(30);

/// Waits until the object with this uid is gone. Another one of the same name does not count.
pub(super) async fn gone(
    cluster: &Cluster,
    kind: &ServedKind,
    id: &ObjectId,
    uid: Option<&str>,
    deadline: Instant,
) -> Result<(), Error> {
    let is_it = |found: &str| uid.is_none_or(|uid| uid == found);
    let in_sight = cluster.live.get(id).is_some_and(|live| is_it(&live.uid));
    if in_sight && cluster.live.is_listed(&id.group, &id.kind) {
        let gone = |live: Option<&LiveObject>| live.is_none_or(|live| !is_it(&live.uid));
        if cluster.live.wait_for(id, deadline, gone).await {
            return Ok(());
        }
        return Err(still_there(cluster, kind, id).await);
    }
    // An object out of sight may only have lost our mark.
    let mut pauses = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    loop {
        match cluster.requests.get(kind, id, deadline).await? {
            Some(object) if is_it(text(&object, "/metadata/uid")) => {}
            _ => return Ok(()),
        }
        let pause = pauses.next();
        if Instant::now() + pause >= deadline {
            return Err(still_there(cluster, kind, id).await);
        }
        sleep(pause).await;
    }
}

/// Waits until a definition is established, and its kinds, in the versions that are wanted, are served and watched.
pub(super) async fn established(
    cluster: &Cluster,
    id: &ObjectId,
    wanted: &BTreeSet<&GroupVersionKind>,
    deadline: Instant,
) -> Result<(), Error> {
    let deadline = deadline.min(Instant::now() + ESTABLISHING);
    let not_in_time = || Error::NotEstablished { name: id.name.clone() };
    if cluster.live.is_listed(&id.group, &id.kind) {
        let decided = |live: Option<&LiveObject>| live.is_some_and(|live| verdict(live).is_some());
        if !cluster.live.wait_for(id, deadline, decided).await {
            return Err(not_in_time());
        }
        let live = cluster.live.get(id);
        if let Some(Verdict::NamesTaken(message)) = live.as_deref().and_then(verdict) {
            return Err(Error::NamesTaken { name: id.name.clone(), message });
        }
    }
    let mut pauses = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    let served = |gvk: &&GroupVersionKind| matches!(cluster.kinds.lookup(gvk), Lookup::Served(_));
    while !wanted.iter().all(served) {
        cluster.kinds.refresh().await?;
        let pause = pauses.next();
        if Instant::now() + pause >= deadline {
            return Err(not_in_time());
        }
        if !wanted.iter().all(served) {
            sleep(pause).await;
        }
    }
    cluster.live.ensure(wanted.iter().copied(), deadline).await?;
    Ok(())
}

/// What the API server made of a definition.
enum Verdict {
    Established,
    /// Another definition has the same names.
    NamesTaken(String),
}

fn verdict(definition: &LiveObject) -> Option<Verdict> {
    let object = definition.object().ok()?;
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let holds = |kind: &str, status: &str| {
        let same = |it: &&Value| text(it, "/type") == kind && text(it, "/status") == status;
        conditions.iter().find(same)
    };
    if let Some(taken) = holds("NamesAccepted", "False") {
        return Some(Verdict::NamesTaken(text(taken, "/message").to_owned()));
    }
    holds("Established", "True").map(|_| Verdict::Established)
}

/// Says what an object that does not go waits for.
async fn still_there(cluster: &Cluster, kind: &ServedKind, id: &ObjectId) -> Error {
    let soon = Instant::now() + Duration::from_secs(5);
    let object = cluster.requests.get(kind, id, soon).await.ok().flatten().unwrap_or_default();
    let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    let finalizers = finalizers.into_iter().flatten().filter_map(Value::as_str);
    Error::NotGone { id: Box::new(id.clone()), finalizers: finalizers.map(str::to_owned).collect() }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
