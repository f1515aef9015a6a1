//! Where a chart is.

use std::path::PathBuf;

use super::Message;

/// The directory or archive that a name means. Only what is there already is found: nothing is fetched.
pub fn locate(name: &str) -> Result<PathBuf, Message> {
    let path = PathBuf::from(name.trim());
    if path.exists() {
        return Ok(path);
    }
    if path.is_absolute() || name.starts_with('.') {
        return Err(format!("path {} not found", gotemplate::quote(name)));
    }
    Err(format!(
        "there is no directory and no archive {}; charts are not fetched here: `helm pull` brings one",
        gotemplate::quote(name)
    ))
}
