//! `helm show`: what a chart says of itself, as text.

use serde_json::{Map, Value};
use tiphys_manifest::yaml;

use crate::chart::{Chart, Dependency, File, Maintainer, Metadata};
use crate::tree::is_crd;

/// A part of a chart that can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All the other parts.
    All,
    /// `Chart.yaml`, written anew.
    Chart,
    /// The files in `crds/`, those of subcharts too.
    Crds,
    /// `README.md`, or a file with such a name.
    Readme,
    /// `values.yaml`.
    Values,
}

/// What Helm prints of a chart.
pub fn show(chart: &Chart, part: Part) -> Vec<u8> {
    let mut text = Vec::new();
    let mut line = |line: &[u8]| {
        text.extend_from_slice(line);
        text.push(b'\n');
    };
    let all = part == Part::All;
    if all || part == Part::Chart {
        line(yaml::write(&metadata(chart.metadata())).as_bytes());
    }
    if let Some(values) = chart.values_text().filter(|_| all || part == Part::Values) {
        if all {
            line(b"---");
        }
        line(values);
    }
    if let Some(readme) = readme(chart.files()).filter(|_| all || part == Part::Readme) {
        if all {
            line(b"---");
        }
        line(&readme.data);
    }
    if all || part == Part::Crds {
        let mut crds = Vec::new();
        collect_crds(chart, &mut crds);
        for crd in crds {
            if !crd.data.starts_with(b"---") {
                line(b"---");
            }
            line(&crd.data);
        }
    }
    text
}

fn readme(files: &[File]) -> Option<&File> {
    const NAMES: [&str; 3] = ["readme.md", "readme.txt", "readme"];
    files.iter().find(|file| NAMES.iter().any(|name| file.path.eq_ignore_ascii_case(name)))
}

fn collect_crds<'a>(chart: &'a Chart, crds: &mut Vec<&'a File>) {
    crds.extend(chart.files().iter().filter(|file| is_crd(file)));
    for dependency in chart.dependencies() {
        collect_crds(dependency, crds);
    }
}

/// The keys of `Chart.yaml` that are set.
fn metadata(metadata: &Metadata) -> Value {
    let mut entries = Map::new();
    set_text(&mut entries, "name", &metadata.name);
    set_text(&mut entries, "home", &metadata.home);
    set_list(&mut entries, "sources", &metadata.sources, |source| source.as_str().into());
    set_text(&mut entries, "version", &metadata.version);
    set_text(&mut entries, "description", &metadata.description);
    set_list(&mut entries, "keywords", &metadata.keywords, |keyword| keyword.as_str().into());
    set_list(&mut entries, "maintainers", &metadata.maintainers, maintainer);
    set_text(&mut entries, "icon", &metadata.icon);
    set_text(&mut entries, "apiVersion", &metadata.api_version);
    set_text(&mut entries, "condition", &metadata.condition);
    set_text(&mut entries, "tags", &metadata.tags);
    set_text(&mut entries, "appVersion", &metadata.app_version);
    if metadata.deprecated {
        entries.insert("deprecated".to_owned(), true.into());
    }
    if let Some(annotations) = metadata.annotations.as_ref().filter(|it| !it.is_empty()) {
        let annotations: Map<String, Value> =
            annotations.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
        entries.insert("annotations".to_owned(), annotations.into());
    }
    set_text(&mut entries, "kubeVersion", &metadata.kube_version);
    set_list(&mut entries, "dependencies", metadata.dependencies.as_deref().unwrap_or_default(), dependency);
    set_text(&mut entries, "type", &metadata.kind);
    entries.into()
}

fn maintainer(maintainer: &Maintainer) -> Value {
    let mut entries = Map::new();
    set_text(&mut entries, "name", &maintainer.name);
    set_text(&mut entries, "email", &maintainer.email);
    set_text(&mut entries, "url", &maintainer.url);
    entries.into()
}

fn dependency(dependency: &Dependency) -> Value {
    let mut entries = Map::new();
    entries.insert("name".to_owned(), dependency.name.as_str().into());
    set_text(&mut entries, "version", &dependency.version);
    entries.insert("repository".to_owned(), dependency.repository.as_str().into());
    set_text(&mut entries, "condition", &dependency.condition);
    set_list(&mut entries, "tags", &dependency.tags, |tag| tag.as_str().into());
    if dependency.enabled {
        entries.insert("enabled".to_owned(), true.into());
    }
    set_list(&mut entries, "import-values", &dependency.import_values, Value::clone);
    set_text(&mut entries, "alias", &dependency.alias);
    entries.into()
}

fn set_text(entries: &mut Map<String, Value>, key: &str, text: &str) {
    if !text.is_empty() {
        entries.insert(key.to_owned(), text.into());
    }
}

fn set_list<T>(entries: &mut Map<String, Value>, key: &str, items: &[T], value: impl Fn(&T) -> Value) {
    if !items.is_empty() {
        entries.insert(key.to_owned(), items.iter().map(value).collect());
    }
}
