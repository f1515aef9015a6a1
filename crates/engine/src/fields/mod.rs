//! Who owns which field: the `FieldsV1` sets of server-side apply, and what they say about drift.

mod changes;
mod items;
mod path;
mod projection;
mod set;

pub use changes::{ForeignChange, changed_since};
pub(crate) use items::Items;
pub use path::{FieldPath, Segment};
pub use projection::{ProjectionHash, projection};
pub(crate) use set::Element;
pub use set::{FieldSet, ManagedFields, Manager, Operation, managed_fields, managers_of};
