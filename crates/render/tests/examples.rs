//! The applications of `charts-example/` are valid and render.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests may")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use support::{renderer, request};
use tiphys_api::Application;
use tiphys_render::{Chance, Options, Release, Seed};
use tiphys_tree::{DirectoryTree, MemoryTree, TreePath};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[tokio::test]
async fn every_example_application_renders() {
    let renderer = renderer();
    let chance = Chance::Seeded { seed: Seed::new("test"), at: jiff::Timestamp::UNIX_EPOCH };
    let mut count = 0;
    for file in fs::read_dir(repository().join("charts-example/applications")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let application = tiphys_manifest::yaml::read(&text).unwrap();
        let application: Application = serde_json::from_value(application).unwrap();
        let source = &application.spec.source;
        let request = tiphys_render::Request {
            tree: Arc::new(DirectoryTree::open(&repository()).unwrap()),
            path: TreePath::parse(&source.path).unwrap(),
            options: Options::from(source),
            release: Release {
                name: application.metadata.name.unwrap(),
                namespace: application.spec.destination.namespace.unwrap(),
            },
            capabilities: tiphys_render::Capabilities::default(),
            chance: chance.clone(),
            lookup: None,
        };
        let rendering = renderer.render(request).await.unwrap();
        assert!(rendering.manifests.len() >= 3);
        count += 1;
    }
    assert_eq!(count, 3);
}

/// A generous bound on a busy machine; the figure is printed with `--nocapture`.
#[tokio::test]
async fn a_small_chart_takes_a_warm_worker_little_time() {
    let mut files = Vec::new();
    let directory = DirectoryTree::open(&repository().join("charts-example/web")).unwrap();
    let view = tiphys_tree::View::new(
        Arc::new(directory),
        tiphys_tree::Limits { file_bytes: 1 << 20, files: 100, total_bytes: 1 << 20 },
    );
    for file in view.walk(&TreePath::root()).unwrap() {
        files.push((format!("chart/{}", file.as_str()), view.read(&file).unwrap()));
    }
    let renderer = renderer();
    renderer.warm().await.unwrap();
    let mut times: Vec<Duration> = Vec::new();
    for number in 0..50 {
        let tree = MemoryTree::from_files(files.clone()).unwrap();
        let mut request = request(Arc::new(tree));
        request.release.name = format!("web-{number}");
        let start = Instant::now();
        renderer.render(request).await.unwrap();
        times.push(start.elapsed());
    }
    times.sort();
    println!("median {:?}, p95 {:?}", times[25], times[47]);
    assert_eq!(renderer.counters().workers.started, 1);
    assert!(times[25] < Duration::from_millis(100), "{times:?}");
}
