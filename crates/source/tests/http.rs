//! Repositories behind `git http-backend`: what is found, what is fetched, how often the server is asked.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a step that fails here is a test that fails")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::{Fixture, path, read, refreshed, remote};
use tiphys_source::{Class, CommitId, Error, Remote, Revision, RevisionSpec, Tracked};
use tiphys_tests::{Auth, GitServer, Service};
use tiphys_tree::{Entry, Tree};

#[tokio::test]
async fn branches_tags_commits_and_ranges_are_found_and_read() {
    let server = GitServer::start();
    let repo = server.create_repo("acme/deploy", Auth::Anonymous);
    let first = repo.commit_file("main", "file", "1");
    repo.tag("v1.0.0", "main");
    repo.commit_file("main", "file", "2");
    let tag_object = repo.annotated_tag("v1.2.0", "main", "release");
    repo.commit_file("main", "file", "3");
    repo.tag("v2.0.0-rc.1", "main");
    let middle = repo.commit_file("main", "file", "4");
    repo.commit_file("main", "file", "5");
    repo.commit_file("feature/ü-x", "file", "6");
    assert_ne!(tag_object, repo.id("v1.2.0"));
    repo.pack();

    let fixture = Fixture::new();
    for (spec, name, content) in [
        ("", "main@", "5"),
        ("main", "main@", "5"),
        ("refs/heads/main", "main@", "5"),
        ("feature/ü-x", "feature/ü-x@", "6"),
        ("v1.0.0", "v1.0.0@", "1"),
        ("v1.2.0", "v1.2.0@", "2"),
        ("^1", "v1.2.0@", "2"),
        (">=2.0.0-0", "v2.0.0-rc.1@", "3"),
        (first.as_str(), "sha1:", "1"),
        // Between the tips: no branch or tag points at it.
        (middle.as_str(), "sha1:", "4"),
    ] {
        let tracked = fixture.track(&repo, spec);
        let revision = tracked.resolve().await.unwrap();
        assert!(revision.to_string().starts_with(name), "{spec}: {revision}");
        assert_eq!(revision.to_string().parse::<Revision>().unwrap(), revision);
        assert_eq!(read(&tracked, &revision, "file").await, content, "{spec}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_so() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    let fixture = Fixture::new();
    let main = fixture.track(&repo, "main");
    let empty = main.resolve().await.unwrap_err();
    assert!(matches!(empty, Error::Empty { .. }), "{empty}");
    assert_eq!(empty.class(), Class::NotFound);

    repo.commit_file("main", "file", "1");
    assert_eq!(refreshed(&main, "file").await, "1");
    for (spec, expected) in [
        ("nope", "has no branch, tag or version \"nope\"; push it"),
        ("refs/tags/main", "has no tag \"main\""),
        (">=1", "has no branch, tag or version \">=1\""),
        ("semver:>=1", "it has no tags at all"),
        (
            "0123456789012345678901234567890123456789",
            "has no commit 0123456789012345678901234567890123456789; push a branch",
        ),
    ] {
        let error = fixture.track(&repo, spec).resolve().await.unwrap_err();
        assert!(error.to_string().contains(expected), "{spec}: {error}");
        assert_eq!(error.class(), Class::NotFound, "{spec}");
    }
    // One bad wish does not take anything from the others.
    assert!(main.refresh().await.is_ok());

    let missing = Remote { url: format!("{}/none.git", server.url()).parse().unwrap(), ..remote(&repo) };
    let error = fixture.mirrors.track(&missing, &RevisionSpec::Default).unwrap().resolve().await.unwrap_err();
    assert!(matches!(error, Error::RepositoryNotFound { .. }), "{error}");
    assert_eq!(error.class(), Class::Forbidden);
}

#[tokio::test]
async fn a_commit_is_found_without_the_help_of_the_server() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    repo.git(&["config", "uploadpack.allowAnySHA1InWant", "false"]);
    let first = repo.commit_file("main", "file", "1");
    for n in 2..5 {
        repo.commit_file("main", "file", n.to_string());
    }
    let fixture = Fixture::new();
    // A mirror with the tip alone first, so that the history has to be completed.
    let main = fixture.track(&repo, "main");
    assert_eq!(refreshed(&main, "file").await, "4");
    let pinned = fixture.track(&repo, &first);
    let revision = pinned.resolve().await.unwrap();
    assert_eq!(read(&pinned, &revision, "file").await, "1");
    // And the mirror goes on working.
    repo.commit_file("main", "file", "5");
    assert_eq!(refreshed(&main, "file").await, "5");
    let unreachable = fixture.track(&repo, "0123456789012345678901234567890123456789");
    assert!(matches!(unreachable.resolve().await, Err(Error::RevisionNotFound { .. })));
}

#[tokio::test]
async fn pushes_force_pushes_and_deletions_are_followed() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    repo.commit("main").write("file", "1").write("other", "same").finish();
    let fixture = Fixture::new();
    let main = fixture.track(&repo, "main");
    assert_eq!(refreshed(&main, "file").await, "1");
    let old = main.resolve().await.unwrap();

    repo.commit_file("main", "file", "2");
    assert_eq!(refreshed(&main, "file").await, "2");
    // Back to content that only an older commit had: the server must not think that we have it.
    repo.commit_file("main", "file", "1");
    assert_eq!(refreshed(&main, "file").await, "1");
    repo.commit("main").orphan().write("file", "forced").finish();
    assert_eq!(refreshed(&main, "file").await, "forced");
    repo.set_branch("main", &old.commit().to_string());
    assert_eq!(main.refresh().await.unwrap(), old);
    assert_eq!(read(&main, &old, "other").await, "same");

    repo.commit_file("keep", "file", "k");
    repo.delete_branch("main");
    let error = main.refresh().await.unwrap_err();
    assert!(error.to_string().contains("\"main\""), "{error}");
    // What was read before can still be read: a Sync may be under way.
    assert_eq!(read(&main, &old, "file").await, "1");
    repo.commit_file("main", "file", "new");
    assert_eq!(refreshed(&main, "file").await, "new");
}

