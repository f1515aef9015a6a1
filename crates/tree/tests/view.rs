//! Links, limits and inputs of a view, over a memory tree and over a real directory.

#![allow(clippy::unwrap_used, reason = "a step that fails here is a test that fails")]

use std::path::Path;
use std::sync::Arc;

use tiphys_tree::{Class, DirectoryTree, EntryKind, Error, Kind, Limits, MemoryTree, Tree, TreePath, View};

const LIMITS: Limits = Limits { file_bytes: 1000, files: 50, total_bytes: 5000 };
const LFS: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

/// Each line is `path=content`, or `path->target` for a link, or `path!submodule`.
fn memory(lines: &[&str]) -> MemoryTree {
    let mut tree = MemoryTree::new();
    for line in lines {
        if let Some((name, target)) = line.split_once("->") {
            tree.insert_symlink(&path(name), target).unwrap();
        } else if let Some(name) = line.strip_suffix("!submodule") {
            tree.insert_submodule(&path(name)).unwrap();
        } else {
            let (name, content) = line.split_once('=').unwrap();
            tree.insert(&path(name), content.as_bytes().to_vec()).unwrap();
        }
    }
    tree
}

fn on_disk(lines: &[&str]) -> (tempfile::TempDir, DirectoryTree) {
    let directory = tempfile::tempdir().unwrap();
    for line in lines {
        let name = line.split(['=', '!']).next().unwrap().split("->").next().unwrap();
        let place = directory.path().join(name);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        match (line.split_once("->"), line.split_once('=')) {
            (Some((_, target)), _) => std::os::unix::fs::symlink(target, place).unwrap(),
            (None, Some((_, content))) => std::fs::write(place, content).unwrap(),
            (None, None) => unreachable!("{line}"),
        }
    }
    let tree = DirectoryTree::open(directory.path()).unwrap();
    (directory, tree)
}

fn view(lines: &[&str]) -> View {
    View::new(Arc::new(memory(lines)), LIMITS)
}

/// Runs `check` over the same files in memory and on disk.
fn in_both(lines: &[&str], check: impl Fn(View)) {
    check(view(lines));
    let (_directory, tree) = on_disk(lines);
    check(View::new(Arc::new(tree), LIMITS));
}

fn names(files: &[TreePath]) -> Vec<&str> {
    files.iter().map(TreePath::as_str).collect()
}

#[test]
fn reads_lists_walks_and_globs() {
    let files = ["a/x.yaml=x", "a-b=1", "a/deep/y.yml=y", "a/ü z.txt=z", "ab=2"];
    in_both(&files, |view| {
        assert_eq!(view.read(&path("a/ü z.txt")).unwrap(), b"z");
        assert_eq!(view.kind(&path("a-b")).unwrap(), Some(Kind::File { size: 1 }));
        assert_eq!(view.kind(&path("a")).unwrap(), Some(Kind::Directory));
        assert_eq!(view.kind(&TreePath::root()).unwrap(), Some(Kind::Directory));
        assert_eq!(view.kind(&path("nope/x")).unwrap(), None);
        assert_eq!(view.read_optional(&path("a-b/x")).unwrap(), None);
        assert!(matches!(view.read(&path("a")), Err(Error::NotAFile { .. })));
        assert!(matches!(view.read(&path("c")), Err(Error::NotFound { .. })));
        assert!(matches!(view.walk(&path("ab")), Err(Error::NotADirectory { .. })));
        let root: Vec<_> =
            view.list(&TreePath::root()).unwrap().into_iter().map(|e| (e.name, e.kind)).collect();
        let expected = [("a", EntryKind::Directory), ("a-b", EntryKind::File), ("ab", EntryKind::File)];
        assert_eq!(root, expected.map(|(name, kind)| (name.to_owned(), kind)));
        let all = view.walk(&TreePath::root()).unwrap();
        assert_eq!(names(&all), ["a-b", "a/deep/y.yml", "a/x.yaml", "a/ü z.txt", "ab"]);
        for (pattern, expected) in [
            ("*.yaml", &["a/x.yaml"][..]),
            ("**/*.y{a,}ml", &["a/deep/y.yml", "a/x.yaml"]),
            ("*", &["a/x.yaml", "a/ü z.txt"]),
            ("deep/?.yml", &["a/deep/y.yml"]),
            ("nothing", &[]),
        ] {
            assert_eq!(names(&view.glob(&path("a"), pattern).unwrap()), expected, "{pattern}");
        }
        assert!(matches!(view.glob(&path("a"), "{a"), Err(Error::Pattern { .. })));
    });
}

