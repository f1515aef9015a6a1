//! A worker for the tests: it misbehaves as it is told to.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tiphys_worker::{Error, Limits, Pool, PoolConfig, Sandbox, ServeError};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("owner") {
        return own_a_busy_worker();
    }
    let served = match tiphys_worker::worker_role(std::env::args_os()).as_deref() {
        Some("probe") => tiphys_worker::serve(Sandbox::Sealed, |request: String| answer(&request)),
        Some("network-probe") => tiphys_worker::serve(Sandbox::Network, |request: String| answer(&request)),
        other => Err(ServeError::UnknownRole { role: format!("{other:?}") }),
    };
    tiphys_worker::exit_code(served)
}

/// Starts a worker, prints its process id, and keeps it busy for ever: the test kills this process.
fn own_a_busy_worker() -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let minute = Duration::from_mins(1);
    let pool = Pool::new(PoolConfig {
        role: "probe",
        program: std::env::current_exe().unwrap_or_default(),
        size: NonZeroUsize::MIN,
        limits: Limits { memory_bytes: 64 << 20, cpu: minute, wall: minute, output_bytes: 1 << 20 },
        idle: minute,
        sandbox: Sandbox::Sealed,
    });
    let busy: Result<String, Error> = runtime.block_on(async {
        let pid: String = pool.call("pid").await?;
        println!("{pid}");
        pool.call("loop").await
    });
    if busy.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Does what the request says and tells how it went.
fn answer(request: &str) -> String {
    let (verb, argument) = request.split_once(' ').unwrap_or((request, ""));
    match verb {
        "echo" => argument.to_owned(),
        "pid" => std::process::id().to_string(),
        "environment" => format!("{:?}", std::env::vars_os().collect::<Vec<_>>()),
        "loop" => loop {
            black_box(argument);
        },
        "sleep" => loop {
            std::thread::park();
        },
        "allocate" => {
            let mut all: Vec<Vec<u8>> = Vec::new();
            loop {
                all.push(vec![1; 1 << 20]);
                black_box(&all);
            }
        }
        "hold" => {
            let megabytes: usize = argument.parse().unwrap_or_default();
            black_box(vec![1u8; megabytes << 20]).len().to_string()
        }
        "print" => "x".repeat(argument.parse().unwrap_or_default()),
        "note" => {
            tiphys_worker::note(argument);
            answer("sleep")
        }
        "noted" => {
            tiphys_worker::note(argument);
            argument.to_owned()
        }
        "overflow" => deep(0).to_string(),
        "abort" => std::process::abort(),
        "divide" => (1 / argument.len()).to_string(),
        "spin" => {
            let milliseconds: u128 = argument.parse().unwrap_or_default();
            let start = Instant::now();
            while start.elapsed().as_millis() < milliseconds {
                black_box(argument);
            }
            String::new()
        }
        "read" => outcome(std::fs::read(argument)),
        "write" => outcome(std::fs::write(argument, "x")),
        "list" => outcome(std::fs::read_dir(argument)),
        "connect" => outcome(std::net::TcpStream::connect(argument)),
        "listen" => outcome(std::net::TcpListener::bind(argument)),
        "execute" => outcome(std::process::Command::new(argument).spawn()),
        "thread" => outcome(std::thread::Builder::new().spawn(|| ())),
        _ => format!("unknown verb {verb:?}"),
    }
}

fn outcome<T>(result: std::io::Result<T>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

fn deep(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { deep(depth + 1) + frame[7] }
}
