//! Follows a Sync and its Application by watching them.

use std::pin::pin;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};
use serde::de::DeserializeOwned;
use tiphys_api::{Application, Sync};
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::failure::Failure;
use crate::output::progress::Progress;

/// Time between two pictures when nothing happens: the clock in them goes on.
const FRAME: Duration = Duration::from_millis(100);

/// How long a rollback that has ended is followed to see what becomes of its proposal to Git.
const PROPOSING: Duration = Duration::from_secs(20);

/// How following a Sync ended.
#[derive(Debug)]
pub enum Followed {
    /// The Sync ended.
    Finished(Box<Sync>),
    /// The time for waiting is over; this is the last that was seen.
    TimedOut(Box<Sync>),
    /// Ctrl-C.
    Interrupted,
}

/// Something that shows how a Sync goes on.
pub trait Viewer {
    /// Called whenever something has changed, and often enough in between that a clock can be shown.
    fn show(&mut self, progress: &Progress, now: Timestamp);
    /// Called when the connection is lost and sought again.
    fn note(&mut self, note: &str);
}

/// What one watch tells about one object.
#[derive(Debug)]
pub enum Seen<K> {
    /// The object as it is now.
    Now(Box<K>),
    /// There is no such object, or no longer.
    Gone,
}

enum Event {
    Sync(Result<Seen<Sync>, watcher::Error>),
    Application(Result<Seen<Application>, watcher::Error>),
    Tick,
    Deadline,
    CtrlC,
}

/// Follows `sync` until it ends, `timeout` is over, or somebody presses Ctrl-C.
pub async fn follow(
    cluster: &Cluster,
    sync: &Sync,
    timeout: Option<Duration>,
    viewer: &mut dyn Viewer,
) -> Result<Followed, Error> {
    let name = sync.name_any();
    let mut progress = Progress::new(sync.clone(), Timestamp::now());
    let mut syncs = watch(cluster.syncs(), &name);
    let mut applications = watch(cluster.applications(), &sync.spec.application);
    let deadline = timeout.map(|it| Instant::now() + it);
    let mut proposing_until = None;
    let mut ticks = tokio::time::interval(FRAME);
    // One listener for the whole time: a signal between two of them would be lost.
    let mut ctrl_c = pin!(tokio::signal::ctrl_c());
    loop {
        let event = tokio::select! {
            biased;
            _ = &mut ctrl_c => Event::CtrlC,
            Some(seen) = applications.next() => Event::Application(seen),
            Some(seen) = syncs.next() => Event::Sync(seen),
            () = at(deadline) => Event::Deadline,
            _ = ticks.tick() => Event::Tick,
        };
        match event {
            Event::CtrlC => return Ok(Followed::Interrupted),
            Event::Deadline => return Ok(Followed::TimedOut(Box::new(progress.into_sync()))),
            Event::Sync(Ok(Seen::Gone)) => return Err(Error::SyncDeleted { sync: name }),
            Event::Sync(Ok(Seen::Now(sync))) => progress.sync_changed(*sync),
            Event::Sync(Err(error)) => viewer.note(&lost(error, &name)?),
            Event::Application(Ok(Seen::Now(application))) => progress.application_changed(&application),
            Event::Tick | Event::Application(Ok(Seen::Gone)) => {}
            // Without the right to read the Application the Sync can still be followed; only health is not shown.
            Event::Application(Err(error)) => {
                if !Failure::from(error).is_transient() {
                    applications = futures::stream::pending().boxed();
                }
            }
        }
        viewer.show(&progress, Timestamp::now());
        let mut proposes = || {
            let until = *proposing_until.get_or_insert_with(|| Instant::now() + PROPOSING);
            progress.is_proposing() && Instant::now() < until
        };
        if progress.is_finished() && !proposes() {
            return Ok(Followed::Finished(Box::new(progress.into_sync())));
        }
    }
}

/// Watches one object of a namespace. Errors are followed by further tries, with backoff.
pub fn watch<K>(api: Api<K>, name: &str) -> BoxStream<'static, Result<Seen<K>, watcher::Error>>
where
    K: kube::Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut found = false;
    watcher(api, config)
        .default_backoff()
        .try_filter_map(move |event| {
            let seen = match event {
                watcher::Event::Init => {
                    found = false;
                    None
                }
                watcher::Event::InitApply(object) | watcher::Event::Apply(object) => {
                    found = true;
                    Some(Seen::Now(Box::new(object)))
                }
                watcher::Event::InitDone => (!found).then_some(Seen::Gone),
                watcher::Event::Delete(_) => Some(Seen::Gone),
            };
            futures::future::ok(seen)
        })
        .boxed()
}

/// Completes at a moment, or never.
pub async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => futures::future::pending().await,
    }
}

/// What to say about a watch that broke, or the error when trying again is of no use.
pub fn lost(error: watcher::Error, what: &str) -> Result<String, Error> {
    let failure = Failure::from(error);
    if failure.is_transient() {
        Ok(format!("the connection to the API server is lost, trying again ({failure})"))
    } else {
        Err(Error::Watch { what: what.to_owned(), source: failure })
    }
}