#[test]
fn links_inside_are_followed() {
    let files = [
        "shared/values.yaml=v",
        "shared/sub/x=x",
        "apps/web/values.yaml->../../shared/values.yaml",
        "apps/web/common->../../shared",
        "apps/web/back->common/sub/../values.yaml",
        "apps/web/own=o",
    ];
    in_both(&files, |view| {
        assert_eq!(view.read(&path("apps/web/values.yaml")).unwrap(), b"v");
        assert_eq!(view.read(&path("apps/web/common/sub/x")).unwrap(), b"x");
        assert_eq!(view.read(&path("apps/web/back")).unwrap(), b"v");
        assert_eq!(view.kind(&path("apps/web/common")).unwrap(), Some(Kind::Directory));
        let files = view.walk(&path("apps/web")).unwrap();
        let expected = ["back", "common/sub/x", "common/values.yaml", "own", "values.yaml"];
        assert_eq!(names(&files), expected.map(|name| format!("apps/web/{name}")));
        for file in &files {
            view.read(file).unwrap();
        }
    });
}

#[test]
fn bad_links_are_refused() {
    let files = [
        "chart/passwd->/etc/passwd",
        "chart/up->../../etc",
        "chart/late->inside/../../../x",
        "chart/inside/y=1",
        "chart/nowhere->missing.yaml",
        "loop/a->b",
        "loop/b->a",
        "tree/self->../tree",
        "deep/through->../chart/up/passwd",
    ];
    let describe = |error: Error| match error {
        Error::LinkLeaves { link, .. } => format!("leaves {link}"),
        Error::LinkDangles { link, .. } => format!("dangles {link}"),
        Error::LinkLoop { link } => format!("loop {link}"),
        other => format!("other {other}"),
    };
    in_both(&files, |view| {
        for (asked, expected) in [
            ("chart/passwd", "leaves chart/passwd"),
            ("chart/up", "leaves chart/up"),
            ("chart/up/passwd", "leaves chart/up"),
            ("chart/late", "leaves chart/late"),
            ("chart/nowhere", "dangles chart/nowhere"),
            ("loop/a", "loop loop/a"),
            ("deep/through", "leaves chart/up"),
        ] {
            let error = view.read_optional(&path(asked)).unwrap_err();
            assert_eq!(error.class(), Class::Invalid);
            assert_eq!(describe(error), expected, "{asked}");
        }
        assert_eq!(describe(view.walk(&path("tree")).unwrap_err()), "loop tree/self");
        assert!(view.walk(&path("chart")).is_err());
        assert!(view.list(&path("chart")).is_err());
    });
}

#[test]
fn links_that_multiply_are_bounded() {
    let mut lines = vec!["d0/x=1".to_owned()];
    for level in 1..30 {
        lines.push(format!("d{level}/l->../d{}", level - 1));
        lines.push(format!("d{level}/r->../d{}", level - 1));
    }
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let error = view(&lines).walk(&path("d29")).unwrap_err();
    assert!(matches!(error, Error::TooManyFiles { limit: 50, .. }), "{error}");
}

#[test]
fn limits_hold() {
    let big = format!("big={}", "x".repeat(1001));
    let halves: Vec<_> = (0..6).map(|n| format!("h{n}={}", "x".repeat(999))).collect();
    let many: Vec<_> = (0..51).map(|n| format!("many/{n}=")).collect();
    let deep = format!("{}/x=", vec!["n"; 120].join("/"));
    let lines: Vec<_> = [&big, &deep].into_iter().chain(&halves).chain(&many).map(String::as_str).collect();
    let view = view(&lines);
    assert!(matches!(view.read(&path("big")), Err(Error::FileTooLarge { size: 1001, limit: 1000, .. })));
    for _ in 0..20 {
        view.read(&path("h0")).unwrap();
    }
    for n in 1..5 {
        view.read(&path(&format!("h{n}"))).unwrap();
    }
    assert!(matches!(view.read(&path("h5")), Err(Error::TotalTooLarge { limit: 5000, .. })));
    assert!(matches!(view.walk(&path("many")), Err(Error::TooManyFiles { limit: 50, .. })));
    let wide = View::new(Arc::new(memory(&lines)), Limits { files: 1000, ..LIMITS });
    assert!(matches!(wide.walk(&path("n")), Err(Error::TooDeep { .. })));
    let read: Result<Vec<_>, _> = (0..51).map(|n| view.read(&path(&format!("many/{n}")))).collect();
    assert!(matches!(read, Err(Error::TooManyFiles { .. })));
}

