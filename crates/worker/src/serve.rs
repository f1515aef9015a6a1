//! The worker's side: restrict, then answer.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Sandbox;
use crate::frame::{self, ANSWER, ANSWER_TOO_LARGE, NOTE, Ready, Setup};
use crate::restrict;

/// Why a worker gave up. Its owner sees the text, since it goes to stderr.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The binary does not know this role.
    #[error("there is no worker role {role:?}; workers are started by Tiphys itself and not by hand")]
    UnknownRole {
        /// The role that was asked for.
        role: String,
    },
    /// The owner expects another sandbox than the role has.
    #[error("the owner expects the sandbox {expected:?}, but this role has {actual:?}")]
    OtherSandbox {
        /// What the pool was configured with.
        expected: Sandbox,
        /// What the role serves under.
        actual: Sandbox,
    },
    /// The process could not put itself under its limits.
    #[error("the limits could not be set")]
    Restrict(#[source] io::Error),
    /// A pipe to the owner broke.
    #[error("the pipe to the owner broke")]
    Pipe(#[source] io::Error),
    /// A frame of the owner was not the JSON that was expected.
    #[error("a frame of the owner was not understood")]
    Decode(#[source] serde_json::Error),
    /// An answer could not be written as JSON.
    #[error("an answer could not be encoded")]
    Encode(#[source] serde_json::Error),
}

/// Answers requests on stdin with `handler` until the owner closes the pipe.
///
/// The first act is to restrict this process to the limits that the owner sent and to `sandbox`, so call it before
/// any thread is started. The handler keeps nothing between requests that matters: the process may be replaced at any time.
pub fn serve<Request, Response>(
    sandbox: Sandbox,
    mut handler: impl FnMut(Request) -> Response,
) -> Result<(), ServeError>
where
    Request: DeserializeOwned,
    Response: Serialize,
{
    let mut requests = io::stdin().lock();
    let mut answers = io::stdout().lock();
    let Some(setup) = frame::read(&mut requests).map_err(ServeError::Pipe)? else {
        return Ok(());
    };
    let setup: Setup = serde_json::from_slice(&setup).map_err(ServeError::Decode)?;
    if setup.sandbox != sandbox {
        return Err(ServeError::OtherSandbox { expected: setup.sandbox, actual: sandbox });
    }
    let gaps = restrict::restrict(&setup).map_err(ServeError::Restrict)?;
    let ready = serde_json::to_vec(&Ready { gaps }).map_err(ServeError::Encode)?;
    frame::write(&mut answers, &ready).map_err(ServeError::Pipe)?;

    while let Some(payload) = frame::read(&mut requests).map_err(ServeError::Pipe)? {
        restrict::renew_cpu_limit(setup.cpu).map_err(ServeError::Restrict)?;
        let request = serde_json::from_slice(&payload).map_err(ServeError::Decode)?;
        drop(payload);
        let response = handler(request);
        let answer = encode(&response, setup.output_bytes).map_err(ServeError::Encode)?;
        frame::write(&mut answers, &answer).map_err(ServeError::Pipe)?;
    }
    Ok(())
}

/// Tells the owner what the handler of a request is about to do, as a person would name it.
///
/// When the request then passes a limit, the error names it. Only for use within a handler of [`serve`].
pub fn note(activity: &str) {
    let mut frame = vec![NOTE];
    frame.extend_from_slice(activity.as_bytes());
    // An owner that is gone does not need to know; the next answer notices it.
    let _ = frame::write(&mut io::stdout().lock(), &frame);
}

/// Writes the error of a worker, if any, to stderr, where its owner collects it.
pub fn exit_code(served: Result<(), ServeError>) -> ExitCode {
    let Err(error) = served else {
        return ExitCode::SUCCESS;
    };
    let mut stderr = io::stderr().lock();
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    let mut separator = "";
    while let Some(error) = cause {
        // Nobody is left to tell when stderr is closed.
        let _ = write!(stderr, "{separator}{error}");
        separator = ": ";
        cause = error.source();
    }
    let _ = writeln!(stderr);
    ExitCode::FAILURE
}

fn encode(response: &impl Serialize, limit: u64) -> Result<Vec<u8>, serde_json::Error> {
    // One byte more for the mark before the JSON.
    let mut answer = CappedBuffer::new(limit.saturating_add(1));
    answer.bytes.push(ANSWER);
    match serde_json::to_writer(&mut answer, response) {
        Ok(()) => Ok(answer.into_bytes()),
        Err(error) if error.is_io() => Ok(vec![ANSWER_TOO_LARGE]),
        Err(error) => Err(error),
    }
}

/// A buffer in memory that refuses to grow over its limit, with [`io::ErrorKind::FileTooLarge`].
#[derive(Debug)]
pub struct CappedBuffer {
    bytes: Vec<u8>,
    limit: usize,
}

impl CappedBuffer {
    /// An empty buffer for at most `limit` bytes.
    pub fn new(limit: u64) -> Self {
        Self { bytes: Vec::new(), limit: usize::try_from(limit).unwrap_or(usize::MAX) }
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Write for CappedBuffer {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + part.len() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
