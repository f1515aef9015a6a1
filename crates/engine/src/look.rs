//! Reads what the live cache cannot know and planning needs.

use futures::{StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::discovery::Lookup;
use crate::error::Error;
use crate::plan::Draft;

/// Reads the objects of a draft that may exist without our mark and have fields that others may own, so that these are
/// left alone when the objects are adopted. To be called before the draft is checked.
///
/// One request for each such object; none at all for Applications without `ignoreDifferences`, or once all objects
/// carry our mark.
pub async fn look(cluster: &Cluster, draft: &mut Draft, deadline: Instant) -> Result<(), Error> {
    let unseen: Vec<_> = draft.unseen().map(|(id, gvk)| (id.clone(), gvk.clone())).collect();
    let read = futures::stream::iter(unseen).map(|(id, gvk)| async move {
        let live = match cluster.kinds.resolve(&gvk).await? {
            Lookup::Served(kind) => cluster.requests.get(&kind, &id, deadline).await?,
            Lookup::NotServed | Lookup::Unknown => None,
        };
        Ok::<_, Error>((id, live))
    });
    let found: Vec<_> = read.buffer_unordered(cluster.requests.concurrency()).try_collect().await?;
    for (id, live) in found {
        if let Some(live) = live {
            draft.see(&id, &live);
        }
    }
    Ok(())
}
