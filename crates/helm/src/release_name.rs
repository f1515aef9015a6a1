//! A name for a release from a template.

use std::sync::Arc;

use gotemplate::{Context, Limits, Map, Set, Value};

use crate::failure;
use crate::functions::functions;

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
