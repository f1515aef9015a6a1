//! Paths inside a tree.

#![allow(clippy::unwrap_used, reason = "a step that fails here is a test that fails")]

use proptest::prelude::*;
use tiphys_tree::{PathError, TreePath};

#[test]
fn parse_normalises_or_refuses() {
    let good = [
        ("", ""),
        (".", ""),
        ("./", ""),
        ("apps/web", "apps/web"),
        ("./apps//web/", "apps/web"),
        ("a b/ü.yaml", "a b/ü.yaml"),
        ("..a/b..", "..a/b.."),
        ("a\\b", "a\\b"),
    ];
    for (text, expected) in good {
        assert_eq!(
            TreePath::parse(text).map(|path| path.as_str().to_owned()),
            Ok(expected.to_owned()),
            "{text:?}"
        );
    }
    let leaves = |path: &str| PathError::Leaves { path: path.to_owned() };
    let bad = [
        ("/etc/passwd", PathError::Absolute { path: "/etc/passwd".to_owned() }),
        ("..", leaves("..")),
        ("a/../b", leaves("a/../b")),
        ("a/..", leaves("a/..")),
        ("a\0b", PathError::Nul { path: "a\0b".to_owned() }),
    ];
    for (text, expected) in bad {
        assert_eq!(TreePath::parse(text), Err(expected), "{text:?}");
    }
}

#[test]
fn resolve_climbs_inside_the_tree_only() {
    let chart = TreePath::parse("apps/web").unwrap();
    for (relative, expected) in [
        ("values.yaml", Some("apps/web/values.yaml")),
        ("../common/values.yaml", Some("apps/common/values.yaml")),
        ("../../values.yaml", Some("values.yaml")),
        ("../../../values.yaml", None),
        ("../..", Some("")),
        ("/values.yaml", None),
    ] {
        let resolved = chart.resolve(relative).ok();
        assert_eq!(resolved.as_ref().map(TreePath::as_str), expected, "{relative}");
    }
}

#[test]
fn child_takes_single_names_only() {
    for name in ["", ".", "..", "a/b", "/", "a\0"] {
        assert!(TreePath::root().child(name).is_err(), "{name:?}");
    }
    assert_eq!(TreePath::root().child("...").unwrap().as_str(), "...");
}

#[test]
fn relations() {
    let path = TreePath::parse("a/b/c").unwrap();
    assert_eq!(path.name(), Some("c"));
    let ancestors: Vec<_> = path.ancestors().map(|path| path.as_str().to_owned()).collect();
    assert_eq!(ancestors, ["a/b", "a", ""]);
    for (directory, rest) in
        [("", Some("a/b/c")), ("a", Some("b/c")), ("a/b/c", Some("")), ("a/b/c/d", None), ("a/", Some("b/c"))]
    {
        let directory = TreePath::parse(directory).unwrap();
        assert_eq!(path.strip_prefix(&directory).as_ref().map(TreePath::as_str), rest, "{directory}");
    }
    assert!(!TreePath::parse("ab").unwrap().starts_with(&TreePath::parse("a").unwrap()));
}

#[test]
fn display_is_safe_for_a_terminal() {
    let path = TreePath::parse("a/\u{1b}[31mred\n").unwrap();
    assert_eq!(path.to_string(), "a/\\u{1b}[31mred\\n");
    assert_eq!(TreePath::root().to_string(), ".");
}

proptest! {
    #[test]
    fn no_text_gives_a_path_that_leaves(text in "[a./\\x00-\\x02 ü]{0,24}", relative in "[a./]{0,12}") {
        if let Ok(path) = TreePath::parse(&text) {
            prop_assert!(path.components().all(|part| !matches!(part, "" | "." | "..")));
            prop_assert!(!path.as_str().starts_with('/') && !path.as_str().ends_with('/'));
            prop_assert_eq!(&TreePath::parse(path.as_str()).unwrap(), &path);
            if let Ok(resolved) = path.resolve(&relative) {
                prop_assert!(resolved.components().all(|part| !matches!(part, "" | "." | "..")));
            }
        }
    }
}
