//! The frames between a pool and its workers: four bytes of length, most significant first, then that many bytes.

use std::io::{self, Read, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{Limits, Sandbox};

/// The first frame to a worker: under which limits it shall put itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) sandbox: Sandbox,
    pub(crate) memory_bytes: u64,
    pub(crate) cpu: Duration,
    pub(crate) output_bytes: u64,
}

impl Setup {
    pub(crate) fn new(sandbox: Sandbox, limits: &Limits) -> Self {
        Self {
            sandbox,
            memory_bytes: limits.memory_bytes,
            cpu: limits.cpu,
            output_bytes: limits.output_bytes,
        }
    }
}

/// The first frame of a worker: it is restricted and waits for requests.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// The restrictions that this kernel did not grant, in words.
    pub(crate) gaps: Vec<String>,
}

/// The first byte of an answer, before its JSON.
pub(crate) const ANSWER: u8 = b'+';
/// The first byte of an answer that is left out because it is larger than the limit.
pub(crate) const ANSWER_TOO_LARGE: u8 = b'>';

/// The first byte of a frame in which the worker says what it is doing; the answer is still to come.
pub(crate) const NOTE: u8 = b'~';

/// What came out of the worker's end of the pipe.
pub(crate) enum Received {
    Frame(Vec<u8>),
    /// The worker has closed its end, or broke off inside a frame.
    Ended,
    /// The frame is announced as longer than allowed; nothing of it was read.
    TooLarge,
}

pub(crate) async fn send(pipe: &mut (impl AsyncWrite + Unpin), payload: &[u8]) -> io::Result<()> {
    pipe.write_all(&header(payload)?).await?;
    pipe.write_all(payload).await?;
    pipe.flush().await
}

pub(crate) async fn receive(pipe: &mut (impl AsyncRead + Unpin), limit: u64) -> io::Result<Received> {
    let mut length = [0; 4];
    match pipe.read_exact(&mut length).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Received::Ended),
        Err(error) => return Err(error),
    }
    let length = u64::from(u32::from_be_bytes(length));
    if length > limit {
        return Ok(Received::TooLarge);
    }
    // The buffer grows with what really arrives, not with what the worker announced.
    let mut payload = Vec::new();
    let received = pipe.take(length).read_to_end(&mut payload).await?;
    if received as u64 == length { Ok(Received::Frame(payload)) } else { Ok(Received::Ended) }
}

pub(crate) fn write(pipe: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    pipe.write_all(&header(payload)?)?;
    pipe.write_all(payload)?;
    pipe.flush()
}

/// Reads one frame, `None` at the end of the stream.
pub(crate) fn read(pipe: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match pipe.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut payload = vec![0; u32::from_be_bytes(length) as usize];
    pipe.read_exact(&mut payload)?;
    Ok(Some(payload))
}

fn header(payload: &[u8]) -> io::Result<[u8; 4]> {
    u32::try_from(payload.len()).map(u32::to_be_bytes).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, "a frame of 4 GiB or more cannot be sent to a worker")
    })
}
