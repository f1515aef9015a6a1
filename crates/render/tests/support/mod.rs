//! What all tests of this crate share.

#![allow(dead_code, reason = "every test program uses a part of it")]

use std::error::Error as _;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use tiphys_manifest::yaml;
use tiphys_render::{Capabilities, Error, Options, Release, Renderer, RendererConfig, Rendering, Request};
use tiphys_tree::{MemoryTree, Tree, TreePath};

/// A configuration whose workers are those of the tests.
pub fn config() -> RendererConfig {
    RendererConfig::new(PathBuf::from(env!("CARGO_BIN_EXE_tiphys-render-test-worker")))
}

pub fn renderer() -> Renderer {
    Renderer::new(config())
}

pub fn tree(files: &[(&str, &str)]) -> Arc<dyn Tree> {
    Arc::new(MemoryTree::from_files(files.iter().copied()).unwrap())
}

/// A request for the directory `chart` of `tree`.
pub fn request(tree: Arc<dyn Tree>) -> Request {
    Request {
        tree,
        path: TreePath::parse("chart").unwrap(),
        options: Options::Detect,
        release: Release { name: "demo".to_owned(), namespace: "demo-ns".to_owned() },
        capabilities: Capabilities::default(),
        chance: tiphys_render::Chance::Withheld,
        lookup: None,
    }
}

/// A minimal Tera chart in `chart` with one template.
pub fn chart(template: &str) -> Arc<dyn Tree> {
    tree(&[
        ("chart/Chart.yaml", "name: demo\nversion: 1.0.0\n"),
        ("chart/values.yaml", "replicas: 2\n"),
        ("chart/templates/main.yaml.tera", template),
    ])
}

/// The manifests as one YAML stream, each after its origin.
pub fn text(rendering: &Rendering) -> String {
    let mut text = String::new();
    for warning in &rendering.warnings {
        writeln!(text, "# warning: {warning}").unwrap();
    }
    for manifest in &rendering.manifests {
        let object = serde_json::Value::Object(manifest.object().clone());
        let yaml = yaml::write(&object);
        write!(text, "---\n# {}\n{yaml}", manifest.origin()).unwrap();
    }
    text
}

/// The error with all its causes, as the CLI prints it.
pub fn report(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, "\n  caused by: {error}").unwrap();
        cause = error.source();
    }
    text.push('\n');
    text
}
