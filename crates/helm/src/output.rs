//! What `helm template` prints of a rendering.

use std::fmt::Write as _;

use crate::assembly::{self, Hook, Manifest};
use crate::error::Error;
use crate::glob::PathPattern;
use crate::render::Rendering;

/// Which parts of a rendering to print.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputOptions {
    /// `--include-crds`: also the files in `crds/`, before anything else.
    pub include_crds: bool,
    /// `--no-hooks`: no hooks.
    pub no_hooks: bool,
    /// `--skip-tests`: no hooks that are tests.
    pub skip_tests: bool,
    /// `--show-only`: only what comes from these files, named by patterns without the name of the chart.
    pub show_only: Vec<String>,
}

impl OutputOptions {
    fn hooks<'a>(&self, rendering: &'a Rendering) -> impl Iterator<Item = &'a Hook> + use<'a> {
        let (no_hooks, skip_tests) = (self.no_hooks, self.skip_tests);
        rendering.hooks.iter().filter(move |hook| !(no_hooks || skip_tests && hook.is_test()))
    }
}

/// A document below the line that names its source.
fn document(path: &str, text: &str) -> Vec<u8> {
    let mut document = Vec::new();
    add_document(path, text.as_bytes(), &mut document);
    document
}

fn add_document(path: &str, text: &[u8], output: &mut Vec<u8>) {
    let parts = [b"---\n# Source: ", path.as_bytes(), b"\n", text, b"\n"];
    output.reserve(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        output.extend_from_slice(part);
    }
}

/// What `helm template` prints.
pub fn print(rendering: &Rendering, options: &OutputOptions) -> Result<Vec<u8>, Error> {
    let mut manifests = Vec::new();
    if options.include_crds {
        for crd in &rendering.crds {
            add_document(&crd.path, &crd.data, &mut manifests);
        }
    }
    for Manifest { path, text, .. } in &rendering.manifests {
        add_document(path, text.as_bytes(), &mut manifests);
    }
    let mut output = assembly::trim(&manifests).to_vec();
    output.push(b'\n');
    for Hook { manifest: Manifest { path, text, .. }, .. } in options.hooks(rendering) {
        add_document(path, text.as_bytes(), &mut output);
    }
    if options.show_only.is_empty() {
        return Ok(output);
    }
    show_only(&output, &options.show_only)
}

/// The documents of a whole output that come from the files of the patterns, in the order of the patterns.
fn show_only(output: &[u8], patterns: &[String]) -> Result<Vec<u8>, Error> {
    let documents = assembly::split(output, assembly::HelmVersion::default());
    let sources: Vec<Option<&str>> = documents.iter().map(|document| source(document.text)).collect();
    let mut shown = Vec::new();
    for pattern in patterns {
        let matcher = PathPattern::new(pattern);
        let mut found = false;
        for (document, source) in documents.iter().zip(&sources) {
            if let (Some(matcher), Some(source)) = (&matcher, source)
                && matcher.is_match(source)
            {
                found = true;
                shown.extend_from_slice(b"---\n");
                shown.extend_from_slice(document.text);
                shown.push(b'\n');
            }
        }
        if !found {
            return Err(Error::Show { pattern: pattern.clone() });
        }
    }
    Ok(shown)
}

/// The file that a document says it is from, without the name of the chart.
fn source(document: &[u8]) -> Option<&str> {
    document.split(|byte| *byte == b'\n').find_map(|line| {
        let text = std::str::from_utf8(line).ok()?;
        let (_, rest) = text.split_once("# Source: ")?;
        let (chart, path) = rest.split_once('/')?;
        (!chart.is_empty() && !path.is_empty()).then_some(path)
    })
}

/// A piece of what `--output-dir` writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The file below the directory.
    pub path: String,
    /// The piece.
    pub data: Vec<u8>,
    /// Whether the piece goes to the end of what is there, or takes its place.
    pub append: Append,
}

/// Where a piece of a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    /// It takes the place of what is there.
    Never,
    /// To the end of a file that was written before.
    Always,
    /// To the end of the file if there is one, even from an earlier time.
    IfThere,
}

/// What `--output-dir` writes, in order. Standard output gets a line `wrote DIR/PATH` for each, and a line feed at the
/// end.
pub fn files(rendering: &Rendering, options: &OutputOptions) -> Vec<Write> {
    let mut writes: Vec<Write> = Vec::new();
    let mut add = |path: &str, data: Vec<u8>| {
        let known = writes.iter().any(|write| write.path == path);
        let append = if known { Append::Always } else { Append::Never };
        writes.push(Write { path: path.to_owned(), data, append });
    };
    if options.include_crds {
        for crd in &rendering.crds {
            let mut data = format!("---\n# Source: {}\n", crd.path).into_bytes();
            data.extend_from_slice(&crd.data);
            data.push(b'\n');
            add(&crd.path, data);
        }
    }
    for Manifest { path, text, .. } in &rendering.manifests {
        add(path, document(path, text));
    }
    writes.extend(options.hooks(rendering).map(|hook| Write {
        path: hook.manifest.path.to_string(),
        data: document(&hook.manifest.path, &hook.manifest.text),
        append: Append::IfThere,
    }));
    writes
}

/// What stands on standard error for an error: `Error: ` and the message, with the hint that Helm gives when a
/// template is the cause.
pub fn error_text(error: &Error) -> String {
    let mut text = format!("Error: {error}");
    if error.is_of_templates() {
        // Writing to a string does not fail.
        let _ = write!(text, "\n\nUse --debug flag to render out invalid YAML");
    }
    text
}
