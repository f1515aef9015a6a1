//! Objects for tests, read from files.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tiphys_api::{Application, Sync};

/// The time at which all samples are looked at.
pub fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// The Application of `samples/application-<name>.yaml`.
pub fn application(name: &str) -> Application {
    read(&format!("application-{name}"))
}

/// The Sync of `samples/sync-<name>.yaml`.
pub fn sync(name: &str) -> Sync {
    read(&format!("sync-{name}"))
}

fn read<K: DeserializeOwned>(file: &str) -> K {
    let file = format!("{}/src/output/samples/{file}.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let value = tiphys_manifest::yaml::read(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{file}: {error}"))
}
