//! The function `lookup` of Helm charts: live objects, read while a chart is rendered.
//!
//! An Application reads what it could write: the rules of [`scope`] hold, so a chart in a tenant's namespace cannot ask
//! for Secrets of others. With a ServiceAccount it reads what that may read.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tiphys_api::Application;
use tiphys_engine::discovery::{Lookup as Known, Scope, ServedKind};
use tiphys_engine::{Class, Cluster, scope};
use tiphys_manifest::{GroupVersionKind, ObjectId};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::desired::destination;
use super::{Error, acting, key_of, namespace_of};
use crate::context::Context;

/// How long the API server may take for one answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Stands for all namespaces where the rights of an Application are asked for.
const EVERY_NAMESPACE: &str = "*";

/// Reads live objects for the chart of one Application.
pub struct LiveLookup {
    /// As the Application sees it, or why it sees nothing.
    cluster: Result<Cluster, Error>,
    runtime: Handle,
    rights: Rights,
    transient: Mutex<Option<String>>,
}

/// What the Application may read, as it was when the rendering began.
struct Rights {
    application_namespace: String,
    installation_namespace: String,
    project_name: String,
    project: Option<Arc<tiphys_api::Project>>,
    source: String,
    cluster: String,
    namespace: String,
    account: Option<String>,
}

impl LiveLookup {
    /// For an Application; must be made on a thread of the runtime.
    pub async fn new(ctx: &Context, application: &Application) -> Self {
        let (own, _) = key_of(application);
        let spec = &application.spec;
        let rights = Rights {
            source: ctx.address_of(&namespace_of(application), &spec.source.repo),
            application_namespace: own,
            installation_namespace: ctx.settings.namespace.clone(),
            project_name: spec.project.clone(),
            project: ctx.project(&spec.project),
            cluster: spec.destination.cluster.clone(),
            namespace: destination(application),
            account: acting::account(ctx, application),
        };
        let cluster = acting::cluster(ctx, application).await;
        Self { cluster, runtime: Handle::current(), rights, transient: Mutex::default() }
    }

    /// Why a look-up could not be answered just now, if that is why the rendering failed.
    pub fn transient(&self) -> Option<String> {
        self.transient.lock().clone()
    }

    fn cluster(&self) -> Result<&Cluster, String> {
        self.cluster.as_ref().map_err(|error| {
            let message = format!("lookup: {}", crate::error::chain(error));
            if error.is_transient() {
                *self.transient.lock() = Some(message.clone());
            }
            message
        })
    }

    fn kind(&self, gvk: &GroupVersionKind) -> Result<Arc<ServedKind>, String> {
        let known = self.runtime.block_on(self.cluster()?.kinds.resolve(gvk));
        match known.map_err(|error| self.failed(&error))? {
            Known::Served(kind) => Ok(kind),
            Known::NotServed => Err(format!("lookup: the cluster does not know {gvk}")),
            Known::Unknown => {
                let message = format!("lookup: the server behind {gvk} does not answer");
                *self.transient.lock() = Some(message.clone());
                Err(message)
            }
        }
    }

    /// Notes an error that may be gone at the next attempt.
    fn failed(&self, error: &tiphys_engine::Error) -> String {
        let message = format!("lookup: {}", crate::error::chain(error));
        if error.class() == Class::Transient {
            *self.transient.lock() = Some(message.clone());
        }
        message
    }

    fn check(&self, id: &ObjectId) -> Result<(), String> {
        let rights = &self.rights;
        let violations = scope::check(&scope::ScopeInput {
            application_namespace: &rights.application_namespace,
            installation_namespace: &rights.installation_namespace,
            project_name: &rights.project_name,
            project: rights.project.as_ref().map(|it| &it.spec),
            source: &rights.source,
            cluster: &rights.cluster,
            namespace: &rights.namespace,
            account: rights.account.as_deref(),
            objects: std::slice::from_ref(id),
        });
        // An Application that may not deploy at all may not look around either.
        match violations.first() {
            Some(violation) => Err(format!(
                "lookup of {id} is not allowed, because a chart may read only what it may write: {violation}"
            )),
            None => Ok(()),
        }
    }
}

impl tiphys_render::Lookup for LiveLookup {
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, String> {
        let gvk = GroupVersionKind::parse(api_version, kind).map_err(|error| format!("lookup: {error}"))?;
        let served = self.kind(&gvk)?;
        let namespaced = served.scope == Scope::Namespaced;
        let namespace = (namespaced && !namespace.is_empty()).then(|| namespace.to_owned());
        let asked = if namespaced {
            Some(namespace.clone().unwrap_or_else(|| EVERY_NAMESPACE.to_owned()))
        } else {
            None
        };
        let id = |namespace| ObjectId {
            group: gvk.group.clone(),
            kind: gvk.kind.clone(),
            namespace,
            name: name.to_owned(),
        };
        self.check(&id(asked))?;
        let deadline = Instant::now() + TIMEOUT;
        let requests = &self.cluster()?.requests;
        let found = if name.is_empty() {
            self.runtime.block_on(requests.list(&served, namespace.as_deref(), deadline)).map(Some)
        } else {
            self.runtime.block_on(requests.get(&served, &id(namespace), deadline))
        };
        found.map_err(|error| self.failed(&error))
    }
}
