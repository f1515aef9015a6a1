//! Versions and their constraints, by the rules of Masterminds' semver.

use gotemplate::Functions;

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    let _ = functions;
}
