use std::time::{Duration, Instant};

use tempfile::TempDir;
use tiphys_tests::{
    Auth, CertificateFor, GitFault, GitServer, Service, TestCertificate, TestRepo, Webhook,
    eventually_blocking,
};

use crate::git;

/// Lists the branches of a repository as a client that sends this header; gives everything that git said.
fn list(repo: &TestRepo, header: &str, more: &[&str]) -> (bool, String) {
    let scratch = tempfile::tempdir().unwrap();
    let setting = format!("http.extraHeader={header}");
    let mut arguments = more.to_vec();
    if !header.is_empty() {
        arguments.extend(["-c", &setting]);
    }
    arguments.extend(["ls-remote", repo.url(), "refs/heads/main"]);
    git(scratch.path(), &[], &arguments)
}

#[test]
fn http_asks_each_repository_for_its_own_credentials() {
    let server = GitServer::start();
    let basic = Auth::Basic { user: "ann".to_owned(), password: "secret".to_owned() };
    for (name, auth, header) in [
        ("open", Auth::Anonymous, ""),
        ("acme/basic", basic, "Authorization: Basic YW5uOnNlY3JldA=="),
        ("acme/bearer", Auth::Bearer("t0ken".to_owned()), "Authorization: Bearer t0ken"),
    ] {
        let repo = server.create_repo(name, auth.clone());
        let id = repo.commit_file("main", "a.yaml", "a: 1\n");
        let (success, output) = list(&repo, header, &[]);
        assert!(success && output.contains(&id), "{name}: {output}");
        assert!(server.count(&repo, Service::Refs) >= 1);
        let statuses: Vec<u16> = server.requests(&repo).iter().map(|it| it.status).collect();
        assert_eq!(statuses.last(), Some(&200), "{name}: {statuses:?}");
        let (success, output) = list(&repo, "Authorization: Basic d3Jvbmc6d3Jvbmc=", &[]);
        assert_eq!(success, auth == Auth::Anonymous, "{name}: {output}");
    }
}

#[test]
fn a_clone_has_everything_that_was_committed() {
    let server = GitServer::start();
    let repo = server.create_repo("acme/deploy", Auth::Anonymous);
    let submodule = "0123456789012345678901234567890123456789";
    let first = repo
        .commit("main")
        .write("apps/web/values.yaml", "replicas: 2\n")
        .write("über \"uns\"/a b.txt", [0, 1, 2])
        .write_executable("run.sh", "#!/bin/sh\n")
        .symlink("link", "apps/web/values.yaml")
        .submodule("vendor/lib", submodule)
        .message("First\n\nwith a body")
        .finish();
    let second = repo
        .commit("main")
        .delete("run.sh")
        .write("b.yaml", "b: 1\n")
        .author("Ann <ann@example.com>")
        .finish();
    repo.tag("v1.0.0", &first);
    let tag = repo.annotated_tag("v1.1.0", &second, "Second");
    repo.set_branch("release", &first);
    assert_ne!(tag, second);
    assert_eq!(repo.id("v1.1.0"), second);
    repo.pack();

    let scratch = tempfile::tempdir().unwrap();
    let (success, output) = git(scratch.path(), &[], &["clone", "--quiet", repo.url(), "copy"]);
    assert!(success, "{output}");
    let copy = scratch.path().join("copy");
    assert_eq!(std::fs::read_to_string(copy.join("link")).unwrap(), "replicas: 2\n");
    assert_eq!(std::fs::read(copy.join("über \"uns\"/a b.txt")).unwrap(), [0, 1, 2]);
    assert!(!copy.join("run.sh").exists());
    assert!(git(&copy, &[], &["ls-tree", "HEAD", "vendor/lib"]).1.contains(submodule));
    assert!(
        git(&copy, &[], &["log", "-1", "--format=%an <%ae> %P"])
            .1
            .contains(&format!("Ann <ann@example.com> {first}"))
    );
    assert!(git(&copy, &[], &["branch", "--all"]).1.contains("origin/release"));

    // History can be rewritten and branches can go.
    let orphan = repo.commit("main").write("only.yaml", "").orphan().finish();
    assert_eq!(repo.git(&["rev-list", "--count", &orphan]), "1");
    assert_eq!(repo.git(&["ls-tree", "--name-only", &orphan]), "only.yaml");
    repo.delete_branch("release");
    repo.delete_tag("v1.0.0");
    repo.set_head("gone");
    assert_eq!(repo.git(&["for-each-ref", "--format=%(refname)"]), "refs/heads/main\nrefs/tags/v1.1.0");
}

#[test]
fn the_same_steps_give_the_same_commits() {
    let build = || {
        let repo = TestRepo::create();
        repo.commit_file("main", "a", "1");
        repo.commit("main")
            .delete_all()
            .write_folder("kit", env!("CARGO_MANIFEST_DIR").to_owned() + "/tests/kit")
            .finish()
    };
    assert_eq!(build(), build());
}

