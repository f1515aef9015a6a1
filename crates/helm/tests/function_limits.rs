//! Functions that would make too much, or work too long, end with a limit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use gotemplate::{Limit, Limits};
use serde_json::json;
use support::{Snippet, latin1, render};
use tiphys_helm::Error;

/// What templates may use here: little, so that a limit comes soon.
const LIMITS: Limits =
    Limits { steps: 500_000, output_bytes: 8 << 20, allocated_bytes: 8 << 20, depth: 1000, deadline: None };

fn limit(text: &str) -> Limit {
    let start = Instant::now();
    let snippet = Snippet { text: latin1(text.as_bytes()), values: json!({"m": {}}), ..Snippet::default() };
    let error = render(&snippet, LIMITS).expect_err(text);
    assert!(start.elapsed() < Duration::from_secs(20), "{text} took {:?}", start.elapsed());
    match error {
        Error::Execute { limit: Some(limit), .. } => limit,
        other => panic!("{text}: {other}"),
    }
}

#[test]
fn what_is_too_large_is_not_made() {
    let doubling =
        |grow: &str| format!("{{{{$x := `ab`}}}}{{{{range until 60}}}}{{{{$x = {grow}}}}}{{{{end}}}}");
    for text in [
        "{{repeat 1000000000000 `ab`}}",
        "{{indent 1000000000 `a`}}",
        "{{nindent 100000 (repeat 10000 \"\\n\")}}",
        "{{$x := repeat 100000 `a`}}{{replace `` $x $x}}",
        "{{$x := repeat 100000 `a`}}{{replace `a` $x $x}}",
        "{{$x := repeat 100000 `a`}}{{regexReplaceAll `a` $x $x}}",
        "{{$x := repeat 100000 `a `}}{{wrapWith 1 $x $x}}",
        "{{$x := repeat 100000 `a,`}}{{splitList `,` $x | join $x}}",
        "{{$x := list 1}}{{range until 60}}{{$x = list $x $x}}{{end}}{{toString $x}}",
        "{{$x := list 1}}{{range until 60}}{{$x = list $x $x}}{{end}}{{quote $x}}",
        "{{$x := list 1}}{{range until 60}}{{$x = list $x $x}}{{end}}{{cat $x}}",
        &doubling("cat $x $x"),
        &doubling("quote $x $x"),
        &doubling("print $x $x"),
        &doubling("join $x (list $x $x $x)"),
    ] {
        assert!(matches!(limit(text), Limit::AllocatedBytes(_) | Limit::Steps(_)), "{text}");
    }
}

#[test]
fn what_takes_too_long_is_not_done() {
    let doubled = "{{$x := list 1}}{{range until 60}}{{$x = list $x $x}}{{end}}";
    for text in [
        "{{until 1000000000}}",
        "{{untilStep 0 9223372036854775807 1}}",
        "{{seq 1000000000}}",
        "{{range until 1000000}}{{$x := until 1000}}{{end}}",
        &format!("{doubled}{{{{toJson $x}}}}"),
        &format!("{doubled}{{{{toPrettyJson $x}}}}"),
        &format!("{doubled}{{{{toYaml $x}}}}"),
        &format!("{doubled}{{{{toYamlPretty $x}}}}"),
        &format!("{doubled}{{{{toToml (dict `a` $x)}}}}"),
        &format!("{doubled}{{{{deepCopy $x | len}}}}"),
        "{{$x := list 1}}{{range until 100}}{{$x = concat $x $x}}{{end}}",
        "{{$x := until 20000}}{{uniq $x | len}}",
        "{{range until 2000}}{{regexMatch (printf `(a{1,100}){1,10}%d` .) `a`}}{{end}}",
    ] {
        assert!(matches!(limit(text), Limit::AllocatedBytes(_) | Limit::Steps(_)), "{text}");
    }
}

#[test]
fn maps_that_contain_themselves_end_in_an_error() {
    let cycle = "{{$_ := set .Values.m `self` .Values.m}}";
    for text in ["toToml .Values.m", "deepCopy .Values.m", "quote .Values.m"] {
        let limit = limit(&format!("{cycle}{{{{{text}}}}}"));
        assert!(matches!(limit, Limit::Nesting(_) | Limit::AllocatedBytes(_)), "{text}: {limit}");
    }
    let merged = "{{$o := dict `self` (dict)}}{{$_ := set $o.self `self` $o}}{{merge $o .Values.m}}";
    assert!(matches!(limit(&format!("{cycle}{merged}")), Limit::Nesting(_) | Limit::AllocatedBytes(_)));
    // As in Helm, functions without `must` give nothing.
    let text = format!("{cycle}{{{{toJson .Values.m}}}}{{{{toYaml .Values.m}}}}");
    let snippet = Snippet { text: latin1(text.as_bytes()), values: json!({"m": {}}), ..Snippet::default() };
    assert_eq!(render(&snippet, LIMITS).unwrap(), b"");
}

#[test]
fn deep_and_odd_texts_are_read() {
    let deep = "{{ $x := repeat 200000 `[` }}{{ fromJson $x | len }}{{ fromYaml (repeat 90 `[`) | len }}{{ fromToml (cat `a=` $x) | len }}\
        {{ regexMatch (repeat 5000 `(`) `a` }}{{ regexMatch (cat (repeat 900 `(`) (repeat 900 `)`)) `a` }}{{ fromJson (printf `{\"a\":%s}` (print (repeat 9000 `[`) (repeat 9000 `]`))) | toString | len }}";
    let snippet = Snippet { text: latin1(deep.as_bytes()), values: json!({}), ..Snippet::default() };
    let output = render(&snippet, Limits { steps: 20_000_000, allocated_bytes: 64 << 20, ..LIMITS }).unwrap();
    assert_eq!(String::from_utf8(output).unwrap(), "111falsefalse18007");
}
