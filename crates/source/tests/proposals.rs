//! Proposals that are pushed to real servers: what they hold, and what is never pushed to.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a step that fails here is a test that fails")]

mod support;

use std::time::Duration;

use support::{Fixture, remote};
use tiphys_source::{
    Class, CommitId, Credentials, Error, Proposal, Proposed, Remote, RevisionSpec, Secret, Tracked, Transport,
};
use tiphys_tests::{Auth, GitFault, GitServer, Service, SshKey, SshKeyKind, SshServer, TestRepo};

const BRANCH: &str = "tiphys/rollback/apps/web/web-4";

fn proposal(to: &str) -> Proposal {
    Proposal {
        to: to.parse().unwrap(),
        paths: vec!["apps/web".to_owned()],
        branch: BRANCH.to_owned(),
        message: "Roll back apps/web\n\nSync web-4, asked for by jane.\n".to_owned(),
        date: 1_800_000_000,
    }
}

/// A good commit, a bad one, and others beside it; gives the good one.
fn history(repo: &TestRepo) -> String {
    let good = repo.commit("main").write("apps/web/file", "good").write("apps/other", "1").finish();
    repo.commit("main").write("apps/web/file", "bad").write("apps/web/new", "bad").finish();
    repo.commit_file("main", "apps/other", "2");
    good
}

fn file(repo: &TestRepo, revision: &str, path: &str) -> String {
    repo.git(&["show", &format!("{revision}:{path}")])
}

async fn pushed(tracked: &Tracked, proposal: Proposal) -> CommitId {
    match tracked.propose(proposal).await.unwrap() {
        Proposed::Pushed { commit } => commit,
        other @ Proposed::Unneeded { .. } => panic!("{other:?}"),
    }
}

async fn refused(tracked: &Tracked, proposal: Proposal, words: &str) -> Error {
    let error = tracked.propose(proposal).await.unwrap_err();
    assert!(error.to_string().contains(words), "{error}, not {words}");
    error
}

/// What a proposal must be, whatever the server.
async fn is_as_it_should_be(repo: &TestRepo, remote: &Remote) {
    let good = history(repo);
    let before = repo.id("main");
    let fixture = Fixture::new();
    let tracked = fixture.mirrors.track(remote, &RevisionSpec::parse("main")).unwrap();
    let commit = pushed(&tracked, proposal(&good)).await.to_string();
    assert_eq!(repo.id(BRANCH), commit);
    assert_eq!((repo.id("main"), repo.id(&format!("{BRANCH}^"))), (before.clone(), before));
    assert_eq!(file(repo, BRANCH, "apps/web/file"), "good");
    let changed = repo.git(&["diff", "--name-status", "main", BRANCH]);
    assert_eq!(changed, "M\tapps/web/file\nD\tapps/web/new", "nothing else is touched");
    let told = repo.git(&["log", "-1", "--format=%an|%cn|%at|%B", BRANCH]);
    assert!(told.starts_with("Tiphys|Tiphys|1800000000|Roll back apps/web\n\nSync web-4"), "{told}");
    repo.git(&["fsck", "--strict"]);
    // Made again it is the same, also when the branch that is tracked went on meanwhile.
    assert_eq!(pushed(&tracked, proposal(&good)).await.to_string(), commit);
    repo.commit_file("main", "apps/other", "3");
    assert_eq!(pushed(&tracked, proposal(&good)).await.to_string(), commit);
    // Another mirror knows nothing of what was done.
    let anew = Fixture::new();
    let tracked = anew.mirrors.track(remote, &RevisionSpec::Default).unwrap();
    assert_eq!(pushed(&tracked, proposal(&good)).await.to_string(), commit);
    assert_eq!(
        repo.git(&["for-each-ref", "--format=%(refname)"]),
        format!("refs/heads/main\nrefs/heads/{BRANCH}")
    );
}

#[tokio::test]
async fn a_proposal_is_one_commit_on_a_branch_of_its_own() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    is_as_it_should_be(&repo, &remote(&repo)).await;
}

