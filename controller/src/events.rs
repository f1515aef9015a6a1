//! Kubernetes Events: what somebody should look at, and what somebody will want to know later.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::Resource as _;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tiphys_api::Application;

use crate::application::report::shorten;
use crate::records::in_time;

/// Longest note that the API server takes, in bytes.
const MAX_NOTE: usize = 1024;

/// Publishes Events about Applications.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
}

impl Events {
    /// Publishes as `instance` of the controller.
    pub fn new(client: Client, instance: &str) -> Self {
        let reporter =
            Reporter { controller: "tiphys-controller".to_owned(), instance: Some(instance.to_owned()) };
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// Something that somebody should look at.
    pub async fn warn(&self, application: &Application, reason: &str, action: &str, note: &str) {
        self.publish(&application.object_ref(&()), EventType::Warning, reason, action, note).await;
    }

    /// Something that somebody will want to know later.
    pub async fn note(&self, application: &Application, reason: &str, action: &str, note: &str) {
        self.publish(&application.object_ref(&()), EventType::Normal, reason, action, note).await;
    }

    /// [`Self::note`] that nobody waits for, after `delay`: what is told of goes on meanwhile. A process that ends before
    /// that does not tell it: the record of the Sync does.
    pub fn note_soon(
        &self,
        application: &Application,
        reason: &'static str,
        action: &'static str,
        note: String,
        delay: Duration,
    ) {
        let (events, object) = (self.clone(), application.object_ref(&()));
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            events.publish(&object, EventType::Normal, reason, action, &note).await;
        });
    }

    /// Something about another object that somebody should look at.
    pub async fn warn_of(&self, object: &ObjectReference, reason: &str, action: &str, note: &str) {
        self.publish(object, EventType::Warning, reason, action, note).await;
    }

    /// An Event that cannot be published is logged: it must not fail what it tells of.
    async fn publish(
        &self,
        object: &ObjectReference,
        type_: EventType,
        reason: &str,
        action: &str,
        note: &str,
    ) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(shorten(note, MAX_NOTE)),
            action: action.to_owned(),
            secondary: None,
        };
        if let Err(error) = in_time(self.recorder.publish(&event, object)).await {
            tracing::warn!(%error, reason, "an event could not be published");
        }
    }
}
