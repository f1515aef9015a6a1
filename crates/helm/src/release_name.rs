//! The names of releases.

use std::sync::Arc;

use gotemplate::{Context, Limits, Map, Set, Value};

use crate::error::Error;
use crate::failure;
use crate::functions::functions;

/// The longest name: Kubernetes allows 63 characters, and charts add to it.
const MAX_LENGTH: usize = 53;

/// Refuses what is not a name of a release (Helm 4: `ValidateReleaseName`).
pub fn check(name: &str) -> Result<(), Error> {
    let is_edge =
        |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_label = |label: &str| {
        is_edge(label.bytes().next())
            && is_edge(label.bytes().last())
            && label.bytes().all(|byte| byte == b'-' || is_edge(Some(byte)))
    };
    if name.is_empty() {
        return Err(refused("no name provided"));
    }
    if name.len() <= MAX_LENGTH && name.split('.').all(is_label) {
        return Ok(());
    }
    let name = gotemplate::quote(name);
    Err(refused(&format!(
        "release name {name}: invalid release name, must match regex \
         ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than \
         {MAX_LENGTH}"
    )))
}

fn refused(why: &str) -> Error {
    Error::Chart { message: format!("release name check failed: {why}") }
}

/// The name that a template gives: `helm template --name-template`. The error is Helm's text.
pub fn from_template(text: &str) -> Result<String, String> {
    const NAME: &str = "name-template";
    let mut set = Set::with_functions(NAME, Arc::new(functions()));
    let unit = set.compile(NAME, text.as_bytes()).map_err(|error| error.to_string())?;
    set.add(&Arc::new(unit)).map_err(|error| error.to_string())?;
    let mut ctx = Context::new(&Arc::new(set), Limits::default());
    let name = ctx.execute(NAME, Value::Map(Map::new()));
    let name = name.map_err(|error| failure::unmarked(&error.to_string()))?;
    Ok(String::from_utf8_lossy(&name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_dns() {
        for name in ["web", "a.b-c.0", &"x".repeat(53)] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in ["", "Web", "a_b", "-a", "a-", "a..b", ".a", "ä", &"x".repeat(54)] {
            assert!(check(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_template_gives_a_name() {
        assert_eq!(from_template("x-{{ \"A\" | lower }}").as_deref(), Ok("x-a"));
        assert_eq!(
            from_template("{{ fail \"no\" }}").unwrap_err(),
            "template: name-template:1:3: executing \"name-template\" at <fail \"no\">: error calling fail: no"
        );
        assert_eq!(
            from_template("{{ nothing }}").unwrap_err(),
            "template: name-template:1: function \"nothing\" not defined"
        );
    }
}
