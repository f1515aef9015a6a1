//! Submodules, links and LFS pointers in real repositories, read as a renderer reads them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a step that fails here is a test that fails")]

mod support;

use std::io::Write as _;
use std::sync::Arc;

use sha1::{Digest as _, Sha1};

use support::{Fixture, path, remote};
use tiphys_source::{CommitId, Credentials, GitTree, Remote, RevisionSpec, Secret, Submodules};
use tiphys_tests::{Auth, GitServer, TestRepo};
use tiphys_tree::{Limits, TreePath, View};

const LIMITS: Limits = Limits { file_bytes: 1 << 20, files: 1000, total_bytes: 1 << 24 };

async fn tree(fixture: &Fixture, remote: &Remote) -> Arc<GitTree> {
    let tracked = fixture.mirrors.track(remote, &RevisionSpec::Default).unwrap();
    let revision = tracked.resolve().await.unwrap();
    tracked.tree(&revision).await.unwrap()
}

async fn view(fixture: &Fixture, remote: &Remote) -> View {
    View::new(tree(fixture, remote).await, LIMITS)
}

/// Commits a submodule with its declaration, and a file beside it.
fn add_submodule(repo: &TestRepo, url: &str, commit: &str) {
    let declaration = format!("[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = {url}\n");
    repo.commit("main")
        .write(".gitmodules", declaration)
        .submodule("vendor/lib", commit)
        .write("own", "own")
        .symlink("link", "vendor/lib/file")
        .finish();
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(error.source(), |it| std::error::Error::source(*it))
        .fold(error.to_string(), |text, it| format!("{text}: {it}"))
}

#[tokio::test]
async fn submodules_are_fetched_on_request_only() {
    let server = GitServer::start();
    let inner = server.create_repo("acme/inner", Auth::Anonymous);
    inner.commit_file("main", "deep", "d");
    let lib = server.create_repo("acme/lib", Auth::Anonymous);
    lib.commit("main")
        .write("file", "f")
        .write(".gitmodules", "[submodule \"i\"]\npath=inner\nurl=./../inner.git\n")
        .submodule("inner", &inner.id("main"))
        .finish();
    let repo = server.create_repo("acme/deploy", Auth::Anonymous);
    add_submodule(&repo, "../lib.git", &lib.id("main"));

    let fixture = Fixture::new();
    let refusing = view(&fixture, &remote(&repo)).await;
    assert_eq!(refusing.read(&path("own")).unwrap(), b"own");
    for error in [refusing.read(&path("link")).unwrap_err(), refusing.walk(&TreePath::root()).unwrap_err()] {
        assert!(error.to_string().contains("vendor/lib is a Git submodule"), "{error}");
    }
    assert!(server.requests(&lib).is_empty());

    let wanting = Remote { submodules: Submodules::Fetch, ..remote(&repo) };
    let fetched = view(&fixture, &wanting).await;
    assert_eq!(fetched.read(&path("vendor/lib/file")).unwrap(), b"f");
    assert_eq!(fetched.read(&path("link")).unwrap(), b"f");
    assert_eq!(fetched.read(&path("vendor/lib/inner/deep")).unwrap(), b"d");
    let files = fetched.walk(&path("vendor")).unwrap();
    let files: Vec<_> = files.iter().map(TreePath::as_str).collect();
    assert_eq!(files, ["vendor/lib/.gitmodules", "vendor/lib/file", "vendor/lib/inner/deep"]);
    let missing = fetched.read(&path("vendor/lib/nope")).unwrap_err();
    assert_eq!(missing.to_string(), "vendor/lib/nope does not exist");
    // The other commit of the submodule changes what was read in it, and nothing else.
    let of_lib = fetched.inputs();
    let beside = view(&fixture, &wanting).await;
    beside.read(&path("own")).unwrap();
    lib.commit_file("main", "file", "g");
    add_submodule(&repo, "../lib.git", &lib.id("main"));
    let tracked = fixture.mirrors.track(&wanting, &RevisionSpec::Default).unwrap();
    let revision = tracked.refresh().await.unwrap();
    let moved = tracked.tree(&revision).await.unwrap();
    assert!(!of_lib.unchanged_in(&*moved).unwrap());
    assert!(beside.inputs().unchanged_in(&*moved).unwrap());
}

