//! Names of hosts. Nothing is ever asked of the network.

use gotemplate::{Function, Functions, Signature, Type, Value};

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    // Helm 4: without `--enable-dns` the function gives an empty text.
    functions.add(Function::new("getHostByName", Signature::fixed(&[Type::String], Type::String), |_, _| {
        Ok(Value::from(""))
    }));
}
