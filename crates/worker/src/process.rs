//! One worker process, seen from its owner.

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::error::Error;
use crate::frame::{self, ANSWER_TOO_LARGE, NOTE, Ready, Received, Setup};
use crate::{PoolConfig, WORKER_ARGUMENT};

/// How long a new process may take to get ready. Generous: a machine may be very busy.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How much of the last words of a process is kept for the error.
const LAST_WORDS: usize = 4 << 10;
/// How long the last words are waited for once the process has ended.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);
/// How many bytes the first frame of a worker may have.
const READY_BYTES: u64 = 64 << 10;
/// A worker that holds more than this after a request is replaced, so that one heavy request is not paid for ever.
const RESIDENT_BYTES: u64 = 64 << 20;
/// What Rust's standard library writes before it aborts for want of memory.
const OUT_OF_MEMORY_WORDS: &str = "memory allocation of";
/// What Rust's standard library writes before it aborts at the end of the stack.
const STACK_EXHAUSTED_WORDS: &str = "has overflowed its stack";

/// A process that is restricted and waits for a request. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    last_words: JoinHandle<Vec<u8>>,
}

/// Where the allocator is mimalloc it makes a GiB writable at its start, before the limit of memory is there, and what
/// is writable already is not limited. So it is to make it writable as it uses it.
const LAZY_ALLOCATOR: (&str, &str) = ("MIMALLOC_ARENA_EAGER_COMMIT", "0");