#[tokio::test]
async fn a_submodule_that_cannot_be_had_harms_only_its_readers() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    repo.commit_file("main", "file", "1");
    let commit = repo.id("main");
    for (url, expected) in [
        ("../nope.git", "does not exist"),
        ("file:///etc", "file:// is refused"),
        ("ext::sh -c evil", "the character ' '"),
        ("/srv/git/x", "a path without a host is refused"),
        ("../../../x", "it climbs out of the server"),
        ("ssh://git@127.0.0.1/x", "ssh needs a private key"),
        ("../r.git", ""),
    ] {
        add_submodule(
            &repo,
            url,
            if expected.is_empty() { &commit } else { "0123456789012345678901234567890123456789" },
        );
        let fixture = Fixture::new();
        let view = view(&fixture, &Remote { submodules: Submodules::Fetch, ..remote(&repo) }).await;
        assert_eq!(view.read(&path("own")).unwrap(), b"own", "{url}");
        match view.read(&path("vendor/lib/file")) {
            Ok(content) => assert_eq!((content.as_slice(), expected), (&b"1"[..], "")),
            Err(error) => {
                assert!(!expected.is_empty() && chain(&error).contains(expected), "{url}: {}", chain(&error));
            }
        }
    }
}

#[tokio::test]
async fn credentials_go_to_the_same_server_only() {
    let token = "0123456789TOKEN";
    let here = GitServer::start();
    let there = GitServer::start();
    let auth = Auth::Bearer(token.to_owned());
    let sibling = here.create_repo("sibling", auth.clone());
    sibling.commit_file("main", "file", "s");
    let stranger = there.create_repo("stranger", auth.clone());
    stranger.commit_file("main", "file", "t");
    let repo = here.create_repo("r", auth);
    let fixture = Fixture::new();
    let credentials = Credentials::Bearer { token: Secret::new(token) };
    let remote = Remote { submodules: Submodules::Fetch, credentials, ..remote(&repo) };

    add_submodule(&repo, "../sibling.git", &sibling.id("main"));
    let first = view(&fixture, &remote).await;
    assert_eq!(first.read(&path("vendor/lib/file")).unwrap(), b"s");

    add_submodule(&repo, stranger.url(), &stranger.id("main"));
    let tracked = fixture.mirrors.track(&remote, &RevisionSpec::Default).unwrap();
    let revision = tracked.refresh().await.unwrap();
    let second = View::new(tracked.tree(&revision).await.unwrap(), LIMITS);
    assert!(second.read(&path("vendor/lib/file")).is_err());
    let requests = there.requests(&stranger);
    assert!(!requests.is_empty() && requests.iter().all(|it| it.authorization.is_none()), "{requests:?}");
}

#[tokio::test]
async fn repositories_inside_themselves_have_an_end() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    repo.commit_file("main", "file", "0");
    for _ in 0..8 {
        let commit = repo.id("main");
        add_submodule(&repo, "../r.git", &commit);
    }
    let fixture = Fixture::new();
    let view = view(&fixture, &Remote { submodules: Submodules::Fetch, ..remote(&repo) }).await;
    assert_eq!(view.read(&path("vendor/lib/own")).unwrap(), b"own");
    let deep = path("vendor/lib/vendor/lib/vendor/lib/vendor/lib/vendor/lib/own");
    assert!(chain(&view.read(&deep).unwrap_err()).contains("nested more than 4 deep"));
}

#[tokio::test]
async fn links_and_pointers_of_a_repository() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    repo.commit("main")
        .write("shared/values.yaml", "v")
        .symlink("app/values.yaml", "../shared/values.yaml")
        .symlink("app/passwd", "/etc/passwd")
        .symlink("app/up", "../../up")
        .symlink("app/loop", "loop")
        .symlink("app/long", &"x/".repeat(3000))
        .write("app/logo.png", pointer)
        .finish();
    let fixture = Fixture::new();
    let view = view(&fixture, &remote(&repo)).await;
    assert_eq!(view.read(&path("app/values.yaml")).unwrap(), b"v");
    for (file, expected) in [
        ("app/passwd", "outside the repository"),
        ("app/up", "outside the repository"),
        ("app/loop", "part of a loop"),
        ("app/long", "app/long has 6000 bytes"),
        ("app/logo.png", "is a Git LFS pointer"),
    ] {
        let error = view.read(&path(file)).unwrap_err();
        assert!(error.to_string().contains(expected), "{file}: {error}");
    }
}

