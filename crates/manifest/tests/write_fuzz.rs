//! Random values written here and by the libraries of Helm: the same bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]
#![allow(clippy::cast_precision_loss, reason = "any float will do")]

mod support;

use serde_json::{Map, Number, Value};
use support::peer::{Request, ask};
use support::random::Random;
use tiphys_manifest::yaml;

fn words() -> Vec<String> {
    serde_json::from_str(include_str!("cases/fuzz/words.json")).unwrap()
}

fn text(random: &mut Random, words: &[String]) -> String {
    if random.one_in(3) {
        return words[random.below(words.len())].clone();
    }
    let count = if random.one_in(6) { random.below(60) } else { random.below(5) };
    let mut text = String::new();
    for _ in 0..count {
        text.push_str(&words[random.below(words.len())]);
        if random.one_in(2) {
            text.push_str(random.pick(&[" ", " ", " ", "  ", "\n", ", "]));
        }
    }
    text
}

fn number(random: &mut Random) -> Number {
    let bits = random.next();
    match random.below(8) {
        0 => Number::from(bits),
        1 => Number::from(bits.cast_signed()),
        2 => Number::from(bits.cast_signed() % 1000),
        3 => Number::from_f64(f64::from_bits(bits)).unwrap_or(Number::from(0)),
        4 => Number::from_f64((bits % 100_000) as f64 / 1000.0).unwrap(),
        // Often halfway between two shortest forms.
        5 | 6 => Number::from_f64((bits >> (8 + bits % 16)) as f64 / 8.0).unwrap(),
        _ => Number::from_f64((bits % 1000) as f64 * 10_f64.powi(i32::try_from(bits % 30).unwrap() - 8))
            .unwrap(),
    }
}

fn value(random: &mut Random, words: &[String], depth: usize) -> Value {
    match random.below(if depth == 0 { 6 } else { 10 }) {
        0 => Value::Null,
        1 => Value::Bool(random.one_in(2)),
        2 => Value::Number(number(random)),
        3..=5 => Value::String(text(random, words)),
        6 | 7 => (0..random.below(4)).map(|_| value(random, words, depth - 1)).collect(),
        _ => {
            let mut entries = Map::new();
            for _ in 0..random.below(5) {
                entries.insert(text(random, words), value(random, words, depth - 1));
            }
            Value::Object(entries)
        }
    }
}

/// go-yaml v2 orders `10`, `1a` and `2` in a circle, so that chance decides.
fn has_ambiguous_order(value: &Value) -> bool {
    let is_mixed = |key: &String| {
        key.as_bytes().windows(2).any(|pair| pair[0].is_ascii_digit() && !pair[1].is_ascii_digit())
    };
    match value {
        Value::Array(items) => items.iter().any(has_ambiguous_order),
        Value::Object(entries) => {
            (entries.len() > 2 && entries.keys().any(is_mixed)) || entries.values().any(has_ambiguous_order)
        }
        _ => false,
    }
}

#[test]
fn random_values_are_written_as_helm_writes_them() {
    let count: usize = std::env::var("TIPHYS_FUZZ_CASES").map_or(4_000, |count| count.parse().unwrap());
    let seed = std::env::var("TIPHYS_FUZZ_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut random = Random::new(seed);
    let words = words();
    let mut different = Vec::new();
    let mut left = count;
    let mut compared = 0;
    while left > 0 {
        let values: Vec<Value> = (0..left.min(10_000)).map(|_| value(&mut random, &words, 4)).collect();
        left -= values.len();
        let requests: Vec<Request> = values
            .iter()
            .flat_map(|value| ["write", "write3"].map(|op| Request { op, text: value.to_string() }))
            .collect();
        let answers = ask(&requests);
        for (value, answers) in values.iter().zip(answers.chunks(2)) {
            let ambiguous = has_ambiguous_order(value);
            let written = [yaml::to_yaml(value).ok(), Some(yaml::write_pretty(value))];
            for ((ours, answer), op) in written.iter().zip(answers).zip(["write", "write3"]) {
                compared += 1;
                if *ours != answer.text && !(ambiguous && op == "write") {
                    different.push(format!("{op} {value}\n  here:  {ours:?}\n  there: {answer:?}"));
                }
            }
            if written[0].is_some() && is_read_back(value) {
                let again =
                    yaml::read(&yaml::write(value)).unwrap_or_else(|error| panic!("{error}: {value}"));
                assert_eq!(again, normal(value), "{value}");
            }
        }
    }
    assert!(compared >= count);
    different.sort_by_key(String::len);
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different[..different.len().min(30)].join("\n")
    );
}

/// go-yaml writes the key `<<` without quotes, and U+0085 is a line break to it.
fn is_read_back(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(is_read_back),
        Value::Object(entries) => {
            entries.iter().all(|(key, value)| key != "<<" && !key.contains('\u{85}') && is_read_back(value))
        }
        Value::String(text) => !text.contains('\u{85}'),
        _ => true,
    }
}

/// Whole floats as the integers that they are in JSON.
fn normal(value: &Value) -> Value {
    yaml::read(&value.to_string().replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")).unwrap()
}
