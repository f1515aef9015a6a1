//! Keeps snapshots, and plans of dry runs, as Secrets beside their Sync.
//!
//! A Secret is named after its Sync, that Sync's uid and its content, and is immutable: writing the same again does
//! nothing, pages of two writes never mix, and one that is cut short leaves nothing that could be taken for whole. Secrets
//! belong to the Sync (owner reference) and go with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::try_join_all;
use kube::core::ApiResource;
use serde_json::{Map, Value, json};
use tiphys_api::{SNAPSHOT_TYPE, STATUS_FIELD_MANAGER};
use tiphys_manifest::ObjectId;
use tokio::time::Instant;

use crate::digest::Digest;
use crate::discovery::{Scope, ServedKind};
use crate::error::{Class, Error};
use crate::requests::{Mode, Requests, TriedCreate};
use crate::snapshot::Page;

/// Label on the Secrets: the Application that they are kept for.
pub const SNAPSHOT_LABEL: &str = "tiphys.dev/snapshot-of";
/// Annotation on the Secrets: of how many pages this is one.
const PAGES_ANNOTATION: &str = "tiphys.dev/pages";
/// Key of the page in a Secret.
const PAGE_KEY: &str = "page";
/// Longest part of the Sync's name in the name of a Secret, which has at most 253 characters.
const LONGEST_NAME: usize = 200;
/// Digits of the Sync's uid in the name of a Secret. An Application that is deleted and made anew has Syncs with the names
/// of the old ones, whose Secrets the garbage collector may not have come to yet.
const UID_DIGITS: usize = 8;

/// The Sync that pages are kept for.
#[derive(Clone, Debug)]
pub struct KeptFor {
    /// Namespace of the Sync, and of the Secrets.
    pub namespace: String,
    /// Name of the Sync.
    pub sync: String,
    /// Uid of the Sync.
    pub uid: String,
    /// Name of its Application.
    pub application: String,
}

/// Writes and reads the Secrets.
#[derive(Clone)]
pub struct SnapshotStore {
    requests: Requests,
    secrets: Arc<ServedKind>,
}

impl SnapshotStore {
    /// Keeps Secrets in the cluster that `requests` go to.
    pub fn new(requests: Requests) -> Self {
        let secrets = ServedKind {
            resource: ApiResource {
                group: String::new(),
                version: "v1".to_owned(),
                api_version: "v1".to_owned(),
                kind: "Secret".to_owned(),
                plural: "secrets".to_owned(),
            },
            scope: Scope::Namespaced,
            verbs: Vec::new(),
        };
        Self { requests, secrets: Arc::new(secrets) }
    }

    /// Writes all pages, the first one last, and gives the name of the first: one request a page.
    pub async fn write(
        &self,
        kept_for: &KeptFor,
        pages: &[Page],
        deadline: Instant,
    ) -> Result<String, Error> {
        let first = first_name(&kept_for.stem(), pages);
        let Some((head, rest)) = pages.split_first() else {
            return Ok(first);
        };
        let write = |number: usize, page: &Page| {
            let secret = secret(kept_for, &page_name(&first, number), page, pages.len());
            async move { self.write_one(&secret, deadline).await }
        };
        try_join_all(rest.iter().enumerate().map(|(index, page)| write(index + 2, page))).await?;
        write(1, head).await?;
        Ok(first)
    }

    /// Reads all pages, given the name of the first; `None` when they are gone.
    pub async fn read(
        &self,
        namespace: &str,
        first: &str,
        deadline: Instant,
    ) -> Result<Option<Vec<Page>>, Error> {
        let Some(head) = self.get(namespace, first, deadline).await? else {
            return Ok(None);
        };
        let more = (2..=count(&head)).map(|number| async move {
            let name = page_name(first, number);
            let page = self.get(namespace, &name, deadline).await?;
            page.as_ref().and_then(content).ok_or(Error::PageMissing { name })
        });
        let head = content(&head).ok_or_else(|| Error::PageMissing { name: first.to_owned() })?;
        let mut pages = vec![head];
        pages.extend(try_join_all(more).await?);
        // Whoever may write Secrets here may write these; only what was recorded is applied again.
        if !is_named_after(first, &pages) {
            return Err(Error::PageMissing { name: first.to_owned() });
        }
        Ok(Some(pages))
    }

    /// Deletes all pages, given the name of the first. What is gone already is fine.
    pub async fn delete(&self, namespace: &str, first: &str, deadline: Instant) -> Result<(), Error> {
        let Some(head) = self.get(namespace, first, deadline).await? else {
            return Ok(());
        };
        // The first page goes last: while it is there, the others are found.
        let rest =
            (2..=count(&head)).map(|number| self.delete_one(namespace, page_name(first, number), deadline));
        try_join_all(rest).await?;
        self.delete_one(namespace, first.to_owned(), deadline).await
    }