#[tokio::test]
async fn credentials_go_with_the_push_and_nowhere_else() {
    let server = GitServer::start();
    let basic = Credentials::Basic { username: "jane".to_owned(), password: Secret::new("canary-1") };
    let bearer = Credentials::Bearer { token: Secret::new("canary-2") };
    let auth = Auth::Basic { user: "jane".to_owned(), password: "canary-1".to_owned() };
    for (name, auth, credentials) in
        [("basic", auth, basic), ("bearer", Auth::Bearer("canary-2".to_owned()), bearer)]
    {
        let repo = server.create_repo(name, auth.clone());
        let remote = Remote { credentials: credentials.clone(), ..remote(&repo) };
        is_as_it_should_be(&repo, &remote).await;
        assert!(server.count(&repo, Service::ReceivePack) >= 2);
        server.set_auth(&repo, Auth::Bearer("another".to_owned()));
        let fixture = Fixture::new();
        let tracked = fixture.mirrors.track(&remote, &RevisionSpec::Default).unwrap();
        let error = tracked.propose(proposal(&repo.id("main"))).await.unwrap_err();
        assert_eq!(error.class(), Class::Forbidden, "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
        // In the clear nothing is sent at all unless that is allowed.
        server.forget();
        let closed = Remote { transport: Transport::Encrypted, ..remote };
        assert!(matches!(
            fixture.mirrors.track(&closed, &RevisionSpec::Default),
            Err(Error::Configuration { .. })
        ));
        assert_eq!(server.requests(&repo).len(), 0);
    }
}

#[tokio::test]
async fn over_ssh() {
    let key = SshKey::generate(SshKeyKind::Ed25519, Some("canary"));
    let server = SshServer::start(&[&key]);
    let repo = server.create_repo("r");
    let remote = Remote {
        credentials: Credentials::SshKey {
            private_key: Secret::new(key.private()),
            passphrase: key.passphrase().map(Secret::new),
        },
        known_hosts: Some(server.known_hosts()),
        transport: Transport::Encrypted,
        ..remote(&repo)
    };
    is_as_it_should_be(&repo, &remote).await;
}

#[tokio::test]
async fn what_is_there_is_never_pushed_to() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    let good = history(&repo);
    let main = repo.id("main");
    repo.set_branch(BRANCH, &good);
    repo.commit_file("feature", "apps/web/file", "feature");
    let feature = repo.id("feature");
    let fixture = Fixture::new();
    let tracked = fixture.track(&repo, "main");
    let error = refused(&tracked, proposal(&good), "exists already").await;
    assert_eq!(error.class(), Class::Invalid);
    for (branch, words) in [
        ("main", "main is the branch that is deployed from"),
        ("feature", "exists already"),
        ("a..b", "is no name for a branch"),
        ("", "is no name for a branch"),
        ("x/../main", "is no name for a branch"),
    ] {
        refused(&tracked, Proposal { branch: branch.to_owned(), ..proposal(&good) }, words).await;
    }
    repo.tag("v1.0.0", "main");
    for spec in ["v1.0.0", ">=1", main.as_str()] {
        let words = "is no branch that a proposal could be merged into";
        let other = Proposal { branch: "tiphys/x".to_owned(), ..proposal(&good) };
        refused(&fixture.track(&repo, spec), other, words).await;
    }
    assert_eq!((repo.id("main"), repo.id(BRANCH), repo.id("feature")), (main, good, feature));
    assert_eq!(server.count(&repo, Service::ReceivePack), 0, "nothing was even tried");
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_said_so() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    let good = history(&repo);
    let fixture = Fixture::new();
    let tracked = fixture.track(&repo, "main");
    // Gone from the server, and never seen here.
    let gone = "0123456789012345678901234567890123456789";
    let error = refused(&tracked, proposal(gone), "has no commit 0123").await;
    assert_eq!(error.class(), Class::NotFound);
    // Git has it already.
    repo.commit("main").write("apps/web/file", "good").delete("apps/web/new").finish();
    match tracked.propose(proposal(&good)).await.unwrap() {
        Proposed::Unneeded { at } => assert_eq!(at.commit().to_string(), repo.id("main")),
        other @ Proposed::Pushed { .. } => panic!("{other:?}"),
    }
    // A path that is a link would be taken back in name only.
    repo.commit("main").delete("apps/web").symlink("apps/web", "elsewhere").finish();
    refused(&tracked, proposal(&good), "apps/web is a link").await;
    // What was not there then goes, and what was comes; everything, if that is what is rendered.
    repo.commit("main").delete_all().write("other", "1").finish();
    let all = Proposal { paths: vec![String::new()], branch: "tiphys/all".to_owned(), ..proposal(&good) };
    pushed(&tracked, all).await;
    assert_eq!(repo.git(&["diff", "--name-only", &good, "tiphys/all"]), "");
    let none = Proposal { paths: vec!["nothing/there".to_owned()], ..proposal(&good) };
    assert!(matches!(tracked.propose(none).await.unwrap(), Proposed::Unneeded { .. }));
}

#[tokio::test]
async fn a_server_that_refuses_is_told_of_and_looks_go_on() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    let good = history(&repo);
    let hooks = repo.path().join("hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    let hook = hooks.join("pre-receive");
    std::fs::write(&hook, "#!/bin/sh\necho no branches from robots >&2\nexit 1\n").unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let fixture = Fixture::new();
    let tracked = fixture.track(&repo, "main");
    let error =
        refused(&tracked, proposal(&good), "did not take the branch tiphys/rollback/apps/web/web-4").await;
    assert!(error.to_string().contains("hook declined"), "{error}");
    assert_eq!(error.class(), Class::Forbidden);
    std::fs::remove_file(&hook).unwrap();
    // One that lets nobody push.
    repo.git(&["config", "http.receivepack", "false"]);
    let error = tracked.propose(proposal(&good)).await.unwrap_err();
    assert_eq!(error.class(), Class::Forbidden, "{error}");
    assert!(tracked.refresh().await.is_ok());
    repo.git(&["config", "http.receivepack", "true"]);
    pushed(&tracked, proposal(&good)).await;
    // One that hangs costs the time that a look may take.
    let mut slow = remote(&repo);
    slow.timeout = Duration::from_secs(2);
    let tracked = fixture.mirrors.track(&slow, &RevisionSpec::Default).unwrap();
    tracked.resolve().await.unwrap();
    server.set_fault(&repo, Some(GitFault::Hang));
    let error = tracked.propose(proposal(&good)).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
}
