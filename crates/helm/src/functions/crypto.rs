//! Keys, certificates, passwords and ciphers.

mod asn1;
mod certificates;
mod ciphers;
mod keys;
mod passwords;
mod pem;

use gotemplate::Functions;

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    keys::add(functions);
    certificates::add(functions);
    passwords::add(functions);
    ciphers::add(functions);
}