impl Process {
    /// Starts a worker and waits until it has restricted itself.
    pub(crate) async fn start(config: &PoolConfig) -> Result<Self, Error> {
        let spawn_error = |detail: &str, source| Error::Spawn {
            role: config.role,
            program: config.program.clone(),
            detail: detail.to_owned(),
            source,
        };
        let mut child = Command::new(&config.program)
            .args([WORKER_ARGUMENT, config.role])
            .env_clear()
            .env(LAZY_ALLOCATOR.0, LAZY_ALLOCATOR.1)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C in the terminal is for the owner, who ends its workers itself.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| spawn_error("the program could not be run", error))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(spawn_error("a pipe is missing", io::ErrorKind::BrokenPipe.into()));
        };
        let last_words = tokio::spawn(collect_last_words(config.role, stderr));
        let mut process = Self { child, stdin, stdout, last_words };
        match timeout(START_LIMIT, process.set_up(config)).await {
            Ok(Ok(())) => Ok(process),
            Ok(Err(source)) => {
                let (_, words) = process.end().await;
                Err(spawn_error(&words, source))
            }
            Err(_) => Err(spawn_error("it did not get ready in time", io::ErrorKind::TimedOut.into())),
        }
    }

    async fn set_up(&mut self, config: &PoolConfig) -> io::Result<()> {
        let setup = serde_json::to_vec(&Setup::new(config.sandbox, &config.limits))?;
        frame::send(&mut self.stdin, &setup).await?;
        match frame::receive(&mut self.stdout, READY_BYTES).await? {
            Received::Frame(ready) => {
                let ready: Ready = serde_json::from_slice(&ready)?;
                warn_of_gaps(config.role, &ready.gaps);
                Ok(())
            }
            Received::Ended => Err(io::ErrorKind::UnexpectedEof.into()),
            Received::TooLarge => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Sends one request and gives the frame of the answer. After an error the process is gone.
    pub(crate) async fn call(
        mut self,
        config: &PoolConfig,
        wall: Duration,
        request: &[u8],
    ) -> Result<(Self, Vec<u8>), Error> {
        let mut during = None;
        let limit_bytes = config.limits.output_bytes;
        match timeout(wall, self.exchange(limit_bytes, request, &mut during)).await {
            Err(_) => {
                self.end().await;
                Err(Error::TimedOut { limit: wall, during })
            }
            Ok(Ok(Received::Frame(answer))) if answer.first() == Some(&ANSWER_TOO_LARGE) => {
                Err(Error::OutputTooLarge { limit_bytes })
            }
            Ok(Ok(Received::Frame(answer))) => Ok((self, answer)),
            Ok(Ok(Received::TooLarge)) => {
                self.end().await;
                Err(Error::OutputTooLarge { limit_bytes })
            }
            Ok(Ok(Received::Ended)) => {
                let (status, words) = self.wait().await;
                Err(explain(config, status, &words, during))
            }
            Ok(Err(error)) => {
                let (_, words) = self.end().await;
                Err(Error::Crashed { role: config.role, detail: format!("{error}; {words}") })
            }
        }
    }

    /// Sends the request and receives until something else than a note comes; `during` is the last note.
    async fn exchange(
        &mut self,
        limit_bytes: u64,
        request: &[u8],
        during: &mut Option<String>,
    ) -> io::Result<Received> {
        let sent = frame::send(&mut self.stdin, request).await;
        loop {
            // One byte more for the mark before the JSON.
            let received = frame::receive(&mut self.stdout, limit_bytes.saturating_add(1)).await?;
            match (&received, &sent) {
                (Received::Frame(frame), _) if frame.first() == Some(&NOTE) => {
                    *during = Some(String::from_utf8_lossy(&frame[1..]).into_owned());
                }
                // A worker that died while it was sent to is told from the end of its answers.
                (Received::Ended | Received::TooLarge, _) | (_, Ok(())) => return Ok(received),
                (Received::Frame(_), Err(_)) => return sent.map(|()| received),
            }
        }
    }

    /// Whether the process can take another request.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Whether the process has kept so much memory that a new one is better.
    pub(crate) fn is_bloated(&self) -> bool {
        let Some(pid) = self.child.id() else {
            return true;
        };
        fs::read_to_string(format!("/proc/{pid}/statm"))
            .ok()
            .and_then(|statm| statm.split(' ').nth(1)?.parse::<u64>().ok())
            .is_some_and(|pages| pages * rustix::param::page_size() as u64 > RESIDENT_BYTES)
    }

    /// Kills the process; gives how it ended and its last words.
    async fn end(mut self) -> (Option<ExitStatus>, String) {
        // It fails only when the process has ended by itself.
        let _ = self.child.start_kill();
        self.wait().await
    }

    async fn wait(mut self) -> (Option<ExitStatus>, String) {
        let status = self.child.wait().await.ok();
        let words = match timeout(LAST_WORDS_LIMIT, &mut self.last_words).await {
            Ok(Ok(words)) => String::from_utf8_lossy(&words).trim().to_owned(),
            _ => String::new(),
        };
        (status, words)
    }
}

/// Turns the end of a process that gave no answer into the limit that it passed.
fn explain(config: &PoolConfig, status: Option<ExitStatus>, words: &str, during: Option<String>) -> Error {
    let role = config.role;
    match status.and_then(|status| status.signal()) {
        Some(libc::SIGXCPU) => Error::CpuTimeExceeded { limit: config.limits.cpu, during },
        Some(libc::SIGABRT) if words.contains(OUT_OF_MEMORY_WORDS) => {
            Error::OutOfMemory { limit_bytes: config.limits.memory_bytes, during }
        }
        Some(libc::SIGABRT) if words.contains(STACK_EXHAUSTED_WORDS) => Error::StackExhausted { during },
        Some(signal) if words.is_empty() => Error::Killed { role, signal },
        Some(signal) => Error::Crashed { role, detail: format!("signal {signal}: {words}") },
        None => {
            let code = status.and_then(|status| status.code());
            let code = code.map_or_else(|| "unknown".to_owned(), |code| code.to_string());
            Error::Crashed { role, detail: format!("exit code {code}: {words}") }
        }
    }
}

/// Reads stderr to its end: all of it goes to the log, its tail is kept.
async fn collect_last_words(role: &'static str, mut stderr: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut words = Vec::new();
    let mut part = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut part).await {
        tracing::debug!(role, text = %String::from_utf8_lossy(&part[..count]).trim_end(), "a worker wrote to stderr");
        words.extend_from_slice(&part[..count]);
        words.drain(..words.len().saturating_sub(LAST_WORDS));
    }
    words
}

/// Says once what this kernel does not grant: it is the same for every worker.
fn warn_of_gaps(role: &'static str, gaps: &[String]) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if !gaps.is_empty() && !WARNED.swap(true, Ordering::Relaxed) {
        tracing::warn!(role, gaps = gaps.join("; "), "workers are not fully sealed on this kernel");
    }
}
