//! Names that are part of the API: labels, annotations, field managers.

/// Label on every object that we apply. Its value names one Application of one installation, in at most 63
/// characters, so that an API server can select what belongs to it.
pub const APPLICATION_LABEL: &str = "tiphys.dev/application";

/// Annotation beside [`APPLICATION_LABEL`] that says the owner in words: `<namespace>/<name>`.
pub const OWNER_ANNOTATION: &str = "tiphys.dev/owner";

/// Annotation on an object: `Disabled` keeps it from being pruned, `Confirm` asks before it is.
pub const PRUNE_ANNOTATION: &str = "tiphys.dev/prune";

/// Annotation on an object: `Disabled` keeps it when its Application is deleted together with its objects, `Confirm`
/// asks before it is deleted with it.
pub const DELETE_ANNOTATION: &str = "tiphys.dev/delete";

/// Annotation on an Application: digest of a plan that a guard rail refused, to let exactly this plan through.
pub const CONFIRM_ANNOTATION: &str = "tiphys.dev/confirm";

/// Annotation on an object: `Allowed` lets us delete and create it again when an immutable field changed.
pub const RECREATE_ANNOTATION: &str = "tiphys.dev/recreate";

/// Annotation on a manifest: how it is applied. One of `Override` (the default), `Merge`, `IfNotPresent`, `Ignore`,
/// `Replace`, `Force`; see `docs/modes.md`.
pub const MODE_ANNOTATION: &str = "tiphys.dev/mode";

/// Annotation on a manifest that makes it a hook: when it runs, as a list of [`crate::HookPhase`]s with commas.
pub const HOOK_ANNOTATION: &str = "tiphys.dev/hook";

/// Annotation on a hook: when its object is deleted, as a list of `BeforeHookCreation` (the default), `HookSucceeded`
/// and `HookFailed` with commas.
pub const HOOK_DELETE_POLICY_ANNOTATION: &str = "tiphys.dev/hook-delete-policy";

/// Annotation on a manifest: its wave, an integer, 0 when absent. A wave waits for the health of the one before.
pub const SYNC_WAVE_ANNOTATION: &str = "tiphys.dev/sync-wave";

/// Annotation on a manifest: what must be healthy before it is applied, as a list of `group/kind/[namespace/]name` with
/// commas; the core group is left out (`Secret/name`).
pub const DEPENDS_ON_ANNOTATION: &str = "tiphys.dev/depends-on";

/// Annotation on the live object of a hook: the run that it belongs to.
pub const HOOK_RUN_ANNOTATION: &str = "tiphys.dev/hook-run";

/// Finalizer on the Job of a hook that would vanish by itself (`ttlSecondsAfterFinished`), until its Sync has ended: how it
/// ended must be seen.
pub const HOOK_FINALIZER: &str = "tiphys.dev/hook";

/// Finalizer on an Application while its objects may have to be looked after at its deletion.
pub const FINALIZER: &str = "tiphys.dev/finalizer";

/// Field manager of the objects that a Sync applies.
pub const FIELD_MANAGER: &str = "tiphys";

/// Field manager of what we write into our own custom resources.
pub const STATUS_FIELD_MANAGER: &str = "tiphys-controller";

/// Type of the Secrets that hold snapshots and inventories.
pub const SNAPSHOT_TYPE: &str = "tiphys.dev/snapshot";

/// The cluster in which the controller itself runs.
pub const IN_CLUSTER: &str = "in-cluster";

/// How a person confirms a plan that a guard rail refused.
pub const CONFIRM_HINT: &str = "tiphys sync NAME --confirm DIGEST, a Sync with spec.confirm: DIGEST, or the annotation \
                                tiphys.dev/confirm: DIGEST on the Application";
