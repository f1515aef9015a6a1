//! Charts and directories that want to do harm end in a clear error, in bounded time, while others go on.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests may")]

mod support;

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use support::{chart, config, renderer, report, request, tree};
use tiphys_render::{Class, Renderer, RendererConfig};
use tiphys_tree::{Digest, DirEntry, Entry, MemoryTree, Tree, TreePath};

/// Limits that are reached soon.
fn tight() -> RendererConfig {
    let mut config = config();
    config.chart.cpu = Duration::from_secs(1);
    config.chart.wall = Duration::from_secs(8);
    config.chart.memory_bytes = 64 << 20;
    config.chart.output_bytes = 1 << 20;
    config
}

async fn error_of(renderer: &Renderer, tree: Arc<dyn Tree>) -> String {
    let error = renderer.render(request(tree)).await.unwrap_err();
    assert_eq!(error.class(), Class::Invalid, "{error}");
    report(&error)
}

const GOOD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}\n";

#[tokio::test]
async fn templates_without_end_are_stopped_and_named() {
    let renderer = Renderer::new(tight());
    let nested = "{% for a in range(end=100000) %}{% for b in range(end=100000) %}{% endfor %}{% endfor %}";
    let doubling =
        "{% set s = 'xxxxxxxx' %}{% for i in range(end=60) %}{% set_global s = s ~ s %}{% endfor %}{{ s }}";
    let printing =
        "{% for a in range(end=100000) %}{% for b in range(end=100000) %}0123456789{% endfor %}{% endfor %}";
    let deep = "{% set v = [] %}{% for i in range(end=100000) %}{% set_global v = [v] %}{% endfor %}{{ v }}";
    let recursive = "{% component a() %}{{ <a/> }}{% endcomponent a %}{{ <a/> }}";
    let exponential =
        "{% set v = [1] %}{% for i in range(end=60) %}{% set_global v = [...v, ...v] %}{% endfor %}{{ v }}";
    let cases = [
        (nested, "CPU time"),
        (doubling, "limit of memory"),
        (exponential, "limit of memory"),
        (printing, "limit of output"),
        (deep, "limit of the stack"),
        (recursive, "recursion depth"),
    ];
    for (template, expected) in cases {
        let start = Instant::now();
        let error = error_of(&renderer, chart(template)).await;
        assert!(error.contains(expected), "{template}: {error}");
        assert!(error.contains("chart/templates/main.yaml.tera"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(10), "{template}: {:?}", start.elapsed());
        renderer.render(request(chart(GOOD))).await.unwrap();
    }
}

#[tokio::test]
async fn others_go_on_beside_an_endless_template() {
    let mut config = tight();
    config.chart.cpu = Duration::from_secs(30);
    let renderer = Renderer::new(config);
    let nested = "{% for a in range(end=100000) %}{% for b in range(end=100000) %}{% endfor %}{% endfor %}";
    let stuck = tokio::spawn({
        let renderer = renderer.clone();
        async move { renderer.render(request(chart(nested))).await }
    });
    for number in 0..20 {
        let template = format!("{GOOD}data: {{number: '{number}'}}\n");
        renderer.render(request(chart(&template))).await.unwrap();
        renderer.render(request(tree(&[("chart/a.yaml", &template)]))).await.unwrap();
    }
    assert!(!stuck.is_finished());
    stuck.abort();
}

#[tokio::test]
async fn an_endless_pattern_of_a_schema_is_stopped() {
    let tree = tree(&[
        ("chart/Chart.yaml", "name: demo\nversion: 1.0.0\n"),
        ("chart/values.yaml", &format!("a: {}!\n", "a".repeat(2000))),
        ("chart/values.schema.json", r#"{"properties": {"a": {"pattern": "^(?=((a+)+)+$)(a*)*\\3b$"}}}"#),
        ("chart/templates/main.yaml.tera", GOOD),
    ]);
    let start = Instant::now();
    let error = error_of(&Renderer::new(tight()), tree).await;
    assert!(start.elapsed() < Duration::from_secs(10), "{error}");
}

/// A tree that knows the digests of its files without reading them, as Git does.
struct GitLike(MemoryTree);

impl Tree for GitLike {
    fn entry(&self, path: &TreePath) -> tiphys_tree::Result<Option<Entry>> {
        self.0.entry(path)
    }

    fn list(&self, path: &TreePath) -> tiphys_tree::Result<Vec<DirEntry>> {
        self.0.list(path)
    }

    fn read(&self, path: &TreePath, limit: u64) -> tiphys_tree::Result<Vec<u8>> {
        self.0.read(path, limit)
    }

    fn digest(&self, path: &TreePath) -> tiphys_tree::Result<Option<Digest>> {
        let kind = self.0.entry(path)?.map(|entry| entry.kind());
        Ok(kind.map(|kind| Digest::git_sha1(kind, [1; 20])))
    }
}

#[tokio::test]
async fn large_files_are_refused_at_once() {
    let line = "  key: 0123456789012345678901234567890123456789\n";
    let large = format!("{GOOD}data:\n{}", line.repeat(100_000_000 / line.len()));
    let expected = format!("chart/large.yaml has {} bytes, more than the limit of 8388608", large.len());
    let tree = MemoryTree::from_files([("chart/large.yaml", large)]).unwrap();
    let start = Instant::now();
    let error = error_of(&renderer(), Arc::new(GitLike(tree))).await;
    assert!(error.contains(&expected), "{error}");
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn more_objects_than_allowed_are_refused() {
    let mut objects = String::new();
    for number in 0..10_001 {
        writeln!(objects, "---\napiVersion: v1\nkind: A\nmetadata: {{name: a{number}}}").unwrap();
    }
    let half = objects.len() / 2;
    let split = objects[half..].find("---").unwrap() + half;
    let tree = tree(&[("chart/a.yaml", &objects[..split]), ("chart/b.yaml", &objects[split..])]);
    let error = error_of(&renderer(), tree).await;
    assert!(error.contains("more than 10000 objects"), "{error}");
}

#[tokio::test]
async fn bombs_of_aliases_are_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    let manifest = format!("{GOOD}{bomb}");
    let in_values = tree(&[
        ("chart/Chart.yaml", "name: demo\nversion: 1.0.0\n"),
        ("chart/values.yaml", &bomb),
        ("chart/templates/main.yaml.tera", GOOD),
    ]);
    let cases = [
        (tree(&[("chart/bomb.yaml", &manifest)]), "chart/bomb.yaml"),
        (chart(&manifest), "chart/templates/main.yaml.tera"),
        (in_values, "chart/values.yaml"),
    ];
    let renderer = Renderer::new(tight());
    for (tree, file) in cases {
        let start = Instant::now();
        let error = error_of(&renderer, tree).await;
        assert!(error.contains(file), "{error}");
        assert!(start.elapsed() < Duration::from_secs(5), "{error}");
    }
}

#[tokio::test]
async fn links_out_of_the_tree_are_refused() {
    let path = |text| TreePath::parse(text).unwrap();
    for target in ["../../../etc/passwd", "/etc/passwd"] {
        let mut tree =
            MemoryTree::from_files([("chart/Chart.yaml", "name: demo\nversion: 1.0.0\n")]).unwrap();
        tree.insert_symlink(&path("chart/templates/main.yaml.tera"), target).unwrap();
        let error = error_of(&renderer(), Arc::new(tree)).await;
        assert!(error.contains("outside the repository"), "{error}");
    }
    let mut linked = MemoryTree::from_files([("shared/main.yaml", GOOD), ("chart/other.txt", "")]).unwrap();
    linked.insert_symlink(&path("chart/main.yaml"), "../shared/main.yaml").unwrap();
    let rendering = renderer().render(request(Arc::new(linked))).await.unwrap();
    assert_eq!(rendering.manifests.len(), 1);
}

#[tokio::test]
async fn a_worker_that_cannot_start_is_no_fault_of_the_chart() {
    let mut config = config();
    config.program = "/nowhere".into();
    let error = Renderer::new(config).render(request(chart(GOOD))).await.unwrap_err();
    assert_eq!(error.class(), Class::Transient);
}
