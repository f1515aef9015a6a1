//! Traces: what a collector gets of a Sync.

use std::collections::BTreeSet;

use kube::ResourceExt as _;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use serde_json::json;
use tiphys_tests::eventually;

use crate::support::manifests::{Deployment, secret};
use crate::support::shared::{collector, stage};
use crate::support::{LONG, hex};

/// All spans that the collector has of the trace with this id.
fn spans(uid: &str) -> Vec<Span> {
    let id = uid.replace('-', "");
    let requests = collector().received().into_iter().filter(|it| it.path == "/v1/traces");
    let decoded = requests.map(|it| ExportTraceServiceRequest::decode(it.body).expect("it is OTLP"));
    let scopes = decoded.flat_map(|it| it.resource_spans).flat_map(|it| it.scope_spans);
    scopes.flat_map(|it| it.spans).filter(|it| hex(&it.trace_id) == id).collect()
}

fn attribute(span: &Span, key: &str) -> String {
    let value = span.attributes.iter().find(|it| it.key == key).and_then(|it| it.value.clone()?.value);
    match value {
        Some(Any::StringValue(text)) => text,
        other => panic!("{key} of {}: {other:?}", span.name),
    }
}

#[tokio::test]
async fn a_trace_tells_where_the_time_of_a_sync_went() {
    let stage = stage("trace").await;
    let canary = "canary-of-a-traced-secret";
    let files = [("web.yaml", Deployment::new("web").slow("2s").yaml()), ("s.yaml", secret("s", canary))];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(text.as_str()))).collect();
    let commit = stage.push(&files).await;
    stage.create("web", json!({ "sync": { "timeout": "8s" } })).await;
    stage.synced("web", &commit).await;
    let sync = stage.last_sync("web").await;
    let trace = |uid: String| async move {
        eventually("the collector has the trace", LONG, || async {
            let spans = spans(&uid);
            if spans.is_empty() { Err(format!("nothing of {uid}")) } else { Ok(spans) }
        })
        .await
    };
    let good = trace(sync.uid().unwrap()).await;
    let names: BTreeSet<_> = good.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["sync", "fetch", "render", "plan", "apply", "wait"]));
    let root = good.iter().find(|it| it.name == "sync").unwrap();
    for span in &good {
        assert_eq!(attribute(span, "tiphys.application"), "web");
        assert_eq!(attribute(span, "tiphys.namespace"), stage.ns());
        assert_eq!(attribute(span, "tiphys.sync"), "web-1");
        assert!(attribute(span, "tiphys.revision").ends_with(&commit));
        assert_eq!(span.status.as_ref().unwrap().code, i32::from(StatusCode::Ok), "{}", span.name);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{}", span.name);
        let inside = span.start_time_unix_nano >= root.start_time_unix_nano
            && span.end_time_unix_nano <= root.end_time_unix_nano;
        assert!(inside, "{} lies in its Sync", span.name);
        let is_child = span.parent_span_id == root.span_id;
        assert!(is_child || span.span_id == root.span_id, "{}", span.name);
    }
    let wait = good.iter().find(|it| it.name == "wait").unwrap();
    assert!(wait.end_time_unix_nano - wait.start_time_unix_nano > 1_000_000_000, "it waited for the pods");

    stage.push_file("web.yaml", &Deployment::new("web").image("registry.invalid/app:2").yaml()).await;
    let failed = stage.failed("web-2", "Deployment").await;
    let bad = trace(failed.uid().unwrap()).await;
    for name in ["sync", "wait"] {
        let span = bad.iter().find(|it| it.name == name).unwrap();
        let status = span.status.as_ref().unwrap();
        assert_eq!(status.code, i32::from(StatusCode::Error), "{name}");
        assert!(status.message.contains("Deployment"), "{name}: {}", status.message);
    }
    assert_eq!(attribute(bad.iter().find(|it| it.name == "sync").unwrap(), "tiphys.phase"), "Failed");
    let first = collector().received().remove(0);
    assert_eq!(first.header("api-key"), "canary-of-the-collector");
    assert_eq!(first.header("content-type"), "application/x-protobuf");
    for request in collector().received() {
        let text = String::from_utf8_lossy(&request.body).into_owned();
        assert!(!text.contains(canary) && !text.contains("canary-of-"), "no secret is in a trace");
    }
    for step in ["fetch", "render", "plan", "apply", "wait"] {
        let metric = format!("tiphys_step_duration_seconds_count{{step=\"{step}\"}}");
        assert!(stage.endpoints.metric(&metric).await >= 1.0, "{metric}");
    }
}