#[test]
fn https_is_believed_by_who_knows_the_authority() {
    let clone = |purpose, trusted: bool| {
        let server = GitServer::start_tls(TestCertificate::new(purpose));
        let repo = server.create_repo("deploy", Auth::Anonymous);
        repo.commit_file("main", "a", "1");
        let scratch = TempDir::new().unwrap();
        let ca = scratch.path().join("ca.pem");
        std::fs::write(&ca, server.ca_pem().unwrap()).unwrap();
        let setting = format!("http.sslCAInfo={}", ca.display());
        let trust = ["-c", setting.as_str()];
        list(&repo, "", if trusted { &trust } else { &[] })
    };
    let (success, output) = clone(CertificateFor::Localhost, true);
    assert!(success, "{output}");
    for (purpose, trusted) in [
        (CertificateFor::Localhost, false),
        (CertificateFor::AnotherHost, true),
        (CertificateFor::ThePast, true),
    ] {
        let (success, output) = clone(purpose, trusted);
        assert!(!success && output.contains("certificate"), "{purpose:?}: {output}");
    }
}

#[test]
fn a_client_sees_every_fault_of_the_server() {
    let server = GitServer::start();
    let repo = server.create_repo("deploy", Auth::Anonymous);
    let id = repo.commit_file("main", "a", "1");
    let impatient = ["-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=1"];
    for (fault, expected) in [
        (GitFault::Status(500), "error: 500"),
        (GitFault::CutAfter(20), "transfer closed"),
        (GitFault::Hang, "too slow"),
        (GitFault::Trickle(Duration::from_millis(300)), "too slow"),
        (GitFault::Redirect("http://127.0.0.1:1/".to_owned()), "127.0.0.1"),
    ] {
        server.set_fault(&repo, Some(fault.clone()));
        let began = Instant::now();
        let (success, output) = list(&repo, "", &impatient);
        assert!(!success && output.contains(expected), "{fault:?}: {output}");
        assert!(began.elapsed() < Duration::from_secs(20), "{fault:?}");
    }
    server.set_fault(&repo, None);
    assert!(list(&repo, "", &[]).1.contains(&id));
    server.forget();
    assert!(server.requests(&repo).is_empty());
}

#[test]
fn an_endless_answer_goes_on() {
    let server = GitServer::start();
    let repo = server.create_repo("deploy", Auth::Anonymous);
    repo.commit_file("main", "a", "1");
    server.set_fault(&repo, Some(GitFault::Endless));
    let url = format!("{}/info/refs?service=git-upload-pack", repo.url());
    let address = url.trim_start_matches("http://");
    let (host, path) = address.split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    std::io::Write::write_all(
        &mut stream,
        format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(),
    )
    .unwrap();
    let mut received = std::io::Read::take(stream, 10_000_000);
    assert_eq!(std::io::copy(&mut received, &mut std::io::sink()).unwrap(), 10_000_000);
}

/// A receiver of webhooks that keeps the text of one request and answers 202.
fn receiver() -> (String, std::sync::mpsc::Receiver<String>) {
    use std::io::{BufRead, BufReader, Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, received) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut text = String::new();
            while !text.ends_with("\r\n\r\n") {
                reader.read_line(&mut text).unwrap();
            }
            let length =
                text.lines().find_map(|it| it.strip_prefix("content-length: ")).unwrap().parse().unwrap();
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            reader.get_mut().write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").unwrap();
            let _ = sender.send(text + &String::from_utf8(body).unwrap());
        }
    });
    (url, received)
}

#[test]
fn a_push_sends_a_webhook() {
    let server = GitServer::start();
    let repo = server.create_repo("acme/deploy", Auth::Anonymous);
    let before = repo.commit_file("main", "a", "1");
    let (url, received) = receiver();
    server.set_webhook(&repo, Some(Webhook::github(&url, "secret")));

    let scratch = tempfile::tempdir().unwrap();
    assert!(git(scratch.path(), &[], &["clone", "--quiet", repo.url(), "."]).0);
    std::fs::write(scratch.path().join("a"), "2").unwrap();
    assert!(git(scratch.path(), &[], &["commit", "--quiet", "--all", "--message=second"]).0);
    let (success, output) = git(scratch.path(), &[], &["push", "origin", "main"]);
    assert!(success, "{output}");

    let after = repo.id("main");
    let text = received.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(text.starts_with("POST /hook") && text.contains("x-github-event: push"), "{text}");
    assert!(text.contains("x-hub-signature-256: sha256="), "{text}");
    let body: serde_json::Value = serde_json::from_str(text.rsplit("\r\n\r\n").next().unwrap()).unwrap();
    assert_eq!(body["ref"], "refs/heads/main");
    assert_eq!(
        (body["before"].as_str(), body["after"].as_str()),
        (Some(before.as_str()), Some(after.as_str()))
    );
    assert_eq!(body["repository"]["clone_url"], repo.url());
    assert_eq!(body["repository"]["full_name"], "acme/deploy");
    eventually_blocking("the push is counted", Duration::from_secs(5), || {
        let count = server.count(&repo, Service::ReceivePack);
        if count >= 2 { Ok(()) } else { Err(count) }
    });
}
