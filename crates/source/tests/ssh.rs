//! Repositories behind OpenSSH's sshd.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a step that fails here is a test that fails")]

mod support;

use support::{Fixture, read, refreshed, remote};
use tiphys_source::{Class, Credentials, Error, Remote, RevisionSpec, Secret, Transport};
use tiphys_tests::{SshKey, SshKeyKind, SshServer, TestRepo};

fn with_key(repo: &TestRepo, key: &SshKey, known_hosts: &str) -> Remote {
    Remote {
        credentials: Credentials::SshKey {
            private_key: Secret::new(key.private()),
            passphrase: key.passphrase().map(Secret::new),
        },
        known_hosts: Some(known_hosts.to_owned()),
        transport: Transport::Encrypted,
        ..remote(repo)
    }
}

async fn content(remote: &Remote) -> Result<String, Error> {
    let fixture = Fixture::new();
    let tracked = fixture.mirrors.track(remote, &RevisionSpec::Default)?;
    let revision = tracked.resolve().await?;
    Ok(read(&tracked, &revision, "file").await)
}

/// A line of `known_hosts` with the host name hashed, as `ssh-keygen -H` does it.
fn hashed(known_hosts: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("known_hosts");
    std::fs::write(&file, format!("{known_hosts}\n")).unwrap();
    let output = std::process::Command::new("ssh-keygen").arg("-H").arg("-f").arg(&file).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let hashed = std::fs::read_to_string(file).unwrap();
    assert!(hashed.starts_with("|1|"), "{hashed}");
    hashed
}

#[tokio::test]
async fn keys_of_all_kinds_open_the_door() {
    let keys: Vec<_> = [SshKeyKind::Ed25519, SshKeyKind::Rsa, SshKeyKind::Ecdsa]
        .into_iter()
        .flat_map(|kind| {
            [None, Some("pass phräse")].map(|passphrase| (kind, SshKey::generate(kind, passphrase)))
        })
        .collect();
    let server = SshServer::start(&keys.iter().map(|(_, key)| key).collect::<Vec<_>>());
    let repo = server.create_repo("acme/deploy");
    repo.commit_file("main", "file", "1");
    for (kind, key) in &keys {
        let remote = with_key(&repo, key, &server.known_hosts());
        assert_eq!(content(&remote).await.unwrap(), "1", "{kind:?} {:?}", key.passphrase());
    }
}

#[tokio::test]
async fn changes_are_fetched() {
    let key = SshKey::generate(SshKeyKind::Ed25519, None);
    let server = SshServer::start(&[&key]);
    let repo = server.create_repo("r");
    let first = repo.commit_file("main", "file", "1");
    let fixture = Fixture::new();
    let main =
        fixture.mirrors.track(&with_key(&repo, &key, &server.known_hosts()), &RevisionSpec::Default).unwrap();
    for n in 2..5 {
        repo.commit_file("main", "file", n.to_string());
        assert_eq!(refreshed(&main, "file").await, n.to_string());
    }
    repo.commit("main").orphan().write("file", "forced").finish();
    assert_eq!(refreshed(&main, "file").await, "forced");
    repo.set_branch("old", &first);
    let old = fixture.mirrors.track(main.remote(), &RevisionSpec::parse(&first)).unwrap();
    assert_eq!(read(&old, &old.resolve().await.unwrap(), "file").await, "1");
}

#[tokio::test]
async fn a_host_is_trusted_only_by_its_key() {
    let key = SshKey::generate(SshKeyKind::Ed25519, None);
    let server = SshServer::start(&[&key]);
    let repo = server.create_repo("r");
    repo.commit_file("main", "file", "1");
    let right = server.known_hosts();
    let own_key = right.split_once(' ').unwrap().1;
    let other = SshKey::generate(SshKeyKind::Rsa, None);
    let other_type = format!("[127.0.0.1]:{} {}", server.port(), other.public());
    let elsewhere = format!("git.example.com {own_key}");
    let cases: [(String, Option<&str>); 11] = [
        (right.clone(), None),
        (hashed(&right), None),
        (format!("{other_type}\n{right}"), None),
        (format!("127.0.0.* {own_key}"), None),
        (format!("{right}\n@cert-authority *.example.com {own_key}"), None),
        (elsewhere.clone(), Some("is not in knownHosts; it shows the ssh-ed25519 key SHA256:")),
        (server.wrong_known_hosts(), Some("HAS CHANGED")),
        (hashed(&server.wrong_known_hosts()), Some("HAS CHANGED")),
        (other_type, Some("knownHosts has only ssh-rsa for [127.0.0.1]:")),
        (format!("{right}\n@revoked * {own_key}"), Some("which line 2 of knownHosts revokes")),
        (format!("@cert-authority * {own_key}"), Some("@cert-authority, which is not supported")),
    ];
    for (known_hosts, expected) in cases {
        match (content(&with_key(&repo, &key, &known_hosts)).await, expected) {
            (Ok(content), None) => assert_eq!(content, "1", "{known_hosts}"),
            (Err(error), Some(expected)) => {
                assert!(matches!(error, Error::HostKey { .. }), "{error}");
                assert!(error.to_string().contains(expected), "{error}");
                assert_eq!(error.class(), Class::Forbidden);
            }
            (other, expected) => panic!("{known_hosts}: {other:?}, expected {expected:?}"),
        }
    }
    // The advice is the line that helps.
    let error = content(&with_key(&repo, &key, &elsewhere)).await.unwrap_err().to_string();
    let type_and_key: Vec<_> = right.split(' ').take(3).collect();
    assert!(error.contains(&type_and_key.join(" ")), "{error}");
}

#[tokio::test]
async fn keys_that_do_not_open_are_told_apart_and_not_shown() {
    let known = SshKey::generate(SshKeyKind::Ed25519, Some("right"));
    let unknown = SshKey::generate(SshKeyKind::Ed25519, None);
    let server = SshServer::start(&[&known]);
    let repo = server.create_repo("r");
    repo.commit_file("main", "file", "1");
    let credentials = |private_key: &str, passphrase: Option<&str>| Credentials::SshKey {
        private_key: Secret::new(private_key),
        passphrase: passphrase.map(Secret::new),
    };
    for (credentials, is_key_problem) in [
        (credentials(unknown.private(), None), false),
        (credentials(known.private(), Some("wrong passphrase")), true),
        (credentials(known.private(), None), true),
        (credentials("not a key", None), true),
    ] {
        let remote = Remote { credentials, ..with_key(&repo, &known, &server.known_hosts()) };
        let error = content(&remote).await.unwrap_err();
        match (&error, is_key_problem) {
            (Error::Authentication { .. }, false) | (Error::PrivateKey { .. }, true) => {}
            _ => panic!("{error:?}"),
        }
        let shown = format!("{error} {error:?} {remote:?}");
        for secret in ["wrong passphrase", "BEGIN", "not a key"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_repository_that_is_not_there() {
    let key = SshKey::generate(SshKeyKind::Ed25519, None);
    let server = SshServer::start(&[&key]);
    let repo = server.create_repo("r");
    let missing = Remote {
        url: format!("{}x", repo.url()).parse().unwrap(),
        ..with_key(&repo, &key, &server.known_hosts())
    };
    let error = content(&missing).await.unwrap_err();
    assert!(matches!(error, Error::RepositoryNotFound { .. }), "{error:?}");
    let empty = content(&with_key(&repo, &key, &server.known_hosts())).await.unwrap_err();
    assert!(matches!(empty, Error::Empty { .. }), "{empty:?}");
}