    async fn write_one(&self, secret: &Map<String, Value>, deadline: Instant) -> Result<(), Error> {
        let requests = &self.requests;
        let (manager, kind) = (STATUS_FIELD_MANAGER, &self.secrets);
        // Almost always it is new, and to create costs the server a third less than to apply. What has the name already is
        // ours of an attempt before, or somebody's guess, which the apply refuses or puts right.
        match requests.create_as(manager, kind, secret, Mode::Write, deadline).await {
            Ok(TriedCreate::Created(_)) => return Ok(()),
            Ok(TriedCreate::Exists) => {}
            Err(error) if error.class() == Class::Conflict => {}
            Err(error) => return Err(error),
        }
        requests.apply_as(manager, kind, secret, Mode::Write, deadline).await.map(drop)
    }

    async fn get(&self, namespace: &str, name: &str, deadline: Instant) -> Result<Option<Value>, Error> {
        self.requests.get(&self.secrets, &secret_id(namespace, name), deadline).await
    }

    async fn delete_one(&self, namespace: &str, name: String, deadline: Instant) -> Result<(), Error> {
        let id = secret_id(namespace, &name);
        self.requests.delete(&self.secrets, &id, None, deadline).await.map(drop)
    }
}

fn secret_id(namespace: &str, name: &str) -> ObjectId {
    ObjectId {
        group: String::new(),
        kind: "Secret".to_owned(),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    }
}

impl KeptFor {
    /// What the names of all Secrets of the Sync begin with.
    fn stem(&self) -> String {
        let sync: String = self.sync.chars().take(LONGEST_NAME).collect();
        let sync = sync.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let uid: String = self.uid.chars().take(UID_DIGITS).collect();
        format!("{sync}-{uid}")
    }
}

/// Named after the Sync, for people, and after the content.
fn first_name(stem: &str, pages: &[Page]) -> String {
    let contents: Vec<_> = pages.iter().map(|page| page.0.as_slice()).collect();
    format!("{stem}-{}", Digest::of(&contents))
}

/// Whether a name is that of this content.
fn is_named_after(first: &str, pages: &[Page]) -> bool {
    first.rsplit_once('-').is_some_and(|(stem, _)| first_name(stem, pages) == first)
}

fn page_name(first: &str, number: usize) -> String {
    if number == 1 { first.to_owned() } else { format!("{first}-{number}") }
}

fn secret(kept_for: &KeptFor, name: &str, page: &Page, count: usize) -> Map<String, Value> {
    let fields = [
        ("apiVersion", json!("v1")),
        ("kind", json!("Secret")),
        ("type", json!(SNAPSHOT_TYPE)),
        ("immutable", json!(true)),
        ("data", json!(BTreeMap::from([(PAGE_KEY, STANDARD.encode(&page.0))]))),
        (
            "metadata",
            json!({
                "name": name,
                "namespace": kept_for.namespace,
                "labels": {SNAPSHOT_LABEL: kept_for.application},
                "annotations": {PAGES_ANNOTATION: count.to_string()},
                "ownerReferences": [{
                    "apiVersion": "tiphys.dev/v1alpha1",
                    "kind": "Sync",
                    "name": kept_for.sync,
                    "uid": kept_for.uid,
                    "controller": true,
                }],
            }),
        ),
    ];
    fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect()
}

fn count(secret: &Value) -> usize {
    let annotations = secret.pointer("/metadata/annotations");
    let count = annotations.and_then(|annotations| annotations.get(PAGES_ANNOTATION)?.as_str()?.parse().ok());
    count.unwrap_or(1)
}

fn content(secret: &Value) -> Option<Page> {
    let page = secret.pointer("/data")?.get(PAGE_KEY)?.as_str()?;
    STANDARD.decode(page).ok().map(Page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept_for(sync: &str) -> KeptFor {
        KeptFor {
            namespace: "web".to_owned(),
            sync: sync.to_owned(),
            uid: "0a1b2c3d-4e5f-4a1b-8c2d-3e4f5a6b7c8d".to_owned(),
            application: "web".to_owned(),
        }
    }

    #[test]
    fn names_fit_and_follow_the_sync_and_the_content() {
        let page = |text: &str| Page(text.as_bytes().to_vec());
        let stem = kept_for("web-12").stem();
        assert_eq!(stem, "web-12-0a1b2c3d");
        assert_ne!(stem, KeptFor { uid: "ffffffff-4e5f".to_owned(), ..kept_for("web-12") }.stem());
        let one = first_name(&stem, &[page("a")]);
        assert!(one.starts_with("web-12-0a1b2c3d-") && one.len() == stem.len() + 1 + 32, "{one}");
        assert_eq!(one, first_name(&stem, &[page("a")]));
        assert_ne!(one, first_name(&stem, &[page("b")]));
        assert_ne!(one, first_name(&stem, &[page("a"), page("")]));
        assert!(is_named_after(&one, &[page("a")]) && !is_named_after(&one, &[page("b")]));
        let long = page_name(&first_name(&kept_for(&"a.".repeat(126)).stem(), &[page("a")]), 1000);
        assert!(long.len() <= 253 && !long.contains(".-"), "{long}");
    }

    #[test]
    fn a_page_survives() {
        let kept_for = kept_for("web-1");
        let page = Page(vec![0, 1, 255]);
        let secret = Value::Object(secret(&kept_for, "web-1-abc", &page, 3));
        assert_eq!((content(&secret), count(&secret)), (Some(page), 3));
    }
}
