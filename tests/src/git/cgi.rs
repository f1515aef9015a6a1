//! `git http-backend` behind our HTTP server.

use std::path::Path;
use std::process::Stdio;

use bytes::{Bytes, BytesMut};
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::git;
use crate::serve::{Body, BoxError};

/// Lets git answer the request. Both bodies stream; the process is killed when the client goes away.
pub(super) async fn answer(root: &Path, request: Request<Incoming>) -> Result<Response<Body>, BoxError> {
    let mut command = Command::from(git(root));
    let header =
        |name: HeaderName| request.headers().get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "test")
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("REQUEST_METHOD", request.method().as_str())
        .env("PATH_INFO", request.uri().path())
        .env("QUERY_STRING", request.uri().query().unwrap_or_default())
        .env("CONTENT_TYPE", header(CONTENT_TYPE))
        .env("CONTENT_LENGTH", header(CONTENT_LENGTH))
        .env("HTTP_CONTENT_ENCODING", header(CONTENT_ENCODING))
        .env("GIT_PROTOCOL", header(HeaderName::from_static("git-protocol")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if header(CONTENT_LENGTH).is_empty() {
        // An empty length would mean an empty body; without one git reads to the end.
        command.env_remove("CONTENT_LENGTH");
    }
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().ok_or("git has no standard input")?;
    let mut output = BufReader::new(child.stdout.take().ok_or("git has no standard output")?);
    let mut body = request.into_body();
    // Ends by itself when git stops reading or the client stops sending.
    tokio::spawn(async move {
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(chunk) = frame.into_data() else { continue };
            if stdin.write_all(&chunk).await.is_err() {
                break;
            }
        }
    });
    let mut response = Response::builder().status(StatusCode::OK);
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).await? == 0 {
            return Err("git http-backend ended before its header did".into());
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").ok_or("git http-backend printed no header")?;
        response = if name == "Status" {
            response.status(value.split(' ').next().unwrap_or_default())
        } else {
            response.header(name, HeaderValue::from_str(value)?)
        };
    }
    Ok(response.body(stream_of(child, output))?)
}

fn stream_of(child: Child, output: BufReader<ChildStdout>) -> Body {
    let chunks = stream::unfold((child, output), |(mut child, mut output)| async move {
        let mut chunk = BytesMut::with_capacity(64 * 1024);
        match output.read_buf(&mut chunk).await {
            Ok(0) => {
                // What git did, such as moving a branch, is done when it has ended.
                let _ = child.wait().await;
                None
            }
            Ok(_) => Some((Ok::<Frame<Bytes>, BoxError>(Frame::data(chunk.freeze())), (child, output))),
            Err(error) => Some((Err(error.into()), (child, output))),
        }
    });
    StreamBody::new(chunks).boxed_unsync()
}
