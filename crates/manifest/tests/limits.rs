//! Hostile input: a clear error with its place, in bounded time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod support;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use support::random::Random;
use tiphys_manifest::yaml::{Limits, Problem, read_documents, to_yaml, write, write_pretty};

/// Far more than anything here takes, even without optimisation on a busy machine, and far less than a text of this
/// size would take if its time grew with the square.
const PATIENCE: Duration = Duration::from_secs(20);

fn expect_limit(text: &str, limits: &Limits, line: u32, message: &str) {
    let start = Instant::now();
    let error = read_documents(text.as_bytes(), limits).unwrap_err();
    assert!(start.elapsed() < PATIENCE);
    assert!(matches!(error.problem(), Problem::Limit(_)), "{error}");
    assert_eq!(error.line(), line, "{error}");
    assert!(error.to_string().contains(message), "{error}");
}

#[test]
fn alias_bombs_are_defused() {
    let mut bomb = "a0: &a0 [lol]\n".to_owned();
    for level in 1..20 {
        let below = format!("*a{}", level - 1);
        writeln!(bomb, "a{level}: &a{level} [{}]", [below.as_str(); 9].join(", ")).unwrap();
    }
    let small = Limits { nodes: 100_000, ..Limits::default() };
    expect_limit(&bomb, &small, 6, "after aliases are expanded");
}

#[test]
fn merge_bombs_are_defused() {
    let mut bomb = "a0: &a0 {x: 1}\n".to_owned();
    for level in 1..30 {
        let below = level - 1;
        writeln!(bomb, "a{level}: &a{level} {{k: {{<<: [*a{below}, *a{below}, *a{below}]}}, <<: *a{below}}}")
            .unwrap();
    }
    let small = Limits { nodes: 100_000, ..Limits::default() };
    expect_limit(&bomb, &small, 8, "after aliases are expanded");
}

#[test]
fn aliases_of_long_texts_are_counted_in_bytes() {
    let mut bomb = format!("a: &a {}\nb:\n", "x".repeat(1 << 20));
    for _ in 0..100 {
        bomb.push_str("- *a\n");
    }
    expect_limit(&bomb, &Limits::default(), 34, "bytes of text after aliases are expanded");
}

#[test]
fn sizes_are_limited() {
    let small = Limits { bytes: 100, depth: 3, nodes: 10, documents: 2 };
    expect_limit(&"a".repeat(101), &small, 1, "101 bytes");
    expect_limit("a:\n  b:\n    c:\n      d: 1\n", &small, 4, "more than 3");
    expect_limit("\n[[[[]]]]", &small, 2, "more than 3");
    expect_limit("- - - - a", &small, 1, "more than 3");
    expect_limit("a: &a [[1]]\nb: [[*a]]", &small, 2, "more than 3");
    expect_limit("[1, 2, 3,\n 4, 5, 6, 7,\n 8, 9, 10]", &small, 3, "more than 10");
    expect_limit("a\n---\nb\n---\nc\n", &small, 5, "more than 2 documents");
    expect_limit("a: [1, 2, 3, 4]\n---\nb: [1, 2, 3]\n", &small, 3, "more than 10");
}

/// The tests run in threads of 2 MiB, as tokio's workers do.
#[test]
fn no_limit_lets_a_text_exhaust_the_stack() {
    let deep = Limits { depth: usize::MAX, ..Limits::default() };
    let texts = |levels: usize| {
        let block = (0..levels).map(|level| " ".repeat(level) + "a:\n").collect();
        [
            "[".repeat(levels) + &"]".repeat(levels),
            "{a: ".repeat(levels) + &"}".repeat(levels),
            "- ".repeat(levels),
            "? ".repeat(levels),
            block,
        ]
    };
    for text in texts(250) {
        let Ok(mut documents) = read_documents(text.as_bytes(), &deep) else {
            assert!(text.starts_with('?'), "only mappings as keys are an error here");
            continue;
        };
        let value = documents.remove(0).value;
        assert_eq!(read_documents(write(&value).as_bytes(), &deep).unwrap()[0].value, value);
        write_pretty(&value);
    }
    for text in texts(5000) {
        let error = read_documents(text.as_bytes(), &deep).unwrap_err();
        assert!(matches!(error.problem(), Problem::Limit(_)), "{error}");
    }
}

