//! Random texts read here and by the libraries of Kubernetes: the same value, or an error in both.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod support;

use std::fmt::Write as _;
use std::sync::LazyLock;

use serde_json::Value;
use support::peer::{Request, ask};
use support::random::Random;
use tiphys_manifest::yaml::{Limits, read_document, read_documents, read_parts};

/// What YAML texts are made of, and what they trip over.
fn pieces() -> &'static [&'static str] {
    static PIECES: LazyLock<Vec<&str>> = LazyLock::new(|| {
        let pieces: Vec<String> = serde_json::from_str(include_str!("cases/fuzz/pieces.json")).unwrap();
        pieces.into_iter().map(|piece| &*piece.leak()).collect()
    });
    &PIECES
}

fn soup(random: &mut Random) -> String {
    let length = 1 + random.below(14);
    (0..length).map(|_| random.pick(pieces())).collect()
}

/// A text that is mostly right, with a piece put in, taken out or changed.
fn mutated(random: &mut Random) -> String {
    let mut text = well_formed(random, 0, 3);
    for _ in 0..random.below(3) {
        let at = text.floor_char_boundary(random.below(text.len() + 1));
        if random.one_in(3) {
            let end = (at..=text.len()).skip(1).find(|end| text.is_char_boundary(*end)).unwrap_or(at);
            text.replace_range(at..end, "");
        } else {
            text.insert_str(at, random.pick(pieces()));
        }
    }
    text
}

fn well_formed(random: &mut Random, indent: usize, depth: usize) -> String {
    let pad = " ".repeat(indent);
    match random.below(if depth == 0 { 5 } else { 9 }) {
        0 => format!("{}\n", random.pick(pieces()).trim()),
        1 => format!(
            "\"{}\"\n",
            random.pick(&["a b", "a\\tb", "x\n   y", "a \\\n  b", "\\u263a", "é  ü", "a\n\n\n  b"])
        ),
        2 => format!("'{}'\n", random.pick(&["a b", "it''s", "x\n   y", "# no", ": no", "é", "a\n\n  b"])),
        3 => {
            let header = random.pick(&["|", ">", "|-", ">-", "|+", ">+", "|2", ">1-", "|  # c"]);
            let mut text = format!("{header}\n");
            for _ in 0..random.below(5) {
                let line =
                    random.pick(&["one", "two words", "", " more", "\ttab", "- x", "a: b", "#", "é", "end "]);
                writeln!(text, "{pad}  {line}").unwrap();
            }
            text
        }
        4 => format!(
            "{}\n",
            random.pick(&[
                "[a, b]",
                "{a: 1, b: }",
                "[{x: y}, [1, 2]]",
                "{}",
                "[]",
                "{a, b: [c]}",
                "[a: b]",
                "{\"a\":1}",
                "[\n  a,\n  b\n]"
            ])
        ),
        5 | 6 => {
            let mut text = format!("{}\n", random.pick(&["", "", "", "&a", "!!map", "# c"]));
            for _ in 0..=random.below(3) {
                let key = random.pick(&[
                    "a", "b", "c d", "\"q\"", "'s'", "1", "1.5", "yes", "<<", "? x\n", "*a ", "n", "é",
                    "&b k",
                ]);
                let separator = if key.starts_with('?') { format!("{pad}: ") } else { ": ".to_owned() };
                let value = well_formed(random, indent + 2, depth - 1);
                write!(text, "{pad}{key}{separator}{value}").unwrap();
            }
            text
        }
        _ => {
            let mut text = format!("{}\n", random.pick(&["", "", "&b", "!!seq", "# c"]));
            let step = random.below(2) * 2;
            for _ in 0..=random.below(3) {
                let value = well_formed(random, indent + step + 2, depth - 1);
                write!(text, "{pad}{}- {value}", " ".repeat(step)).unwrap();
            }
            text
        }
    }
}

fn ours(op: &str, text: &str) -> Result<(Value, bool), String> {
    let limits = Limits::default();
    let documents = match op {
        "read" => read_document(text.as_bytes(), &limits).map(|document| vec![document]),
        _ => read_documents(text.as_bytes(), &limits),
    };
    let documents = documents.map_err(|error| error.to_string())?;
    let warned = documents.iter().any(|document| !document.warnings.is_empty());
    let mut values: Vec<Value> = documents.into_iter().map(|document| document.value).collect();
    Ok((if op == "read" { values.remove(0) } else { Value::Array(values) }, warned))
}

