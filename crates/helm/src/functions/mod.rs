//! The functions that Helm gives its templates: Sprig v3.3 without `env` and `expandenv`, and Helm's own.

mod characters;
mod conversion;
mod crypto;
mod dates;
mod defaults;
mod dicts;
pub(crate) mod encoding;
mod engine;
mod json;
mod lists;
mod maths;
mod network;
mod number;
mod paths;
mod random;
mod reflection;
mod regex;
pub(crate) mod semver;
mod strings;
mod support;
mod toml;
mod yaml;

pub(crate) use engine::{SET_NAME, remove_no_value};
use gotemplate::Functions;

/// All functions, to be shared by every chart.
pub fn functions() -> Functions {
    let mut functions = Functions::new();
    conversion::add(&mut functions);
    crypto::add(&mut functions);
    dates::add(&mut functions);
    defaults::add(&mut functions);
    dicts::add(&mut functions);
    encoding::add(&mut functions);
    engine::add(&mut functions);
    json::add(&mut functions);
    lists::add(&mut functions);
    maths::add(&mut functions);
    network::add(&mut functions);
    paths::add(&mut functions);
    random::add(&mut functions);
    reflection::add(&mut functions);
    regex::add(&mut functions);
    semver::add(&mut functions);
    strings::add(&mut functions);
    toml::add(&mut functions);
    yaml::add(&mut functions);
    functions
}
