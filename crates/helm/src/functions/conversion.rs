//! Conversions between strings, numbers and lists, as spf13/cast makes them.

use gotemplate::Functions;

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    let _ = functions;
}
