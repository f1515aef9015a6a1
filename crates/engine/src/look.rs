//! Finds out what planning needs beside the live cache: what exists without our mark, and what jq says.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;
use tiphys_jq::{Found, Job, Jq, Step};
use tiphys_manifest::ObjectId;
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::discovery::Lookup;
use crate::error::{Class, Error};
use crate::fields::{FieldPath, Segment};
use crate::plan::Draft;

/// Objects that jq is asked about at once: compiling costs more than evaluating.
const AT_ONCE: usize = 32;

/// Reads the objects of a draft that may exist without our mark and have fields that others may own, so that these are
/// left alone when the objects are adopted; and asks jq about the rules that need it. To be called before the draft is
/// checked.
///
/// One request for each such object; none at all for Applications without `ignoreDifferences`, or once all objects
/// carry our mark.
pub async fn look(cluster: &Cluster, jq: &Jq, draft: &mut Draft, deadline: Instant) -> Result<(), Error> {
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
    ask_jq(jq, draft).await;
    Ok(())
}

/// Asks jq which fields are ignored. An object of which it gives no answer is refused: nobody knows what may be written.
async fn ask_jq(jq: &Jq, draft: &mut Draft) {
    let mut jobs: BTreeMap<Vec<String>, Vec<(ObjectId, [Value; 2])>> = BTreeMap::new();
    for question in draft.jq_questions() {
        let objects = [question.desired, question.live.clone()];
        jobs.entry(question.expressions).or_default().push((question.id.clone(), objects));
    }
    for (expressions, objects) in &jobs {
        for some in objects.chunks(AT_ONCE) {
            if ask_about(jq, draft, expressions, some).await.is_ok() {
                continue;
            }
            // What is wrong with one must not be said of the others.
            for one in some {
                if let Err(error) = ask_about(jq, draft, expressions, std::slice::from_ref(one)).await {
                    let class = if error.is_transient() { Class::Transient } else { Class::Invalid };
                    draft.refuse(&one.0, class, format!("spec.ignoreDifferences: {error}"));
                }
            }
        }
    }
}

async fn ask_about(
    jq: &Jq,
    draft: &mut Draft,
    expressions: &[String],
    some: &[(ObjectId, [Value; 2])],
) -> Result<(), tiphys_jq::Error> {
    let objects = some.iter().flat_map(|(_, objects)| objects).cloned().collect();
    let found = jq.find(&Job { expressions: expressions.to_vec(), objects }).await?;
    for ((id, _), found) in some.iter().zip(found.chunks(2 * expressions.len())) {
        answer(draft, id, expressions, found);
    }
    Ok(())
}

fn answer(draft: &mut Draft, id: &ObjectId, expressions: &[String], found: &[Found]) {
    let (in_desired, in_live) = found.split_at_checked(expressions.len()).unwrap_or_default();
    // What holds of the live object counts: what is desired may lack what the server adds.
    for (expression, found) in expressions.iter().zip(in_live) {
        if let Some(failure) = &found.failure {
            draft.warn(id, format!("spec.ignoreDifferences: jq expression {expression:?}: {failure}"));
        }
    }
    draft.jq_answer(id, fields(in_desired), fields(in_live));
}

fn fields(found: &[Found]) -> Vec<FieldPath> {
    let segment = |step: &Step| match step {
        Step::Field(name) => Segment::Field(name.clone()),
        Step::Index(index) => Segment::Index(*index),
    };
    found.iter().flat_map(|it| &it.paths).map(|path| path.iter().map(segment).collect()).collect()
}