#[test]
fn submodules_and_lfs_pointers_say_what_to_do() {
    let lfs = format!("logo.png={LFS}");
    let view = view(&[&lfs, "vendor/lib!submodule", "link->vendor/lib/x"]);
    let errors = [
        view.read(&path("logo.png")).unwrap_err().to_string(),
        view.read(&path("vendor/lib/values.yaml")).unwrap_err().to_string(),
        view.walk(&TreePath::root()).unwrap_err().to_string(),
        view.read(&path("link")).unwrap_err().to_string(),
    ];
    assert!(errors[0].contains("logo.png is a Git LFS pointer"), "{}", errors[0]);
    for error in &errors[1..] {
        assert!(error.contains("vendor/lib is a Git submodule"), "{error}");
    }
}

/// What is asked of the view, which lines of the base the other tree lacks, the line it has beside them, and whether
/// the same reader would be given the same answers there.
type Case = (fn(&View), &'static str, &'static str, bool);

#[test]
fn inputs_change_when_an_answer_changes_and_only_then() {
    let base = [
        "app/Chart.yaml=c",
        "app/t/a=1",
        "app/values.yaml=v",
        "other/x=1",
        "link->app/values.yaml",
        "z/q/d=1",
    ];
    let read_values: fn(&View) = |view| drop(view.read(&path("app/values.yaml")).unwrap());
    let walk_app: fn(&View) = |view| drop(view.walk(&path("app")).unwrap());
    let list_app: fn(&View) = |view| drop(view.list(&path("app")).unwrap());
    let through: fn(&View) = |view| drop(view.read(&path("link")).unwrap());
    let missing: fn(&View) = |view| assert_eq!(view.read_optional(&path("app/no/extra.yaml")).unwrap(), None);
    let kind_of_app: fn(&View) = |view| assert!(view.kind(&path("app")).unwrap().is_some());
    let absent_in_z: fn(&View) = |view| assert_eq!(view.kind(&path("z/absent")).unwrap(), None);
    let cases: [Case; 21] = [
        (read_values, "", "other/x=2", true),
        (read_values, "", "app/new=2", true),
        (read_values, "", "app/values.yaml=w", false),
        (read_values, "", "app/values.yaml->../other/x", false),
        (walk_app, "", "other/x=2", true),
        (walk_app, "", "app/t/a=2", false),
        (walk_app, "", "app/t/deep/new=2", false),
        (list_app, "", "app/t/a=2", true),
        (list_app, "", "app/values.yaml=w", true),
        (list_app, "", "app/new=2", false),
        (through, "", "other/x=2", true),
        (through, "", "app/values.yaml=w", false),
        (through, "", "link->other/x", false),
        (missing, "", "app/values.yaml=w", true),
        (missing, "", "app/no/other=1", false),
        (missing, "", "app/no/extra.yaml=1", false),
        (missing, "", "app/no->../other", false),
        (kind_of_app, "", "app/values.yaml=w", true),
        (absent_in_z, "", "z/other=1", true),
        (absent_in_z, "", "z/absent=1", false),
        (absent_in_z, "z/", "z->other", false),
    ];
    for (ask, without, change, same) in cases {
        let view = view(&base);
        ask(&view);
        let name = change.split(['=']).next().unwrap().split("->").next().unwrap();
        let mut lines: Vec<_> = base
            .into_iter()
            .filter(|line| !line.starts_with(&format!("{name}=")) && !line.starts_with(&format!("{name}->")))
            .filter(|line| without.is_empty() || !line.starts_with(without))
            .collect();
        lines.push(change);
        let other = memory(&lines);
        assert!(view.inputs().unchanged_in(&memory(&base)).unwrap(), "{change}: base");
        assert_eq!(view.inputs().unchanged_in(&other).unwrap(), same, "{change}");
        let fresh = View::new(Arc::new(other), LIMITS);
        if same {
            ask(&fresh);
            assert_eq!(fresh.inputs(), view.inputs(), "{change}");
            assert_eq!(fresh.inputs().digest(), view.inputs().digest(), "{change}");
        }
    }
}