#[tokio::test]
async fn a_change_costs_one_connection_and_no_change_one_request() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    repo.commit_file("main", "file", "0");
    let fixture = Fixture::new();
    let main = fixture.track(&repo, "main");
    main.resolve().await.unwrap();
    for n in 1..4 {
        repo.commit_file("main", "file", n.to_string());
        server.forget();
        main.refresh().await.unwrap();
        assert_eq!(server.count(&repo, Service::Refs), 1);
        let uploads = server.count(&repo, Service::UploadPack);
        assert!((1..=3).contains(&uploads), "{uploads}");
        server.forget();
        main.refresh().await.unwrap();
        assert_eq!(server.requests(&repo).len(), 1);
    }
}

#[tokio::test]
async fn many_who_ask_are_answered_by_few_looks() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    repo.commit_file("main", "file", "1");
    repo.commit_file("dev", "file", "2");
    let fixture = Fixture::new();
    let tracked: Vec<_> =
        (0..100).map(|n| fixture.track(&repo, if n % 2 == 0 { "main" } else { "dev" })).collect();
    futures::future::try_join_all(tracked.iter().map(Tracked::resolve)).await.unwrap();
    assert_eq!(fixture.on_disk().len(), 1);
    let counters = fixture.mirrors.counters();
    assert!(counters.looks <= 2 && counters.fetches <= 2, "{counters:?}");

    repo.commit_file("main", "file", "3");
    let before = fixture.mirrors.counters();
    let revisions = futures::future::try_join_all(tracked.iter().map(Tracked::refresh)).await.unwrap();
    let after = fixture.mirrors.counters();
    assert!(after.looks - before.looks <= 2, "{before:?} {after:?}");
    assert_eq!(after.fetches - before.fetches, 1);
    assert_eq!(read(&tracked[0], &revisions[0], "file").await, "3");
}

#[tokio::test]
async fn changes_are_told_to_those_whom_they_concern() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    repo.commit_file("main", "file", "1");
    repo.commit_file("dev", "file", "1");
    let fixture = Fixture::new();
    let (main, dev) = (fixture.track(&repo, "main"), fixture.track(&repo, "dev"));
    let (first, _) = (main.resolve().await.unwrap(), dev.resolve().await.unwrap());
    main.refresh().await.unwrap();
    let mut all = fixture.mirrors.subscribe();
    let (mut of_main, mut of_dev) = (main.subscribe(), dev.subscribe());
    of_main.mark_unchanged();
    of_dev.mark_unchanged();

    // Nothing was pushed, so nobody is told.
    main.refresh().await.unwrap();
    assert!(all.try_recv().is_err());

    repo.commit_file("main", "file", "2");
    fixture.mirrors.notify(main.key());
    tokio::time::timeout(Duration::from_secs(10), of_main.changed()).await.unwrap().unwrap();
    let second = main.known().unwrap().unwrap();
    assert_ne!(second, first);
    assert_eq!(all.recv().await.unwrap().key, main.key());
    assert!(!of_dev.has_changed().unwrap());
    assert_eq!(read(&main, &second, "file").await, "2");
}