/// Go says these only of what no later key of the same name replaces.
const ONLY_WHERE_KEPT: &[&str] = &["infinity and NaN", "null cannot be a key", "number this large"];

/// `-0` is 0 here; Go's JSON keeps the sign, though nobody else in Kubernetes does.
fn without_negative_zero(value: &mut Value) {
    match value {
        Value::Number(number) if number.as_f64() == Some(0.0) => *value = 0.into(),
        Value::Array(items) => items.iter_mut().for_each(without_negative_zero),
        Value::Object(entries) => entries.values_mut().for_each(without_negative_zero),
        _ => {}
    }
}

/// go-yaml forgets that a flow collection without keys may be one itself, and reads `{}` alone of `{}a: b`.
/// Here that is an error.
fn has_text_after_collection(text: &str) -> bool {
    text.match_indices([']', '}']).any(|(at, _)| {
        let rest = text[at + 1..].lines().next().unwrap_or_default().trim();
        !rest.is_empty() && !rest.starts_with([',', ']', '}', '#'])
    })
}

#[test]
fn random_texts_are_read_as_kubernetes_reads_them() {
    let count = std::env::var("TIPHYS_FUZZ_CASES").map_or(4_000, |count| count.parse().unwrap());
    let seed = std::env::var("TIPHYS_FUZZ_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut random = Random::new(seed);
    let mut left = count;
    let mut different = Vec::new();
    let mut readable = 0;
    while left > 0 {
        let requests: Vec<Request> = (0..left.min(20_000))
            .map(|_| Request {
                op: random.pick(&["read", "read", "stream"]),
                text: if random.one_in(2) { soup(&mut random) } else { mutated(&mut random) },
            })
            .collect();
        left -= requests.len();
        for (request, answer) in requests.iter().zip(ask(&requests)) {
            let ours = ours(request.op, &request.text);
            let text = answer.text.as_deref();
            let mut theirs: Option<Value> = text.map(|text| serde_json::from_str(text).unwrap());
            theirs.iter_mut().for_each(without_negative_zero);
            readable += usize::from(theirs.is_some());
            let same = match (&ours, &theirs) {
                (Ok((ours, _)), Some(theirs)) => ours == theirs,
                (Err(_), None) => true,
                _ => false,
            };
            let is_known = match &ours {
                // Which of two keys wins that are only the same as text is up to chance in Go.
                Ok((_, warned)) => *warned && theirs.is_some(),
                Err(error) => {
                    has_text_after_collection(&request.text)
                        || ONLY_WHERE_KEPT.iter().any(|message| error.contains(message))
                }
            };
            if !same && !is_known {
                different.push(format!(
                    "{} {:?}\n  here:  {ours:?}\n  there: {theirs:?} {:?}",
                    request.op, request.text, answer.error
                ));
            }
        }
    }
    assert!(readable * 5 > count, "only {readable} of {count} texts were readable");
    different.sort_by_key(String::len);
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different[..different.len().min(40)].join("\n")
    );
}

#[test]
fn parts_of_random_texts_are_those_of_the_whole() {
    /// Some of the keys that the texts are made of, at two levels.
    fn wanted(depth: usize, key: &str) -> bool {
        depth > 2 || key.len() % 2 == depth % 2
    }
    fn keep(value: &mut Value, depth: usize) {
        match value {
            Value::Object(entries) => {
                entries.retain(|key, _| wanted(depth, key));
                entries.values_mut().for_each(|value| keep(value, depth + 1));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| keep(item, depth + 1)),
            _ => {}
        }
    }
    let limits = Limits::default();
    let mut random = Random::new(2);
    for _ in 0..20_000 {
        let text = if random.one_in(3) { soup(&mut random) } else { mutated(&mut random) };
        let parts = read_parts(text.as_bytes(), &limits, wanted);
        match (read_document(text.as_bytes(), &limits), parts) {
            (Ok(mut whole), Ok(parts)) => {
                keep(&mut whole.value, 1);
                assert_eq!((whole.value, whole.line), (parts.value, parts.line), "{text:?}");
            }
            (Err(whole), Err(parts)) => assert_eq!(whole.to_string(), parts.to_string(), "{text:?}"),
            (whole, parts) => panic!("{text:?}\n  whole {whole:?}\n  parts {parts:?}"),
        }
    }
}
