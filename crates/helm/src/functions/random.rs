//! What is different every time: letters, numbers, UUIDs, the order of letters.

use gotemplate::Functions;

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    let _ = functions;
}