/// Texts of a quarter of a megabyte that a scanner may stumble over. Whatever comes of them comes soon.
#[test]
fn long_texts_take_their_time_once() {
    let size = 1 << 18;
    let lines = |line: &str| line.repeat(size / line.len());
    let deep = |open: &str| open.repeat(size / open.len());
    let texts = [
        deep("["),
        deep("{"),
        deep("[{"),
        deep("{a: "),
        deep("- "),
        deep("? "),
        deep("a: "),
        deep("&a "),
        deep("!a "),
        deep("*a "),
        deep("! "),
        deep("|"),
        deep("'"),
        deep("\""),
        deep("\"\\"),
        deep("\t"),
        deep("#"),
        deep("%"),
        deep("---\n"),
        deep("...\n"),
        deep("\u{2028}"),
        deep("\u{feff}"),
        deep("é"),
        deep("[],"),
        format!("[{}]", deep("[],")),
        format!("[{}]", deep("a,")),
        format!("[{}]", deep("a: b,")),
        format!("{{{}}}", deep("a,")),
        format!("'{}'", deep("\n")),
        format!("\"{}\"", deep("\\n")),
        format!("'{}'", deep("''")),
        format!("a: |\n{}", lines(" \n")),
        format!("a: |\n{}", lines(" x\n")),
        format!("a: >\n{}", lines(" x\n\n")),
        format!("a:\n{}", lines("  x\n")),
        format!("a:\n{}", lines("- x\n")),
        format!("a: &a x\nb:\n{}", lines("- *a\n")),
        format!("a: &a {{x: 1}}\nb:\n{}", lines("  <<: *a\n")),
        lines("a: 1\n"),
        lines("# c\n"),
        lines("&a a: 1\n"),
        lines("? a\n: b\n"),
        format!("{}: 1", "k".repeat(size)),
        format!("[{}: 1]", "k ".repeat(size / 2)),
        format!("%TAG !a! {}\n---\n1", "x".repeat(size)),
        format!("!{} x", "a".repeat(size)),
        format!("&{} x", "a".repeat(size)),
    ];
    for text in texts {
        let start = Instant::now();
        let read = read_documents(text.as_bytes(), &Limits::default());
        let beginning: String = text.chars().take(20).collect();
        assert!(start.elapsed() < PATIENCE, "{beginning:?} took {:?}", start.elapsed());
        let Ok(documents) = read else { continue };
        for document in documents.iter().take(100) {
            let start = Instant::now();
            write(&document.value);
            write_pretty(&document.value);
            to_yaml(&document.value).ok();
            assert!(start.elapsed() < PATIENCE, "{beginning:?} took {:?} to write", start.elapsed());
        }
    }
}

#[test]
fn arbitrary_bytes_do_no_harm() {
    let mut random = Random::new(9);
    let alphabet = b"ab:-?[]{},&*!|>'\"%@`#\\ \t\n\r\0\x7f\xc2\x85\xe2\x80\xa8\xef\xbb\xbf\xff\xfe\xf0\x9f\x98\x80=<~012";
    for _ in 0..50_000 {
        let length = random.below(40);
        let bytes: Vec<u8> = (0..length).map(|_| alphabet[random.below(alphabet.len())]).collect();
        read_documents(&bytes, &Limits::default()).ok();
    }
}

#[test]
fn every_beginning_of_a_text_does_no_harm() {
    let text = "%YAML 1.1\n%TAG !e! tag:e,%41:\n---\n&a !e!x \"a\\u00e9\\\n b\": [? x : 'y''z', {<<: *a}]\nb: |+2\n    c\n\n... # d\n";
    for end in 0..=text.len() {
        read_documents(&text.as_bytes()[..end], &Limits::default()).ok();
    }
}

#[test]
fn other_encodings_are_read_and_what_is_none_is_refused() {
    let text = "é: 😀\n";
    let little: Vec<u8> =
        [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    let expected = read_documents(text.as_bytes(), &Limits::default()).unwrap();
    for bytes in [little.as_slice(), &big, "\u{feff}é: 😀\n".as_bytes()] {
        assert_eq!(read_documents(bytes, &Limits::default()).unwrap(), expected);
    }
    let refused: [(&[u8], u32, u32); 5] = [
        (b"a: 1\nb: \xff\n", 2, 4),
        (b"a: \xe9t\xe9", 1, 4),
        (&little[..little.len() - 3], 1, 4),
        (b"a: 1\n\xc3\xa9: \x00\n", 2, 4),
        (b"a\x1b[0m", 1, 2),
    ];
    for (bytes, line, column) in refused {
        let error = read_documents(bytes, &Limits::default()).unwrap_err();
        assert_eq!((error.line(), error.column()), (line, column), "{error}");
    }
}
