//! How long it takes from a push to files that can be read, over loopback http, with and without a change.
//! Run it with `cargo bench -p tiphys-source`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people at a terminal")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tiphys_source::{Config, Mirrors, Remote, RevisionSpec, Transport};
use tiphys_tests::{Auth, GitServer};
use tiphys_tree::{Tree, TreePath};

const RUNS: usize = 30;

#[tokio::main]
async fn main() {
    let server = GitServer::start();
    let repo = server.create_repo("r", Auth::Anonymous);
    let mut commit = repo.commit("main");
    for n in 0..1000 {
        commit = commit.write(&format!("apps/{}/{n}.yaml", n / 10), "a: 1\n".repeat(50));
    }
    commit.finish();
    let directory = tempfile::tempdir().unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_tiphys-source-probe"));
    let mirrors = Mirrors::open(Config::new(directory.path().to_owned(), program)).unwrap();
    let remote = Remote { transport: Transport::Insecure, ..Remote::new(repo.url().parse().unwrap()) };
    memory("nothing");
    let started = Instant::now();
    mirrors.warm().await.unwrap();
    println!("start of a worker          {:>8.1} ms", milliseconds(started.elapsed()));
    let started = Instant::now();
    let main = mirrors.track(&remote, &RevisionSpec::Default).unwrap();
    main.resolve().await.unwrap();
    println!("first fetch, 1000 files    {:>8.1} ms", milliseconds(started.elapsed()));

    memory("the first fetch");
    main.tree(&main.resolve().await.unwrap()).await.unwrap();
    memory("the first tree");
    let (mut unchanged, mut changed, mut read) = (Vec::new(), Vec::new(), Vec::new());
    let file = TreePath::parse("apps/50/505.yaml").unwrap();
    for n in 0..RUNS {
        let started = Instant::now();
        main.refresh().await.unwrap();
        unchanged.push(started.elapsed());
        repo.commit_file("main", file.as_str(), n.to_string());
        let started = Instant::now();
        let revision = main.refresh().await.unwrap();
        changed.push(started.elapsed());
        let started = Instant::now();
        let tree = main.tree(&revision).await.unwrap();
        assert_eq!(tree.read(&file, 100).unwrap(), n.to_string().as_bytes());
        read.push(started.elapsed());
    }
    for (what, times) in [
        ("look, nothing changed", unchanged),
        ("look and fetch of a change", changed),
        ("open and read one file", read),
    ] {
        report(what, times);
    }
    memory("30 changes");
    let spec = RevisionSpec::parse("main");
    let tracked: Vec<_> = (0..100).map(|_| mirrors.track(&remote, &spec).unwrap()).collect();
    main.refresh().await.unwrap();
    memory("100 who track one repository");
    drop(tracked);
}

/// Resident memory of this process, most of which is the test kit and the runtime.
fn memory(when: &str) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap().trim();
    println!("memory after {when}: {resident}");
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let (median, p95) = (times[times.len() / 2], times[times.len() * 95 / 100]);
    println!("{what:<26} {:>8.1} ms median {:>8.1} ms p95", milliseconds(median), milliseconds(p95));
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