/// An object of a pack: the header of gitformat-pack(5), what stands before the data, and the data compressed.
fn packed(kind: u8, before: &[u8], data: &[u8]) -> Vec<u8> {
    let mut size = data.len();
    let mut bytes = vec![(kind << 4) | u8::try_from(size & 15).unwrap()];
    size >>= 4;
    while size > 0 {
        *bytes.last_mut().unwrap() |= 0x80;
        bytes.push(u8::try_from(size & 0x7f).unwrap());
        size >>= 7;
    }
    bytes.extend(before);
    let mut encoder = flate2::write::ZlibEncoder::new(bytes, flate2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// Puts into the repository a large blob of zeros, and one of three bytes that is stored as a difference to it.
/// Gives their ids.
fn store_bomb(repo: &TestRepo, size: usize) -> [String; 2] {
    let zeros = vec![0; size];
    let name = |content: &[u8]| {
        let mut hash = Sha1::new();
        hash.update(format!("blob {}\0", content.len()));
        hash.update(content);
        hash.finalize()
    };
    let large = name(&zeros);
    let varint = |mut number: usize| {
        let mut bytes = Vec::new();
        while number > 0x7f {
            bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
            number >>= 7;
        }
        bytes.push(u8::try_from(number).unwrap());
        bytes
    };
    // The size of the base, the size of the result, and one instruction: insert three bytes.
    let delta = [varint(size), varint(3), vec![3, b'a', b'b', b'c']].concat();
    let objects = [packed(3, &[], &zeros), packed(7, &large, &delta)].concat();
    let mut pack = [&b"PACK\0\0\0\x02\0\0\0\x02"[..], &objects].concat();
    let checksum = Sha1::digest(&pack);
    pack.extend(checksum);
    let file = repo.path().join("bomb.pack");
    std::fs::write(&file, pack).unwrap();
    let index = repo.path().join("objects/pack/pack-0123456789012345678901234567890123456789.idx");
    std::fs::copy(&file, index.with_extension("pack")).unwrap();
    repo.git(&["index-pack", "-o", index.to_str().unwrap(), index.with_extension("pack").to_str().unwrap()]);
    [large, name(b"abc")].map(|id| CommitId::from_bytes(id.into()).to_string())
}

#[tokio::test]
async fn a_small_file_that_needs_a_large_one_is_not_read() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    repo.commit_file("main", "harmless", "h");
    let [large, small] = store_bomb(&repo, 100 << 20);
    repo.git(&["read-tree", "main"]);
    for (id, name) in [(&large, "large"), (&small, "small")] {
        repo.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{id},{name}")]);
    }
    let tree = repo.git(&["write-tree"]);
    let commit = repo.git(&["-c", "user.name=t", "-c", "user.email=t@h", "commit-tree", "-m", "bomb", &tree]);
    repo.git(&["update-ref", "refs/heads/main", &commit]);

    let fixture = Fixture::new();
    let view = view(&fixture, &remote(&repo)).await;
    assert_eq!(view.read(&path("harmless")).unwrap(), b"h");
    let error = view.read(&path("small")).unwrap_err();
    assert!(error.to_string().contains("small cannot be read: it is stored as a difference"), "{error}");
    assert_eq!(error.class(), tiphys_tree::Class::Invalid);
    assert!(view.read(&path("large")).unwrap_err().to_string().contains("more than the limit"));
}

#[tokio::test]
async fn a_file_over_the_limit_is_not_read() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    repo.commit("main").write("large", vec![b'x'; 100 << 20]).write("small", "s").finish();
    let fixture = Fixture::new();
    let view = view(&fixture, &remote(&repo)).await;
    let error = view.read(&path("large")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "large has 104857600 bytes, more than the limit of 1048576 bytes for one file"
    );
    assert_eq!(view.read(&path("small")).unwrap(), b"s");
}
