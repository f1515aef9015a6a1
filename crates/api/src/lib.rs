//! The custom resources of Tiphys, group `tiphys.dev`, version `v1alpha1`, and nothing else.
//!
//! This room holds data: what a person writes (`spec`), what we answer (`status`), and the rules that the API
//! server enforces at admission (schema and CEL). It knows no client and does no I/O.
//! `crds/*.yaml` is generated from these types (`cargo run -p tiphys-controller -- crds`), and a test fails when
//! the files are stale.

mod application;
mod condition;
mod dependency;
mod drift;
mod duration;
mod guards;
mod names;
mod notification;
mod project;
mod repository;
mod source;
mod sync;
mod window;

pub use application::{
    Application, ApplicationSpec, ApplicationStatus, Backoff, Deletion, DeletionStatus, DeletionStep,
    Destination, Health, History, Hold, HoldPolicy, IgnoreDifference, LastSync, OnFailure, ResourceStatus,
    Retry, RetryState, Summary, Suspension, SyncPolicy, SyncState,
};
pub use condition::{Condition, ConditionStatus, READY, RECONCILING, STALLED, set_conditions};
pub use dependency::Dependency;
pub use drift::{DriftOutcome, DriftRecord};
pub use duration::{Duration, InvalidDuration};
pub use guards::GuardLimits;
pub use names::{
    APPLICATION_LABEL, CONFIRM_ANNOTATION, CONFIRM_HINT, DELETE_ANNOTATION, DEPENDS_ON_ANNOTATION,
    FIELD_MANAGER, FINALIZER, HOOK_ANNOTATION, HOOK_DELETE_POLICY_ANNOTATION, HOOK_FINALIZER,
    HOOK_RUN_ANNOTATION, IN_CLUSTER, MODE_ANNOTATION, OWNER_ANNOTATION, PRUNE_ANNOTATION,
    RECREATE_ANNOTATION, SNAPSHOT_TYPE, STATUS_FIELD_MANAGER, SYNC_WAVE_ANNOTATION,
};
pub use notification::{
    ApplicationSelector, CommitStatusDestination, EmailDestination, Encryption, Notification,
    NotificationSpec, NotificationStatus, SlackDestination, StatusProvider, Transition, WebhookDestination,
    WebhookMethod,
};
pub use project::{AllowedDestination, AllowedKind, Project, ProjectSpec};
pub use repository::{
    Limits, ProposalsSpec, Repository, RepositorySpec, RepositoryStatus, SecretReference, WebhookSpec,
};
pub use source::{DirectorySource, HelmSource, Source, TeraSource};
pub use sync::{
    Action, HookPhase, InitiatedBy, ObjectReference, ObjectResult, Outcome, Phase, PlanSummary,
    ProposalPhase, ProposalStatus, StageStatus, Sync, SyncSpec, SyncStatus, Trigger,
};
pub use window::{ProjectWindow, SyncWindow, Wait, WaitReason, WindowKind};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt as _;

/// Every CRD of this group, in the order in which `crds/` lists them.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut crds =
        vec![Application::crd(), Notification::crd(), Project::crd(), Repository::crd(), Sync::crd()];
    let schemas = crds.iter_mut().flat_map(|it| &mut it.spec.versions).filter_map(|it| it.schema.as_mut());
    for schema in schemas.filter_map(|it| it.open_api_v3_schema.as_mut()) {
        remove_foreign_formats(schema);
    }
    crds
}

/// Removes the formats that schemars writes for Rust's unsigned integers: the API server warns of every one, and
/// `minimum: 0` says the same.
fn remove_foreign_formats(schema: &mut JSONSchemaProps) {
    if schema.format.as_ref().is_some_and(|it| it.starts_with("uint")) {
        schema.format = None;
    }
    schema.properties.iter_mut().flat_map(|it| it.values_mut()).for_each(remove_foreign_formats);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        remove_foreign_formats(items);
    }
}
