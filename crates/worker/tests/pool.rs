//! Pools over real worker processes.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests may")]

use std::io::BufRead;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tiphys_worker::{Class, Error, Limits, Pool, PoolConfig, Sandbox};

const MIB: u64 = 1 << 20;

fn config(size: usize) -> PoolConfig {
    PoolConfig {
        role: "probe",
        program: PathBuf::from(env!("CARGO_BIN_EXE_tiphys-worker-probe")),
        size: NonZeroUsize::new(size).unwrap(),
        limits: Limits {
            memory_bytes: 64 * MIB,
            cpu: Duration::from_secs(1),
            wall: Duration::from_secs(20),
            output_bytes: MIB,
        },
        idle: Duration::from_mins(1),
        sandbox: Sandbox::Sealed,
    }
}

async fn ask(pool: &Pool, request: &str) -> Result<String, Error> {
    pool.call(request).await
}

async fn pid(pool: &Pool) -> u32 {
    ask(pool, "pid").await.unwrap().parse().unwrap()
}

/// Waits until the process is gone, with a deadline.
async fn assert_ends(pid: u32) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Path::new(&format!("/proc/{pid}/exe")).read_link().is_ok() {
        assert!(Instant::now() < deadline, "process {pid} still runs");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_warm_worker_answers_many_requests() {
    let pool = Pool::new(config(2));
    pool.warm().await.unwrap();
    let first = pid(&pool).await;
    for text in ["", "a", "ä\n\u{0}", &"x".repeat(500_000)] {
        assert_eq!(ask(&pool, &format!("echo {text}")).await.unwrap(), text);
    }
    assert_eq!(pid(&pool).await, first);
    assert_eq!(ask(&pool, "noted x").await.unwrap(), "x");
    assert_eq!(pool.counters().started, 1);
    assert_eq!(pool.counters().calls, 7);
}

#[tokio::test]
async fn every_limit_has_its_own_error_and_the_next_call_works() {
    let pool = Pool::new(config(1));
    let wall = Duration::from_secs(20);
    let cases = [
        ("loop", wall, "stopped after 1.0 s of CPU time (limit of CPU time)", Class::Limit),
        ("sleep", Duration::from_millis(50), "stopped after 0.1 s (limit of running time)", Class::Limit),
        (
            "note templates/a.tera",
            Duration::from_millis(50),
            "templates/a.tera: stopped after 0.1 s (limit of running time)",
            Class::Limit,
        ),
        (
            "overflow",
            wall,
            "stopped because of something that is nested without end (limit of the stack)",
            Class::Limit,
        ),
        ("allocate", wall, "stopped at 64 MiB of memory (limit of memory)", Class::Limit),
        ("print 2000000", wall, "stopped at 1024 KiB of output (limit of output)", Class::Limit),
    ];
    for (request, wall, expected, class) in cases {
        let before = pid(&pool).await;
        let error = pool.call_with_wall::<_, String>(request, wall).await.unwrap_err();
        assert_eq!(error.to_string(), expected, "{request}");
        assert_eq!(error.class(), class, "{request}");
        assert_ends(before).await;
        assert_ne!(pid(&pool).await, before, "{request}");
    }
    assert_eq!(pool.counters().failed, 6);
}

#[tokio::test]
async fn a_crash_is_told_from_a_limit() {
    let pool = Pool::new(config(1));
    match ask(&pool, "divide").await.unwrap_err() {
        Error::Crashed { role: "probe", detail } => assert!(detail.contains("divide by zero"), "{detail}"),
        other => panic!("{other:?}"),
    }
    let error = ask(&pool, "abort").await.unwrap_err();
    assert!(matches!(error, Error::Killed { signal: 6, .. }), "{error:?}");
    assert_eq!(error.class(), Class::Transient);
}

#[tokio::test]
async fn the_cpu_limit_is_renewed_for_each_request() {
    let pool = Pool::new(config(1));
    let first = pid(&pool).await;
    for _ in 0..6 {
        ask(&pool, "spin 700").await.unwrap();
    }
    assert_eq!(pid(&pool).await, first);
}

#[tokio::test]
async fn a_sealed_worker_reaches_nothing() {
    let pool = Pool::new(config(1));
    // Nothing of ours but what keeps an allocator within the limit of memory.
    let environment = r#"[("MIMALLOC_ARENA_EAGER_COMMIT", "0")]"#;
    assert_eq!(ask(&pool, "environment").await.unwrap(), environment);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let requests = [
        "read /etc/passwd".to_owned(),
        "write /tmp/tiphys-worker-probe".to_owned(),
        "list /".to_owned(),
        format!("connect {address}"),
        "listen 127.0.0.1:0".to_owned(),
        "execute /bin/true".to_owned(),
        "thread".to_owned(),
    ];
    for request in requests {
        assert_eq!(ask(&pool, &request).await.unwrap(), "PermissionDenied", "{request}");
    }
}

#[tokio::test]
async fn a_network_worker_reaches_all_but_programs() {
    let pool = Pool::new(PoolConfig { role: "network-probe", sandbox: Sandbox::Network, ..config(1) });
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let cases = [
        ("read /etc/passwd".to_owned(), "ok"),
        (format!("connect {address}"), "ok"),
        ("thread".to_owned(), "ok"),
        ("execute /bin/true".to_owned(), "PermissionDenied"),
    ];
    for (request, expected) in cases {
        assert_eq!(ask(&pool, &request).await.unwrap(), expected, "{request}");
    }
}

#[tokio::test]
async fn dropping_a_call_kills_its_worker_and_frees_its_turn() {
    let pool = Pool::new(config(1));
    let before = pid(&pool).await;
    let call = ask(&pool, "sleep");
    assert!(tokio::time::timeout(Duration::from_millis(50), call).await.is_err());
    assert_ne!(pid(&pool).await, before);
    assert_ends(before).await;
}

#[tokio::test]
async fn dropping_the_pool_ends_its_workers() {
    let pool = Pool::new(config(1));
    let worker = pid(&pool).await;
    drop(pool);
    assert_ends(worker).await;
}

#[tokio::test]
async fn a_busy_worker_ends_when_its_owner_is_killed() {
    let mut owner = std::process::Command::new(config(1).program)
        .arg("owner")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(owner.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let worker: u32 = line.trim().parse().unwrap();
    assert!(Path::new(&format!("/proc/{worker}/exe")).read_link().is_ok());
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert_ends(worker).await;
}

#[tokio::test]
async fn a_worker_that_died_while_idle_is_replaced_unnoticed() {
    let pool = Pool::new(config(1));
    let worker = pid(&pool).await;
    let process = rustix::process::Pid::from_raw(worker.cast_signed()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    assert_ends(worker).await;
    assert_ne!(pid(&pool).await, worker);
    assert_eq!(pool.counters().failed, 0);
}

#[tokio::test]
async fn others_go_on_beside_a_call_that_never_ends() {
    let pool = Pool::new(config(2));
    let stuck = tokio::spawn({
        let pool = pool.clone();
        async move { ask(&pool, "sleep").await }
    });
    for _ in 0..50 {
        assert_eq!(ask(&pool, "echo on").await.unwrap(), "on");
    }
    assert!(!stuck.is_finished());
    stuck.abort();
}

#[tokio::test]
async fn idle_workers_are_ended_but_one() {
    let pool = Pool::new(PoolConfig { idle: Duration::from_millis(100), ..config(3) });
    let calls = (0..3).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move { ask(&pool, "spin 200").await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(pool.counters().started, 3);
    let deadline = Instant::now() + Duration::from_secs(10);
    while pool.counters().idle != 1 {
        assert!(Instant::now() < deadline, "{:?}", pool.counters());
        tokio::task::yield_now().await;
    }
    ask(&pool, "echo").await.unwrap();
    assert_eq!(pool.counters().started, 3);
}

#[tokio::test]
async fn memory_is_given_back_after_a_heavy_request() {
    let limits = Limits { memory_bytes: 512 * MIB, ..config(1).limits };
    let pool = Pool::new(PoolConfig { limits, ..config(1) });
    assert_eq!(ask(&pool, "hold 300").await.unwrap(), (300 * MIB).to_string());
    let worker = pid(&pool).await;
    let statm = std::fs::read_to_string(format!("/proc/{worker}/statm")).unwrap();
    let resident: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(resident * rustix::param::page_size() < 16 << 20, "{statm}");
}

#[tokio::test]
async fn a_wrong_program_or_role_is_a_spawn_error_with_its_words() {
    let cases = [
        (PoolConfig { program: PathBuf::from("/nowhere"), ..config(1) }, "could not be run"),
        (PoolConfig { role: "other", ..config(1) }, "there is no worker role"),
        (PoolConfig { sandbox: Sandbox::Network, ..config(1) }, "expects the sandbox Network"),
    ];
    for (config, words) in cases {
        match Pool::new(config).warm().await {
            Err(error @ Error::Spawn { .. }) => {
                assert!(error.to_string().contains(words), "{error}");
                assert_eq!(error.class(), Class::Transient);
            }
            other => panic!("{other:?}"),
        }
    }
}
