//! Who is let in, what is sent to whom, and what is never shown: credentials, certificates, redirects.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a step that fails here is a test that fails")]

mod support;

use std::error::Error as _;

use support::{Fixture, read, remote};
use tiphys_source::{Class, Credentials, Error, Remote, RevisionSpec, Secret, Submodules, Transport};
use tiphys_tests::{Auth, CertificateFor, GitFault, GitServer, TestCertificate, TestRepo};

const PASSWORD: &str = "pa:ss wörd/+%41";
const TOKEN: &str = "ghp_0123456789abcdefTOKEN";

fn basic(username: &str, password: &str) -> Credentials {
    Credentials::Basic { username: username.to_owned(), password: Secret::new(password) }
}

fn bearer(token: &str) -> Credentials {
    Credentials::Bearer { token: Secret::new(token) }
}

async fn content(fixture: &Fixture, remote: &Remote) -> Result<String, Error> {
    let tracked = fixture.mirrors.track(remote, &RevisionSpec::Default)?;
    let revision = tracked.resolve().await?;
    Ok(read(&tracked, &revision, "file").await)
}

/// A text and all that it may carry along: the error, its causes and its `Debug` form.
fn everything(error: &Error) -> String {
    format!("{error} {error:?} {:?} {:?}", error.source(), error.source().map(ToString::to_string))
}

#[tokio::test]
async fn credentials_open_the_door_and_are_sent_at_once() {
    let server = GitServer::start();
    let with_password = Auth::Basic { user: "robot".to_owned(), password: PASSWORD.to_owned() };
    for (name, auth, credentials) in [
        ("anonymous", Auth::Anonymous, Credentials::Anonymous),
        ("basic", with_password, basic("robot", PASSWORD)),
        ("bearer", Auth::Bearer(TOKEN.to_owned()), bearer(TOKEN)),
    ] {
        let repo = server.create_repo(name, auth);
        repo.commit_file("main", "file", name);
        let fixture = Fixture::new();
        let remote = Remote { credentials, ..remote(&repo) };
        assert_eq!(content(&fixture, &remote).await.unwrap(), name);
        // No round trip is spent on being asked for them.
        assert!(server.requests(&repo).iter().all(|it| it.status == 200), "{:?}", server.requests(&repo));
    }
}