#[test]
fn a_walked_directory_is_one_input_and_links_out_of_it_are_others() {
    let view =
        view(&["app/a=1", "app/l->../shared/f", "app/d->../dir", "shared/f=1", "shared/g=1", "dir/x=1"]);
    for file in view.walk(&path("app")).unwrap() {
        view.read(&file).unwrap();
    }
    let inputs = view.inputs();
    let paths: Vec<_> = inputs.paths().map(TreePath::as_str).collect();
    assert_eq!(paths, ["app", "dir", "shared/f"]);
    let base = ["app/a=1", "app/l->../shared/f", "app/d->../dir"];
    for (rest, same) in [
        (["shared/f=1", "shared/g=2", "dir/x=1"], true),
        (["shared/f=2", "shared/g=1", "dir/x=1"], false),
        (["shared/f=1", "shared/g=1", "dir/x=2"], false),
    ] {
        let other = memory(&[&base[..], &rest[..]].concat());
        assert_eq!(inputs.unchanged_in(&other).unwrap(), same, "{rest:?}");
    }
}

#[test]
fn equal_content_has_equal_digests_in_memory_and_on_disk() {
    let lines = ["a/x=1", "a/y->x", "b=2"];
    let (_directory, disk) = on_disk(&lines);
    let memory = memory(&lines);
    for name in ["", "a", "a/x", "a/y", "b", "nope"] {
        assert_eq!(disk.digest(&path(name)).unwrap(), memory.digest(&path(name)).unwrap(), "{name}");
    }
    let one = memory.digest(&TreePath::root()).unwrap();
    assert_ne!(one, self::memory(&["a/x=1", "a/y=x", "b=2"]).digest(&TreePath::root()).unwrap());
}

#[test]
fn a_local_directory_never_leaves_its_root() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "s").unwrap();
    let (directory, tree) = on_disk(&["a/x=1", ".git/config=c", "a/.git=gitdir"]);
    std::os::unix::fs::symlink(outside.path(), directory.path().join("out")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(directory.path().join("a/socket")).unwrap();
    assert_eq!(tree.entry(&path("out/secret")).unwrap(), None);
    assert!(tree.read(&path("out/secret"), 10).is_err());
    assert!(tree.read(&path("out"), 10).is_err());
    assert_eq!(tree.entry(&path(".git/config")).unwrap(), None);
    let root: Vec<_> = tree.list(&TreePath::root()).unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(root, ["a", "out"]);
    assert!(matches!(tree.list(&path("a")), Err(Error::NotRegular { .. })));
    assert!(matches!(tree.read(&path("a/socket"), 10), Err(Error::NotAFile { .. })));
    assert!(matches!(tree.read(&path("a/x"), 0), Err(Error::FileTooLarge { size: 1, limit: 0, .. })));
    assert!(DirectoryTree::open(&directory.path().join("a/x")).is_err());
    let missing = DirectoryTree::open(Path::new("/nonexistent")).unwrap_err();
    assert_eq!(missing.class(), Class::Transient);
    assert!(std::error::Error::source(&missing).unwrap().to_string().contains("/nonexistent"));
}

#[test]
fn a_memory_tree_refuses_what_no_file_system_can_hold() {
    let mut tree = memory(&["a/b=1"]);
    assert!(matches!(tree.insert(&path("a"), *b"x"), Err(Error::NotAFile { .. })));
    assert!(matches!(tree.insert(&path("a/b/c"), *b"x"), Err(Error::NotADirectory { .. })));
    assert!(tree.insert(&TreePath::root(), *b"x").is_err());
    tree.insert(&path("a/b"), *b"new").unwrap();
    assert_eq!(tree.read(&path("a/b"), 10).unwrap(), b"new");
}
