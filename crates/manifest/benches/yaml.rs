//! How long a bundle of custom resource definitions takes to read and to write; `cargo bench -p tiphys-manifest`.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a program for developers")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use tiphys_manifest::yaml::{Limits, read_documents, write};

const RUNS: usize = 30;
const BYTES: usize = 4_500_000;

/// A bundle like those of large operators: deep schemas, long descriptions, many keys.
fn bundle() -> String {
    let mut text = String::new();
    let mut number = 0;
    while text.len() < BYTES {
        number += 1;
        writeln!(text, "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:")
            .unwrap();
        writeln!(text, "  name: things{number}.example.com\nspec:\n  group: example.com\n  versions:")
            .unwrap();
        writeln!(text, "  - name: v1\n    served: true\n    schema:\n      openAPIV3Schema:").unwrap();
        properties(&mut text, 8, 5);
    }
    text
}

fn properties(text: &mut String, indent: usize, depth: usize) {
    let pad = " ".repeat(indent);
    writeln!(
        text,
        "{pad}description: |-\n{pad}  What this field means is told over several lines, with a link to"
    )
    .unwrap();
    writeln!(text, "{pad}  https://example.com/docs#fields and \"quotes\" and `code`.\n{pad}type: object")
        .unwrap();
    writeln!(text, "{pad}required:\n{pad}- name\n{pad}- 'value'\n{pad}properties:").unwrap();
    for name in ["matchExpressions", "nodeAffinity", "\"quoted\"", "replicas"] {
        writeln!(text, "{pad}  {name}:").unwrap();
        if depth == 0 || name == "replicas" {
            writeln!(text, "{pad}    default: 30\n{pad}    format: int32\n{pad}    type: integer").unwrap();
        } else {
            properties(text, indent + 4, depth - 1);
        }
    }
}

fn measure(name: &str, bytes: usize, mut run: impl FnMut()) {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    let median = times[RUNS / 2];
    let rate = bytes as f64 / median.as_secs_f64() / 1e6;
    println!(
        "{name}: {bytes} bytes, median {median:.1?}, p95 {:.1?}, {rate:.0} MB/s",
        times[RUNS * 95 / 100]
    );
}

fn main() {
    let text = bundle();
    let limits = Limits::default();
    let documents = read_documents(text.as_bytes(), &limits).unwrap();
    measure("read", text.len(), || {
        drop(read_documents(text.as_bytes(), &limits).unwrap());
    });
    measure("write", text.len(), || {
        for document in &documents {
            std::hint::black_box(write(&document.value));
        }
    });
}
