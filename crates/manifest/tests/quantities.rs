//! Quantities here and in Kubernetes' own library.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod support;

use std::cmp::Ordering;

use support::peer::{Request, ask};
use support::random::Random;
use tiphys_manifest::quantity::Quantity;

fn random_quantity(random: &mut Random) -> String {
    let number = match random.below(6) {
        0 => format!("{}", random.below(2000)),
        1 => format!("{}.{}", random.below(100), random.below(100_000)),
        2 => format!("{}", random.next()),
        3 => format!(".{:0width$}", random.below(1000), width = 1 + random.below(12)),
        4 => format!("00{}.{}00", random.below(10), random.next()),
        _ => format!("{}000", random.below(1024) * 512),
    };
    let sign = random.pick(&["", "", "", "-", "+"]);
    let suffix = random.pick(&[
        "", "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E6",
        "e-3", "e+2",
    ]);
    format!("{sign}{number}{suffix}")
}

/// Kubernetes leaves out a decimal suffix beyond E: it prints 1000E as 1.
fn is_beyond_suffixes(text: &str, quantity: &Quantity) -> bool {
    let largest: Quantity = "999999999999999999999".parse().unwrap();
    !text.contains(['e', 'i'])
        && (*quantity > largest || *quantity < "-999999999999999999999".parse().unwrap())
}

#[test]
fn quantities_mean_and_print_what_they_do_in_kubernetes() {
    let mut random = Random::new(5);
    let mut texts: Vec<String> = include_str!("cases/quantities.txt").lines().map(str::to_owned).collect();
    texts.extend((0..20_000).map(|_| random_quantity(&mut random)));
    let requests: Vec<Request> =
        texts.iter().map(|text| Request { op: "quantity", text: text.clone() }).collect();
    for (text, answer) in texts.iter().zip(ask(&requests)) {
        let ours = text.parse::<Quantity>();
        if ours.as_ref().is_ok_and(|ours| is_beyond_suffixes(text, ours)) {
            continue;
        }
        assert_eq!(ours.as_ref().ok().map(ToString::to_string), answer.text, "{text}");
        if let Ok(ours) = ours {
            let again: Quantity = ours.to_string().parse().unwrap();
            assert_eq!(again, ours, "{text}");
            assert_eq!(again.to_string(), ours.to_string(), "{text}");
        }
    }
}

#[test]
fn quantities_compare_as_in_kubernetes() {
    let mut random = Random::new(6);
    let pairs: Vec<(String, String)> =
        (0..20_000).map(|_| (random_quantity(&mut random), random_quantity(&mut random))).collect();
    let requests: Vec<Request> = pairs
        .iter()
        .map(|(left, right)| Request { op: "compare", text: format!("{left}\n{right}") })
        .collect();
    for ((left, right), answer) in pairs.iter().zip(ask(&requests)) {
        let ours = match left.parse::<Quantity>().unwrap().cmp(&right.parse().unwrap()) {
            Ordering::Less => "-1",
            Ordering::Equal => "0",
            Ordering::Greater => "1",
        };
        assert_eq!(Some(ours), answer.text.as_deref(), "{left} {right}");
    }
}

/// Kubernetes' library works for minutes on these.
#[test]
fn huge_exponents_cost_nothing() {
    let huge: Quantity = "1e2147483647".parse().unwrap();
    assert!(huge > "1E".parse().unwrap());
    assert_eq!("1e-2147483648".parse::<Quantity>().unwrap(), "1n".parse().unwrap());
    for text in ["1e2147483648", "1.5e-2147483648", "1e99999999999999999999"] {
        assert!(text.parse::<Quantity>().is_err(), "{text}");
    }
}

#[test]
fn values_of_manifests_are_read() {
    let parse = |value: serde_json::Value| Quantity::from_json(&value);
    assert_eq!(parse(serde_json::json!(0.5)).unwrap(), "500m".parse().unwrap());
    assert_eq!(parse(serde_json::json!(1)).unwrap(), parse(serde_json::json!(" 1000m ")).unwrap());
    for value in
        [serde_json::json!(null), serde_json::json!(["1"]), serde_json::json!("one"), serde_json::json!(true)]
    {
        assert!(parse(value).is_err());
    }
}
