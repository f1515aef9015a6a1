//! Random texts and templates: nothing panics, nothing is endless, and the same gives the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::env;
use std::sync::Arc;
use std::time::Instant;

use gotemplate::{Limits, Set, Value};
use support::generate::{self, Random};
use support::{functions, run_with};

/// How many cases to try; `GOTEMPLATE_CASES` asks for more.
fn cases() -> u64 {
    env::var("GOTEMPLATE_CASES").map_or(3_000, |count| count.parse().unwrap())
}

#[test]
fn random_templates_give_the_same_twice() {
    let limits =
        Limits { steps: 20_000, output_bytes: 1 << 20, allocated_bytes: 1 << 20, ..Limits::default() };
    let mut succeeded = 0;
    for seed in 0..cases() {
        let case = generate::case(seed);
        let begin = Instant::now();
        let answer = run_with(&case, limits);
        assert_eq!(answer, run_with(&case, limits), "{case:?}");
        assert!(begin.elapsed().as_secs() < 5, "{case:?}");
        succeeded += u64::from(answer.ok);
    }
    assert!(succeeded > cases() / 4, "only {succeeded} are executed to the end");
}

#[test]
fn random_printf_calls_do_not_panic() {
    for seed in 0..cases() {
        run_with(&generate::printf_case(seed), Limits::default());
    }
}

/// Any bytes, with those that mean something to the lexer more often.
fn text(random: &mut Random) -> Vec<u8> {
    const PIECES: &[&str] = &[
        "{{", "}}", "{{-", " -}}", "-", " ", "\n", "(", ")", "|", ".", "$", "$x", ":=", "=", ",", "\"", "`",
        "'", "\\", "/*", "*/", "if", "else", "end", "range", "with", "define", "block", "template", "break",
        "continue", "nil", "true", "print", "1", "0x", "1e", "_", "i", "+", "a", "é", "日", "\u{feff}",
    ];
    let mut out = Vec::new();
    for _ in 0..random.below(40) {
        if random.one_in(10) {
            out.push(u8::try_from(random.below(256)).unwrap());
        } else {
            out.extend_from_slice(random.pick(PIECES).as_bytes());
        }
    }
    out
}

#[test]
fn random_bytes_are_parsed_or_refused() {
    for seed in 0..cases() * 5 {
        let mut random = Random::new(seed);
        let mut set = Set::with_functions("t", functions::all());
        if random.one_in(4) {
            let (left, right) = (text(&mut random), text(&mut random));
            set.delimiters(left, right);
        }
        let text = text(&mut random);
        if set.parse("t", &text).is_ok() {
            let limits = Limits { steps: 10_000, ..Limits::default() };
            let _ = gotemplate::Context::new(&Arc::new(set), limits).execute("t", Value::Nil);
        }
    }
}