#[tokio::test]
async fn the_server_is_asked_at_the_interval() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    repo.commit_file("main", "file", "1");
    let fixture = Fixture::new();
    let often = Remote { interval: Duration::from_secs(1), ..remote(&repo) };
    let main = fixture.mirrors.track(&often, &RevisionSpec::Default).unwrap();
    let first = main.resolve().await.unwrap();
    let mut answers = main.subscribe();
    repo.commit_file("main", "file", "2");
    let moved = answers.wait_for(|it| it.as_ref().is_some_and(|it| it.as_ref().unwrap() != &first));
    tokio::time::timeout(Duration::from_secs(10), moved).await.unwrap().unwrap();
    // Without interest nobody asks.
    drop((main, answers));
    let looks = fixture.mirrors.counters().looks;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(fixture.mirrors.counters().looks <= looks + 1);
}

#[tokio::test]
async fn a_large_repository_with_every_kind_of_name() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    let names: Vec<String> = (0..50_000).map(|n| format!("dir {}/sub-ü/file {n}.yaml", n % 100)).collect();
    let mut commit = repo.commit("main").symlink("link", "dir 1/sub-ü").write_executable("run", "x");
    for name in &names {
        commit = commit.write(name, name);
    }
    commit.finish();
    repo.pack();
    let fixture = Fixture::new();
    let main = fixture.track(&repo, "main");
    let tree = main.tree(&main.resolve().await.unwrap()).await.unwrap();
    for name in names.iter().step_by(997) {
        assert_eq!(tree.read(&path(name), 1000).unwrap(), name.as_bytes());
    }
    assert_eq!(tree.entry(&path("link")).unwrap(), Some(Entry::Symlink { target: "dir 1/sub-ü".to_owned() }));
    assert_eq!(tree.entry(&path("run")).unwrap(), Some(Entry::File { size: 1 }));
    let limits = tiphys_tree::Limits { file_bytes: 1000, files: 60_000, total_bytes: 1 << 30 };
    let view = tiphys_tree::View::new(tree, limits);
    assert_eq!(view.walk(&tiphys_tree::TreePath::root()).unwrap().len(), 50_000 + 500 + 1);
    // One file more is one small pack more.
    repo.commit_file("main", "dir 1/new", "n");
    let before = fixture.mirrors.counters().received_bytes;
    assert_eq!(refreshed(&main, "dir 1/new").await, "n");
    let received = fixture.mirrors.counters().received_bytes - before;
    assert!(received < 20_000, "{received} bytes for one file");
}

#[tokio::test]
async fn what_a_tree_holds_stays_while_mirrors_are_tidied() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    repo.commit_file("main", "file", "first");
    let fixture = Fixture::new();
    let often = Remote { interval: Duration::from_secs(1), ..remote(&repo) };
    let main = fixture.mirrors.track(&often, &RevisionSpec::Default).unwrap();
    let first = main.tree(&main.resolve().await.unwrap()).await.unwrap();
    for n in 0..40 {
        repo.commit("main").write("file", n.to_string()).write(&format!("more/{n}"), "x".repeat(n)).finish();
        main.refresh().await.unwrap();
    }
    tiphys_tests::eventually("the packs are put together", Duration::from_secs(20), || async {
        let count = fixture.packs().len();
        if count < 5 { Ok(()) } else { Err(format!("{count} packs")) }
    })
    .await;
    assert_eq!(first.read(&path("file"), 100).unwrap(), b"first");
    let tree = main.tree(&main.resolve().await.unwrap()).await.unwrap();
    assert_eq!(tree.read(&path("file"), 100).unwrap(), b"39");
    assert_eq!(tree.list(&path("more")).unwrap().len(), 40);
    // And the server still sends only what is new.
    repo.commit_file("main", "file", "after");
    assert_eq!(refreshed(&main, "file").await, "after");
}