#[tokio::test]
async fn wrong_credentials_are_refused_and_never_shown() {
    let server = GitServer::start();
    let auth = Auth::Basic { user: "robot".to_owned(), password: "right".to_owned() };
    let repo = server.create_repo("r", auth);
    repo.commit_file("main", "file", "1");
    let fixture = Fixture::new();
    for credentials in
        [Credentials::Anonymous, basic("robot", PASSWORD), basic("else", "right"), bearer(TOKEN)]
    {
        let remote = Remote { credentials, ..remote(&repo) };
        let error = content(&fixture, &remote).await.unwrap_err();
        assert!(matches!(error, Error::Authentication { .. }), "{error}");
        assert_eq!(error.class(), Class::Forbidden);
        assert!(error.to_string().contains("check the Secret"), "{error}");
        let shown = format!("{} {remote:?}", everything(&error));
        for secret in [PASSWORD, TOKEN, "right", "cm9ib3Q6"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    server.set_fault(&repo, Some(GitFault::Status(403)));
    let forbidden =
        content(&fixture, &Remote { credentials: basic("robot", "right"), ..remote(&repo) }).await;
    assert!(matches!(forbidden, Err(Error::Authentication { .. })), "{forbidden:?}");
}

#[tokio::test]
async fn credentials_are_in_no_argument_and_no_file() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Bearer(TOKEN.to_owned()));
    repo.commit_file("main", "file", "1");
    let fixture = Fixture::new();
    content(&fixture, &Remote { credentials: bearer(TOKEN), ..remote(&repo) }).await.unwrap();
    let mut directories = vec![fixture.directory.path().to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            assert!(!path.to_string_lossy().contains(TOKEN));
            if path.is_dir() {
                directories.push(path);
            } else {
                let content = std::fs::read(&path).unwrap();
                assert!(!content.windows(TOKEN.len()).any(|it| it == TOKEN.as_bytes()), "{}", path.display());
            }
        }
    }
    for process in std::fs::read_dir("/proc").unwrap() {
        let process = process.unwrap().path();
        let arguments = std::fs::read(process.join("cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&arguments).contains(TOKEN), "{}", process.display());
    }
}

#[tokio::test]
async fn tenants_with_other_credentials_share_nothing() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Bearer(TOKEN.to_owned()));
    repo.commit_file("main", "file", "secret content");
    let fixture = Fixture::new();
    let own = Remote { credentials: bearer(TOKEN), ..remote(&repo) };
    let tracked = fixture.mirrors.track(&own, &RevisionSpec::Default).unwrap();
    let revision = tracked.resolve().await.unwrap();
    for credentials in [Credentials::Anonymous, bearer("guessed")] {
        let other = Remote { credentials, ..own.clone() };
        assert_ne!(fixture.mirrors.key(&own), fixture.mirrors.key(&other));
        let stranger = fixture.mirrors.track(&other, &RevisionSpec::Default).unwrap();
        assert!(matches!(stranger.resolve().await, Err(Error::Authentication { .. })));
        // Not even by the name of a commit that is on our disk.
        assert!(stranger.tree(&revision).await.is_err());
    }
    for other in [
        Remote { transport: Transport::Encrypted, ..own.clone() },
        Remote { certificate_authority: Some("x".to_owned()), ..own.clone() },
        Remote { known_hosts: Some("x".to_owned()), ..own.clone() },
        Remote { submodules: Submodules::Fetch, ..own.clone() },
        Remote { max_bytes: 1, ..own.clone() },
        Remote { url: format!("{}x", repo.url()).parse().unwrap(), ..own.clone() },
        Remote { credentials: basic("", TOKEN), ..own.clone() },
    ] {
        assert_ne!(fixture.mirrors.key(&own), fixture.mirrors.key(&other), "{other:?}");
    }
    assert_eq!(fixture.mirrors.key(&own), fixture.mirrors.key(&own.clone()));
}

#[tokio::test]
async fn settings_that_do_not_fit_are_refused_before_anything_is_sent() {
    let plain = |url: &str| Remote::new(url.parse().unwrap());
    let key = Credentials::SshKey { private_key: Secret::new("k"), passphrase: None };
    let host = "h ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    let https = || plain("https://h/r");
    let ssh = || Remote { credentials: key.clone(), ..plain("ssh://git@h/r") };
    for (remote, expected) in [
        (plain("http://h/r"), "set insecure: true"),
        (Remote { credentials: basic("u", "p"), ..plain("http://h/r") }, "set insecure: true"),
        (Remote { credentials: key.clone(), ..https() }, "a private key is for ssh://"),
        (Remote { credentials: basic("u:v", "p"), ..https() }, "the user name in the Secret"),
        (Remote { credentials: basic("u", ""), ..https() }, "the password in the Secret is empty"),
        (Remote { credentials: basic("u", "p\n"), ..https() }, "a line break at its end?"),
        (Remote { credentials: bearer("a\r\nHost: evil"), ..https() }, "the bearer token in the Secret"),
        (Remote { credentials: bearer(""), ..https() }, "the bearer token in the Secret"),
        (
            Remote { certificate_authority: Some("x".to_owned()), ..https() },
            "ca.crt in its Secret is not usable: it contains no",
        ),
        (Remote { credentials: basic("u", "p"), ..plain("ssh://git@h/r") }, "ssh needs a private key"),
        (plain("git@h:r"), "ssh needs a private key"),
        (ssh(), "run ssh-keyscan"),
        (
            Remote { known_hosts: Some("h nonsense".to_owned()), ..ssh() },
            "knownHosts in its Secret is not usable: line 1",
        ),
    ] {
        let error = remote.validate().unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.class(), Class::Invalid);
    }
    assert!(Remote { known_hosts: Some(host.to_owned()), ..ssh() }.validate().is_ok());
    assert!(Remote { transport: Transport::Insecure, ..plain("http://h/r") }.validate().is_ok());
    // And nothing goes around the check.
    let fixture = Fixture::new();
    assert!(fixture.mirrors.track(&plain("http://h/r"), &RevisionSpec::Default).is_err());
    assert!(fixture.on_disk().is_empty());
}

