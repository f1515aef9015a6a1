//! What was rendered from the same inputs is not rendered again.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests may")]

mod support;

use std::sync::Arc;

use support::{chart, config, renderer, request, tree};
use tiphys_render::{Renderer, Request};

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

fn chart_with(template: &str, more: &[(&str, &str)]) -> Request {
    let mut files = vec![
        ("chart/Chart.yaml", "name: demo\nversion: 1.0.0\n"),
        ("chart/values.yaml", "a: 1\n"),
        ("chart/templates/main.yaml.tera", template),
    ];
    files.extend_from_slice(more);
    request(tree(&files))
}

#[tokio::test]
async fn only_what_was_read_counts() {
    let renderer = renderer();
    let first = renderer.render(chart_with(CONFIG_MAP, &[])).await.unwrap();
    let same = [
        &[][..],
        &[("chart/README.md", "not read by any template")],
        &[("other/values.yaml", "somebody else's")],
    ];
    for files in same {
        let again = renderer.render(chart_with(CONFIG_MAP, files)).await.unwrap();
        assert!(Arc::ptr_eq(&first, &again), "{files:?}");
    }
    assert_eq!(renderer.counters().hits, 3);
    assert_eq!(renderer.counters().workers.calls, 1);

    let others = [
        &[("chart/crds/a.yaml", "")][..],
        &[("chart/values.schema.json", "{}")],
        &[("chart/templates/_more.tera", "")],
    ];
    for (number, files) in others.into_iter().enumerate() {
        renderer.render(chart_with(CONFIG_MAP, files)).await.unwrap();
        assert_eq!(renderer.counters().workers.calls, number as u64 + 2, "{files:?}");
    }
}

#[tokio::test]
async fn files_count_when_a_template_asks_for_them() {
    let renderer = renderer();
    let template = format!("{CONFIG_MAP}data: {{{{ files | as_config | to_json }}}}\n");
    for (text, calls) in [("one", 1), ("one", 1), ("two", 2)] {
        let rendering = renderer.render(chart_with(&template, &[("chart/config.txt", text)])).await.unwrap();
        assert_eq!(rendering.manifests[0].object()["data"]["config.txt"], text);
        assert_eq!(renderer.counters().workers.calls, calls);
    }
}

#[tokio::test]
async fn capabilities_count_when_the_chart_asks_for_them() {
    let renderer = renderer();
    let asking = format!("{CONFIG_MAP}data: {{version: '{{{{ capabilities.kube_version.version }}}}'}}\n");
    for (template, expected) in [(CONFIG_MAP, 1), (&asking, 2)] {
        let before = renderer.counters().workers.calls;
        for version in ["v1.35.0", "v1.36.0", "v1.35.0"] {
            let mut request = chart_with(template, &[]);
            request.capabilities.kube_version = version.to_owned();
            renderer.render(request).await.unwrap();
        }
        assert_eq!(renderer.counters().workers.calls - before, expected, "{template}");
    }
}

#[tokio::test]
async fn a_release_of_another_name_is_another_rendering() {
    let renderer = renderer();
    renderer.render(chart_with(CONFIG_MAP, &[])).await.unwrap();
    let mut request = chart_with(CONFIG_MAP, &[]);
    request.release.name = "other".to_owned();
    renderer.render(request).await.unwrap();
    assert_eq!(renderer.counters().hits, 0);
}

#[tokio::test]
async fn what_nobody_holds_comes_back_equal() {
    let renderer = renderer();
    let first = renderer.render(chart_with(CONFIG_MAP, &[])).await.unwrap();
    let copy = (*first).clone();
    drop(first);
    let again = renderer.render(chart_with(CONFIG_MAP, &[])).await.unwrap();
    assert_eq!(*again, copy);
    let shared = renderer.render(chart_with(CONFIG_MAP, &[])).await.unwrap();
    assert!(Arc::ptr_eq(&again, &shared));
    assert_eq!(renderer.counters().workers.calls, 1);
}

#[tokio::test]
async fn a_chart_that_failed_fails_again_without_a_worker() {
    let renderer = renderer();
    let first = renderer.render(request(chart("{{ missing }}"))).await.unwrap_err().to_string();
    let again = renderer.render(request(chart("{{ missing }}"))).await.unwrap_err().to_string();
    assert_eq!(first, again);
    assert_eq!(renderer.counters().workers.calls, 1);
    assert_eq!(renderer.counters().failures, 2);
}

#[tokio::test]
async fn the_cache_stays_within_its_bytes() {
    let mut config = config();
    config.cache_bytes = 20_000;
    let renderer = Renderer::new(config);
    let directory = |number: u32| {
        let manifest = format!("{CONFIG_MAP}data: {{number: '{number}'}}\n");
        let mut request = request(tree(&[("chart/a.yaml", &manifest)]));
        request.release.name = format!("release-{number}");
        request
    };
    for number in 0..200 {
        renderer.render(directory(number)).await.unwrap();
        let counters = renderer.counters();
        assert!(counters.cache_bytes <= 20_000, "{counters:?}");
    }
    assert!(renderer.counters().cache_entries > 5);
    // The newest is there, the oldest is not.
    renderer.render(directory(199)).await.unwrap();
    assert_eq!(renderer.counters().hits, 1);
    renderer.render(directory(0)).await.unwrap();
    assert_eq!(renderer.counters().hits, 1);
}

#[tokio::test]
async fn going_back_and_forth_renders_each_revision_once() {
    let renderer = renderer();
    let other = CONFIG_MAP.replace("name: a", "name: b");
    for template in [CONFIG_MAP, &other, CONFIG_MAP, &other, CONFIG_MAP] {
        renderer.render(chart_with(template, &[])).await.unwrap();
    }
    assert_eq!(renderer.counters().workers.calls, 2);
    assert_eq!(renderer.counters().cache_entries, 2);
}
