//! Paths, and URLs.

use gotemplate::Functions;

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    let _ = functions;
}
