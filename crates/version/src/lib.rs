//! Versions and constraints on them as Helm, Flux and their charts read them: the rules of Masterminds/semver 3.5.
//!
//! They are more lenient than Semantic Versioning 2.0, and the language of constraints is not that of Cargo:
//!
//! ```
//! use tiphys_version::{Constraint, Version};
//!
//! let constraint: Constraint = ">=1.30-0 <2 || ~3.1".parse()?;
//! assert!(constraint.matches(&"v1.36.3-gke.100".parse::<Version>()?));
//! assert!(constraint.matches(&"3.1".parse::<Version>()?));
//! assert!(!constraint.matches(&"2.0.0".parse::<Version>()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod constraint;
mod version;

pub use constraint::{Constraint, ConstraintError};
pub use version::{Version, VersionError};
