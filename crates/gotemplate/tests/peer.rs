//! Random templates and calls of `printf`, whose answers must be those of Go.
//!
//! `GOTEMPLATE_CASES=100000 GOTEMPLATE_SEED=7 cargo test -p gotemplate --test peer` runs more, or others.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::env;

use support::{Answer, Case, from_latin1, generate, peer, run};

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// Addresses differ from run to run.
fn without_addresses(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("0x") {
        let (before, after) = rest.split_at(at);
        let digits = after[2..].chars().take_while(char::is_ascii_hexdigit).count();
        out.push_str(before);
        out.push_str(if digits >= 9 { "ADDRESS" } else { &after[..2 + digits] });
        rest = &after[2 + digits..];
    }
    out + rest
}

/// Messages are text here and bytes in Go, so what is not UTF-8 in them is replaced.
fn comparable(answer: &Answer) -> Answer {
    let mut output = without_addresses(&answer.output);
    if !answer.ok {
        output = String::from_utf8_lossy(&from_latin1(&output)).into_owned();
    }
    Answer { ok: answer.ok, output }
}

fn compare(kind: &str, make: fn(u64) -> Case) {
    let count = setting("GOTEMPLATE_CASES", 4000);
    let seed = setting("GOTEMPLATE_SEED", 1) << 32;
    let mut differences = 0;
    for chunk in (0..count).collect::<Vec<_>>().chunks(10_000) {
        let cases: Vec<Case> = chunk.iter().map(|number| make(seed + number)).collect();
        for ((case, go), number) in cases.iter().zip(peer::ask(&cases)).zip(chunk) {
            let rust = run(case);
            if comparable(&rust) != comparable(&go) {
                differences += 1;
                if differences <= 20 {
                    let Case { text, data, missing_key, .. } = case;
                    println!(
                        "{kind} {number}: {text:?}\n  data {data} {missing_key}\n  go   {go:?}\n  rust {rust:?}"
                    );
                }
            }
        }
    }
    assert_eq!(differences, 0, "of {count} random {kind}");
}

#[test]
fn random_templates_give_what_go_gives() {
    compare("templates", generate::case);
}

#[test]
fn random_templates_are_understood_as_go_does() {
    compare("trees", |seed| Case { trees: true, ..generate::case(seed) });
}

#[test]
fn random_printf_calls_give_what_go_gives() {
    compare("printf calls", generate::printf_case);
}

#[test]
fn character_tables_are_those_of_go() {
    let output = std::process::Command::new(peer::program()).arg("tables").output().unwrap();
    let tables = include_str!("../src/unicode/tables.rs");
    assert!(
        String::from_utf8(output.stdout).unwrap() == tables,
        "run `go run ./tests/gotemplate-peer tables > crates/gotemplate/src/unicode/tables.rs`"
    );
}
