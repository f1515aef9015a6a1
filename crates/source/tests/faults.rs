//! Servers that hang, trickle, lie or never end, and what others notice of it: nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a step that fails here is a test that fails")]

mod support;

use std::time::{Duration, Instant};

use support::{Fixture, read, refreshed, remote};
use tiphys_source::{Class, Error, Remote, RevisionSpec};
use tiphys_tests::{Auth, GitFault, GitServer};

#[tokio::test]
async fn every_fault_has_a_clear_end() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    repo.commit_file("main", "file", "1");
    let fixture = Fixture::new();
    let remote = Remote { timeout: Duration::from_secs(2), ..remote(&repo) };
    let main = fixture.mirrors.track(&remote, &RevisionSpec::Default).unwrap();
    let revision = main.resolve().await.unwrap();
    repo.commit_file("main", "file", "2");
    for (fault, expected) in [
        (GitFault::Hang, "did not answer in full within 2 s (it was to list its branches and tags); check"),
        (GitFault::Trickle(Duration::from_secs(1)), "did not answer in full within 2 s"),
        (GitFault::Status(500), "status 500"),
        (GitFault::Status(429), "status 429"),
        (GitFault::Status(200), "gave an answer that cannot be used"),
        (GitFault::CutAfter(0), "gave an answer that cannot be used"),
        (GitFault::CutAfter(100), "gave an answer that cannot be used"),
        (GitFault::Endless, ""),
    ] {
        server.set_fault(&repo, Some(fault.clone()));
        let started = Instant::now();
        let error = main.refresh().await.unwrap_err();
        assert!(error.to_string().contains(expected), "{fault:?}: {error}");
        assert_eq!(error.class(), Class::Transient, "{fault:?}: {error}");
        assert!(started.elapsed() < Duration::from_secs(10), "{fault:?}");
        // The last good revision stands, and can be read.
        assert_eq!(main.resolve().await.unwrap(), revision);
        assert_eq!(read(&main, &revision, "file").await, "1");
        assert!(main.status().error.is_some());
    }
    server.set_fault(&repo, None);
    assert_eq!(refreshed(&main, "file").await, "2");
    let status = main.status();
    assert!(status.error.is_none() && status.failures == 0 && status.fetched_at.is_some());
}

#[tokio::test]
async fn servers_that_hang_block_nobody_else() {
    let fixture = Fixture::with_workers(4);
    let server = GitServer::start();
    let well = server.create_repo("well", Auth::Anonymous);
    well.commit_file("main", "file", "1");
    let main = fixture.track(&well, "main");
    main.resolve().await.unwrap();

    let hanging: Vec<_> = (0..20)
        .map(|n| {
            let repo = server.create_repo(&format!("hanging-{n}"), Auth::Anonymous);
            server.set_fault(&repo, Some(GitFault::Hang));
            fixture.track(&repo, "main")
        })
        .collect();
    // All of them want to be asked; half of the workers are kept for others.
    tiphys_tests::eventually("the hanging servers are being asked", Duration::from_secs(10), || async {
        let counters = fixture.mirrors.counters();
        if counters.waiting == 20 && counters.workers_started >= 2 {
            Ok(())
        } else {
            Err(format!("{counters:?}"))
        }
    })
    .await;
    for n in 2..6 {
        well.commit_file("main", "file", n.to_string());
        let started = Instant::now();
        assert_eq!(refreshed(&main, "file").await, n.to_string());
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
    assert!(hanging.iter().all(|it| it.known().is_none()));
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    repo.commit_file("main", "small", "1");
    // Not compressible, so it really goes over the wire.
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    })
    .take(8 << 20)
    .collect();
    repo.commit_file("main", "large", &noise);
    let fixture = Fixture::new();
    let limited = Remote { max_bytes: 4 << 20, ..remote(&repo) };
    let main = fixture.mirrors.track(&limited, &RevisionSpec::Default).unwrap();
    let error = main.resolve().await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 4_194_304, .. }), "{error:?}");
    assert_eq!(error.class(), Class::Invalid);
    assert!(error.to_string().contains("more than 4 MiB"), "{error}");
    repo.commit("main").delete("large").finish();
    assert_eq!(refreshed(&main, "small").await, "1");
}

#[tokio::test]
async fn nobody_listens() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    let fixture = Fixture::new();
    for (url, expected) in [
        ("http://127.0.0.1:1/r.git", "cannot be reached"),
        ("http://no-such-host.invalid/r.git", "cannot be reached"),
    ] {
        let remote = Remote { url: url.parse().unwrap(), ..remote(&repo) };
        let error =
            fixture.mirrors.track(&remote, &RevisionSpec::Default).unwrap().resolve().await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.class(), Class::Transient);
    }
}
