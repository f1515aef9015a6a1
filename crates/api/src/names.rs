//! Names that are part of the API: labels, annotations, field managers.

/// Label on every object that we apply. Its value names one Application of one installation, in at most 63
/// characters, so that an API server can select what belongs to it.
pub const APPLICATION_LABEL: &str = "tiphys.dev/application";

/// Annotation beside [`APPLICATION_LABEL`] that says the owner in words: `<namespace>/<name>`.
pub const OWNER_ANNOTATION: &str = "tiphys.dev/owner";

/// Annotation on an object: `Disabled` keeps it from being pruned.
pub const PRUNE_ANNOTATION: &str = "tiphys.dev/prune";

/// Annotation on an object: `Allowed` lets us delete and create it again when an immutable field changed.
pub const RECREATE_ANNOTATION: &str = "tiphys.dev/recreate";

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
pub const CONFIRM_HINT: &str = "tiphys sync NAME --confirm DIGEST, or a Sync with spec.confirm: DIGEST";