#[tokio::test]
async fn those_who_read_a_commit_at_the_same_time_share_it() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    repo.commit_file("main", "file", "1");
    let fixture = Fixture::new();
    let (one, other) = (fixture.track(&repo, "main"), fixture.track(&repo, ""));
    let revision = one.resolve().await.unwrap();
    let tree = one.tree(&revision).await.unwrap();
    assert!(Arc::ptr_eq(&tree, &other.tree(&revision).await.unwrap()));
    // Nobody holds on to it for those who may come.
    let seen = Arc::downgrade(&tree);
    drop(tree);
    assert!(seen.upgrade().is_none());
    repo.commit_file("main", "file", "2");
    assert_eq!(refreshed(&one, "file").await, "2");
    assert_eq!(read(&other, &revision, "file").await, "1");
}

#[tokio::test]
async fn a_damaged_mirror_is_made_anew() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    repo.commit_file("main", "file", "1");
    let fixture = Fixture::new();
    let main = fixture.track(&repo, "main");
    let revision = main.resolve().await.unwrap();
    let [mirror] = fixture.on_disk().try_into().unwrap();
    let git = mirror.join("git");

    // What a worker leaves that was killed.
    for leftover in ["HEAD.lock", "shallow.lock", "objects/pack/pack_git2_a1b2c3", "refs/tiphys/x.lock"] {
        std::fs::write(git.join(leftover), "x").unwrap();
    }
    repo.commit_file("main", "file", "2");
    assert_eq!(refreshed(&main, "file").await, "2");
    assert!(!git.join("shallow.lock").exists());

    for damage in ["HEAD", "config", "shallow"] {
        std::fs::write(git.join(damage), "\0 nonsense").unwrap();
        repo.commit_file("main", "file", damage);
        assert_eq!(refreshed(&main, "file").await, damage);
    }
    for pack in fixture.packs() {
        std::fs::remove_file(&pack).unwrap();
    }
    assert_eq!(read(&main, &revision, "file").await, "1");
    std::fs::remove_dir_all(&mirror).unwrap();
    let now = main.resolve().await.unwrap();
    assert_eq!(read(&main, &now, "file").await, "shallow");
}

#[tokio::test]
async fn mirrors_survive_a_restart_and_go_when_unused() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    repo.commit_file("main", "file", "1");
    let fixture = Fixture::new();
    let main = fixture.track(&repo, "main");
    let revision = main.resolve().await.unwrap();
    let tree = main.tree(&revision).await.unwrap();
    let key = main.key();
    drop(main);

    // The same directory under new management: nothing is fetched again.
    let config = support::config(&fixture.directory);
    let again = tiphys_source::Mirrors::open(config).unwrap();
    let main = again.track(&remote(&repo), &RevisionSpec::Default).unwrap();
    assert_eq!(main.key(), key);
    assert_eq!(main.resolve().await.unwrap(), revision);
    assert_eq!(again.counters().fetches, 0);
    drop(main);

    // A tree keeps its mirror.
    assert_eq!(fixture.mirrors.collect_garbage().await.unwrap(), 0);
    assert_eq!(tree.read(&path("file"), 10).unwrap(), b"1");
    drop(tree);
    let collected = tiphys_tests::eventually("the mirror is unused", Duration::from_secs(10), || async {
        match fixture.mirrors.collect_garbage().await.unwrap() {
            0 => Err("still in use".to_owned()),
            count => Ok(count),
        }
    });
    assert_eq!(collected.await, 1);
    assert!(fixture.on_disk().is_empty());
}

#[tokio::test]
async fn only_we_can_look_into_the_mirrors() {
    use std::os::unix::fs::PermissionsExt;
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    repo.commit_file("main", "file", "1");
    let fixture = Fixture::new();
    fixture.track(&repo, "main").resolve().await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&fixture.directory.path().join("mirrors")), 0o700);
    assert_eq!(mode(&fixture.on_disk()[0]), 0o700);
    assert_eq!(mode(&fixture.directory.path().join("mirrors/salt")), 0o600);
}

#[tokio::test]
async fn a_tag_of_something_else_is_not_a_revision() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    repo.commit_file("main", "file", "1");
    let blob = repo.git(&["rev-parse", "main:file"]);
    repo.git(&["update-ref", "refs/tags/blob", &blob]);
    let fixture = Fixture::new();
    let error = fixture.track(&repo, "blob").resolve().await.unwrap_err();
    assert!(matches!(error, Error::NotACommit { .. }), "{error}");
    assert!(error.to_string().contains("is not a commit but a blob"), "{error}");
    let unknown: CommitId = blob.parse().unwrap();
    let main = fixture.track(&repo, "main");
    let error = main.tree(&Revision::of_commit(unknown)).await.unwrap_err();
    assert!(matches!(error, Error::NotACommit { .. } | Error::RevisionNotFound { .. }), "{error}");
}