#[tokio::test]
async fn redirects_to_another_host_are_not_followed() {
    let target = GitServer::start();
    let there = target.create_repo("there", Auth::Anonymous);
    there.commit_file("main", "file", "there");
    let elsewhere = there.url().replace("127.0.0.1", "localhost");
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Bearer(TOKEN.to_owned()));
    let fixture = Fixture::new();
    let remote = Remote { credentials: bearer(TOKEN), ..remote(&repo) };
    for location in
        [format!("{elsewhere}/info/refs?service=git-upload-pack"), "file:///etc/passwd".to_owned()]
    {
        server.set_fault(&repo, Some(GitFault::Redirect(location.clone())));
        let error =
            fixture.mirrors.track(&remote, &RevisionSpec::Default).unwrap().refresh().await.unwrap_err();
        assert!(matches!(error, Error::Redirected { .. } | Error::Server { .. }), "{location}: {error}");
    }
    assert!(target.requests(&there).is_empty());

    // Within the host it is followed: servers correct addresses that way.
    let same = server.create_repo("same", Auth::Bearer(TOKEN.to_owned()));
    same.commit_file("main", "file", "same");
    let location = format!("{}/info/refs?service=git-upload-pack", same.url());
    server.set_fault(&repo, Some(GitFault::Redirect(location)));
    assert_eq!(content(&fixture, &remote).await.unwrap(), "same");
}

async fn over_tls(server: &GitServer, repo: &TestRepo, authority: Option<&str>) -> Result<String, Error> {
    let remote = Remote {
        transport: Transport::Encrypted,
        certificate_authority: authority.map(str::to_owned),
        ..remote(repo)
    };
    assert!(server.url().starts_with("https://"));
    content(&Fixture::new(), &remote).await
}

#[tokio::test]
async fn certificates_are_checked() {
    let stranger = TestCertificate::new(CertificateFor::Localhost);
    for (purpose, expected) in [
        (CertificateFor::Localhost, None),
        (CertificateFor::AnotherHost, Some("it was issued for another host name")),
        (CertificateFor::ThePast, Some("it has expired")),
    ] {
        let server = GitServer::start_tls(TestCertificate::new(purpose));
        let repo = server.create_repo("r", Auth::Anonymous);
        repo.commit_file("main", "file", "1");
        match (over_tls(&server, &repo, server.ca_pem()).await, expected) {
            (Ok(content), None) => assert_eq!(content, "1"),
            (Err(error @ Error::Certificate { .. }), Some(expected)) => {
                assert!(error.to_string().contains(expected), "{error}");
                assert_eq!(error.class(), Class::Forbidden);
            }
            (other, expected) => panic!("{purpose:?}: {other:?}, expected {expected:?}"),
        }
        for authority in [None, Some(stranger.ca_pem())] {
            let error = over_tls(&server, &repo, authority).await.unwrap_err();
            assert!(matches!(error, Error::Certificate { .. }), "{purpose:?} {error}");
        }
        assert!(
            server.requests(&repo).iter().all(|_| purpose == CertificateFor::Localhost),
            "asked an unknown server"
        );
    }
}

#[tokio::test]
async fn an_authority_may_stand_among_others() {
    let server = GitServer::start_tls(TestCertificate::new(CertificateFor::Localhost));
    let repo = server.create_repo("r", Auth::Bearer(TOKEN.to_owned()));
    repo.commit_file("main", "file", "1");
    let other = TestCertificate::new(CertificateFor::Localhost);
    let bundle = format!("# two authorities\n{}\n{}", other.ca_pem(), server.ca_pem().unwrap());
    let remote = Remote {
        transport: Transport::Encrypted,
        certificate_authority: Some(bundle),
        credentials: bearer(TOKEN),
        ..remote(&repo)
    };
    assert_eq!(content(&Fixture::new(), &remote).await.unwrap(), "1");
}
