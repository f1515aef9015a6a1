//! From the outputs of templates to manifests and hooks, in Helm's order.

mod head;
mod hook;
mod split;

use std::sync::Arc;

use tiphys_manifest::order::{HelmKinds, HelmRank};

pub use hook::{DeletePolicy, Event, Hook, OutputLogPolicy};
pub(crate) use split::{split, trim};

use crate::engine::Output;
use crate::error::Error;
use head::Head;

/// Which Helm to follow where Helms differ: in how the text of outputs is cut, in the order of kinds, and in what
/// happens to nulls in the values of charts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum HelmVersion {
    /// Helm 3.
    V3,
    /// Helm 4.0 and 4.1.
    V4_0,
    /// Helm 4.2.0 to 4.2.3.
    V4_2_0,
    /// Helm 4.2.4 and later, such as 4.3.1.
    #[default]
    V4_2_4,
}

/// An object that a template file printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The template file, such as `web/templates/service.yaml`.
    pub path: Arc<str>,
    /// The line in the output of the file, from 1, where the document begins.
    pub line: u32,
    /// `apiVersion` of the object; empty if it has none.
    pub api_version: String,
    /// `kind` of the object; empty if it has none.
    pub kind: String,
    /// `metadata.name` of the object; empty if it has none.
    pub name: String,
    /// The document as Helm prints it.
    pub text: String,
}

/// Cuts the outputs into documents, tells hooks from manifests, and sorts both by kind.
pub(crate) fn assemble(
    mut outputs: Vec<Output>,
    version: HelmVersion,
) -> Result<(Vec<Manifest>, Vec<Hook>), Error> {
    outputs.sort_by(|left, right| left.path.cmp(&right.path));
    let (mut manifests, mut hooks) = (Vec::new(), Vec::new());
    for output in &outputs {
        for document in split(&output.text, version) {
            let line = split::line_at(&output.text, document.offset);
            let (head, text) = Head::read(document.text).map_err(|(inner, message)| Error::Document {
                place: crate::Place { file: output.path.to_string(), line: line + inner.saturating_sub(1) },
                message: format!("YAML parse error on {}: {message}", output.path),
            })?;
            let manifest = Manifest {
                path: Arc::clone(&output.path),
                line,
                api_version: head.api_version,
                kind: head.kind,
                name: head.name,
                text,
            };
            match head.annotations.iter().find(|(key, _)| key == hook::ANNOTATION) {
                None => manifests.push(manifest),
                // A hook for an event that nobody knows is left out.
                Some((_, events)) => {
                    let events = hook::events(events);
                    hooks.extend(events.map(|events| Hook::new(manifest, events, &head.annotations)));
                }
            }
        }
    }
    sort_by_kind(&mut manifests, version, |manifest| &manifest.kind);
    sort_by_kind(&mut hooks, version, |hook| &hook.manifest.kind);
    Ok((manifests, hooks))
}

fn sort_by_kind<T>(items: &mut [T], version: HelmVersion, kind: impl Fn(&T) -> &str) {
    let kinds = if version == HelmVersion::V3 { HelmKinds::V3 } else { HelmKinds::V4 };
    items.sort_by(|left, right| HelmRank::of(kind(left), kinds).cmp(&HelmRank::of(kind(right), kinds)));
}
