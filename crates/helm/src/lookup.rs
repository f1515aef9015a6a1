//! Live objects for the function `lookup`.

use serde_json::Value;

/// Gives the function `lookup` live objects. Without one it finds nothing, as in `helm template`.
pub trait Lookup: Send + Sync {
    /// The object of that name, or the list of all objects if `name` is empty; in all namespaces if `namespace` is
    /// empty, too. `None` if there is no such object.
    ///
    /// An error ends the rendering, with this text.
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, String>;
}
