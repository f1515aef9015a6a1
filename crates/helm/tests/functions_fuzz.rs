//! Random calls of functions, whose outputs and errors must be those of the real Helm.
//!
//! `HELM_CASES=100000 HELM_SEED=7 cargo test -p tiphys-helm --test functions_fuzz` runs more, or others.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::env;

use support::{Answer, Snippet, generate, peer, run};

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// What is wrong with a text of YAML or TOML is said in other words here.
fn comparable(answer: &Answer) -> Answer {
    let mut output = answer.output.clone();
    for start in ["error converting YAML to JSON: ", "toml: line "] {
        if let Some(at) = output.find(start) {
            output.truncate(at + start.len());
            // How YAML quotes a text depends on the words.
            if output.get(..at).is_some_and(|before| before.ends_with(['"', '\''])) {
                output.remove(at - 1);
            }
        }
    }
    for error in ["reflect.Value.SetMapIndex: value of type ", "reflect: call of reflect.Value.IsNil on "] {
        if let Some(at) = output.find(error) {
            // Go goes through a map at random, so of several values that do not fit any may be named.
            output.truncate(at);
        }
    }
    Answer { ok: answer.ok, output }
}

#[test]
fn random_calls_give_what_helm_gives() {
    let count = setting("HELM_CASES", 2000);
    let first = setting("HELM_SEED", 1) << 32;
    let mut differences = 0;
    for chunk in (0..count).collect::<Vec<_>>().chunks(5000) {
        let snippets: Vec<Snippet> = chunk.iter().map(|number| generate::snippet(first + number)).collect();
        for ((snippet, helm), number) in snippets.iter().zip(peer::ask(&snippets)).zip(chunk) {
            let here = run(snippet);
            if comparable(&here) != comparable(&helm) {
                differences += 1;
                if differences <= 40 {
                    let Snippet { text, values, .. } = snippet;
                    println!("{number}: {text}\n  values {values}\n  helm {helm:?}\n  here {here:?}");
                }
            }
        }
    }
    assert_eq!(differences, 0, "of {count} random calls");
}
