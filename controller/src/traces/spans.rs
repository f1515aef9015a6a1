//! Spans from the steps of Syncs: pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use crate::application::report::shorten;
use crate::steps::Step;

/// Longest error in a span, in bytes.
const MAX_ERROR: usize = 1024;

/// A Sync that ended, as far as its trace tells of it.
#[derive(Clone, Debug)]
pub struct SyncTrace {
    /// UID of the Sync.
    pub uid: String,
    /// The Application.
    pub application: String,
    /// Its namespace.
    pub namespace: String,
    /// Name of the Sync.
    pub sync: String,
    /// What it applied.
    pub revision: Option<String>,
    /// How it ended.
    pub phase: &'static str,
    /// What made it start.
    pub trigger: &'static str,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// When it started.
    pub began: SystemTime,
    /// When it ended.
    pub ended: SystemTime,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// What is sent for these Syncs by this process.
pub fn request(identity: &str, traces: &[SyncTrace]) -> ExportTraceServiceRequest {
    let resource = Resource {
        attributes: vec![
            attribute("service.name", "tiphys-controller"),
            attribute("service.version", env!("CARGO_PKG_VERSION")),
            attribute("service.instance.id", identity),
        ],
        ..Resource::default()
    };
    let scope = InstrumentationScope { name: "tiphys".to_owned(), ..InstrumentationScope::default() };
    let spans = traces.iter().flat_map(spans).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let resource_spans = ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }
}

/// The span of a Sync and those of its steps.
fn spans(trace: &SyncTrace) -> Vec<Span> {
    let id = trace_id(&trace.uid);
    let mut attributes = vec![
        attribute("tiphys.application", &trace.application),
        attribute("tiphys.namespace", &trace.namespace),
        attribute("tiphys.sync", &trace.sync),
    ];
    attributes.extend(trace.revision.as_ref().map(|it| attribute("tiphys.revision", it)));
    let span =
        |number: usize, name: &str, began: SystemTime, ended: SystemTime, failure: Option<&String>| Span {
            trace_id: id.to_vec(),
            span_id: span_id(&id, number),
            name: name.to_owned(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: nanoseconds(began),
            end_time_unix_nano: nanoseconds(ended),
            attributes: attributes.clone(),
            status: Some(status(failure)),
            // Sampled: whoever asks for traces gets all of them.
            flags: 1,
            ..Span::default()
        };
    let began = trace.steps.iter().map(|it| it.began).min().map_or(trace.began, |it| it.min(trace.began));
    let mut root = span(0, "sync", began, trace.ended, trace.failure.as_ref());
    root.attributes
        .extend([attribute("tiphys.phase", trace.phase), attribute("tiphys.trigger", trace.trigger)]);
    let parent = root.span_id.clone();
    let steps = trace.steps.iter().enumerate().map(|(index, step)| Span {
        parent_span_id: parent.clone(),
        ..span(index + 1, step.kind.as_str(), step.began, step.began + step.took, step.failure.as_ref())
    });
    std::iter::once(root).chain(steps).collect()
}

fn status(failure: Option<&String>) -> Status {
    match failure {
        Some(failure) => Status { code: StatusCode::Error.into(), message: shorten(failure, MAX_ERROR) },
        None => Status { code: StatusCode::Ok.into(), message: String::new() },
    }
}

/// The UID of a Sync as 16 bytes, which it is.
fn trace_id(uid: &str) -> [u8; 16] {
    let digits: String = uid.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).unwrap_or(1).max(1).to_be_bytes()
}

/// Eight bytes that are others for each step of a Sync, and never all zero.
fn span_id(trace: &[u8; 16], number: usize) -> Vec<u8> {
    let start = u64::try_from(u128::from_be_bytes(*trace) >> 64).unwrap_or_default();
    start.wrapping_add(number as u64).max(1).to_be_bytes().to_vec()
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) }),
        ..KeyValue::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::StepKind;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn trace() -> SyncTrace {
        let step = |kind, began, took, failure: Option<&str>| Step {
            kind,
            began: at(began),
            took: Duration::from_secs(took),
            failure: failure.map(str::to_owned),
        };
        SyncTrace {
            uid: "01234567-89ab-cdef-0123-456789abcdef".to_owned(),
            application: "web".to_owned(),
            namespace: "team-a".to_owned(),
            sync: "web-3".to_owned(),
            revision: Some("main@sha1:0123".to_owned()),
            phase: "Failed",
            trigger: "auto",
            failure: Some("it does not work".to_owned()),
            began: at(100),
            ended: at(120),
            steps: vec![
                step(StepKind::Render, 99, 1, None),
                step(StepKind::Wait, 101, 19, Some("it does not work")),
            ],
        }
    }

    #[test]
    fn a_sync_is_one_trace() {
        let request = request("pod-1", &[trace()]);
        let resource = request.resource_spans[0].resource.as_ref().unwrap();
        assert_eq!(resource.attributes[2], attribute("service.instance.id", "pod-1"));
        let spans = &request.resource_spans[0].scope_spans[0].spans;
        let names: Vec<_> = spans.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["sync", "render", "wait"]);
        let uid: Vec<u8> =
            (0..16).map(|it| [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef][it % 8]).collect();
        assert!(spans.iter().all(|it| it.trace_id == uid));
        assert!(spans[0].parent_span_id.is_empty());
        assert!(spans[1..].iter().all(|it| it.parent_span_id == spans[0].span_id));
        let mut ids: Vec<_> = spans.iter().map(|it| it.span_id.clone()).collect();
        ids.dedup();
        assert_eq!(ids.len(), 3);
        // It begins with the rendering that led to it.
        assert_eq!(spans[0].start_time_unix_nano, 99_000_000_000);
        assert_eq!(spans[2].end_time_unix_nano, 120_000_000_000);
        let code = |it: &Span| it.status.as_ref().unwrap().code;
        let expected = [StatusCode::Error, StatusCode::Ok, StatusCode::Error].map(i32::from);
        assert_eq!([code(&spans[0]), code(&spans[1]), code(&spans[2])], expected);
        assert_eq!(spans[2].status.as_ref().unwrap().message, "it does not work");
        for span in spans {
            for expected in [
                attribute("tiphys.application", "web"),
                attribute("tiphys.namespace", "team-a"),
                attribute("tiphys.sync", "web-3"),
                attribute("tiphys.revision", "main@sha1:0123"),
            ] {
                assert!(span.attributes.contains(&expected), "{}: {expected:?}", span.name);
            }
        }
    }

    #[test]
    fn an_id_is_never_all_zero() {
        for uid in ["", "not a uid", "00000000-0000-0000-0000-000000000000"] {
            let id = trace_id(uid);
            assert_ne!(id, [0; 16], "{uid}");
            assert_ne!(span_id(&id, 0), [0; 8], "{uid}");
        }
    }
}
