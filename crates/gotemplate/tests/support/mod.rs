//! Cases for the engine and for Go's own, which must agree.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    reason = "small numbers, or random ones"
)]

pub mod functions;
pub mod generate;
pub mod peer;
pub mod values;

use std::sync::Arc;

use gotemplate::{Context, Limits, MissingKey, Set};
use serde_json::{Value as Json, json};

/// A template to execute, as the Go program of tests/gotemplate-peer reads it. Texts are in Latin-1.
#[derive(Clone, Debug, Default)]
pub struct Case {
    pub name: String,
    pub text: String,
    pub more: Vec<(String, String)>,
    pub data: Json,
    pub missing_key: String,
    pub left: String,
    pub right: String,
    /// Whether the parsed templates are asked for instead of the output.
    pub trees: bool,
}

impl Case {
    pub fn to_json(&self) -> Json {
        json!({
            "name": self.name,
            "text": self.text,
            "more": self.more,
            "data": self.data,
            "missingkey": self.missing_key,
            "left": self.left,
            "right": self.right,
            "trees": self.trees,
        })
    }
}

/// What came of a case: output or message, in Latin-1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub ok: bool,
    pub output: String,
}

/// Characters with the values of the bytes.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Bytes with the values of the characters.
pub fn from_latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
}

/// Executes a case with the engine.
pub fn run(case: &Case) -> Answer {
    run_with(case, Limits { steps: 5_000_000, ..Limits::default() })
}

pub fn run_with(case: &Case, limits: Limits) -> Answer {
    let scope = gotemplate::Scope::enter();
    let answer = match execute(case, limits) {
        Ok(output) => Answer { ok: true, output: latin1(&output) },
        Err(error) => Answer { ok: false, output: latin1(error.to_string().as_bytes()) },
    };
    drop(scope);
    answer
}

fn execute(case: &Case, limits: Limits) -> Result<Vec<u8>, gotemplate::Error> {
    let name = from_latin1(&case.name);
    let mut set = Set::with_functions(&name, functions::all());
    set.missing_key(match case.missing_key.as_str() {
        "zero" => MissingKey::Zero,
        "error" => MissingKey::Error,
        _ => MissingKey::Invalid,
    });
    set.delimiters(from_latin1(&case.left), from_latin1(&case.right));
    set.parse(&name, from_latin1(&case.text))?;
    for (name, text) in &case.more {
        set.parse(from_latin1(name), from_latin1(text))?;
    }
    if case.trees {
        return Ok(trees(&set));
    }
    let mut host = functions::Host::default();
    let data = values::decode(&case.data);
    Context::new(&Arc::new(set), limits).with_host(&mut host).execute(&name, data)
}

/// All templates of a set as they were understood.
fn trees(set: &Set) -> Vec<u8> {
    let mut out = Vec::new();
    for name in set.names() {
        out.extend_from_slice(gotemplate::quote(name).as_bytes());
        out.push(b'\n');
        out.extend(set.source(name).unwrap_or_default());
        out.push(b'\n');
    }
    out
}
