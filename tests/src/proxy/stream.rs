//! Streams that end before their time.

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::StatusCode;
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::rule::{After, WatchEnd};
use crate::serve::{Body, BoxError, cut_off};

/// Passes on a body until it is time, and then ends it as told.
pub(super) fn cut(body: Body, after: After, how: WatchEnd) -> Body {
    let (events, deadline) = match after {
        After::Events(count) => (count, None),
        After::Time(time) => (usize::MAX, Some(Instant::now() + time)),
    };
    let begun = Cut { body: Some(body), events, deadline, how };
    StreamBody::new(stream::unfold(begun, Cut::next).map(|chunk| chunk.map(Frame::data))).boxed_unsync()
}

struct Cut {
    /// `None` when the end was sent.
    body: Option<Body>,
    /// Lines that may still pass.
    events: usize,
    deadline: Option<Instant>,
    how: WatchEnd,
}

impl Cut {
    async fn next(mut self) -> Option<(Result<Bytes, BoxError>, Self)> {
        let mut body = self.body.take()?;
        if self.events == 0 {
            return self.end().await;
        }
        let frame = match self.deadline {
            None => body.frame().await,
            Some(deadline) => tokio::select! {
                frame = body.frame() => frame,
                () = sleep_until(deadline) => return self.end().await,
            },
        };
        let chunk = match frame? {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(error) => return Some((Err(error), self)),
        };
        let chunk = self.allowed(chunk);
        self.body = Some(body);
        Some((Ok(chunk), self))
    }

    /// The part of a chunk that lies within the allowed lines.
    fn allowed(&mut self, chunk: Bytes) -> Bytes {
        for (index, byte) in chunk.iter().enumerate() {
            if *byte == b'\n' {
                self.events = self.events.saturating_sub(1);
                if self.events == 0 {
                    return chunk.slice(..=index);
                }
            }
        }
        chunk
    }

    async fn end(self) -> Option<(Result<Bytes, BoxError>, Self)> {
        match self.how {
            WatchEnd::Closed => None,
            WatchEnd::Cut => Some((cut_off("the fault proxy cuts the stream").await, self)),
            WatchEnd::Expired => {
                let object =
                    status_object(StatusCode::GONE, "too old resource version (the fault proxy says so)");
                let event = json!({ "type": "ERROR", "object": object });
                Some((Ok(format!("{event}\n").into()), self))
            }
        }
    }
}

/// A `Status` as the API server sends it with an error.
pub(super) fn status_object(status: StatusCode, message: &str) -> Value {
    let reason = match status {
        StatusCode::GONE => "Expired",
        StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
        StatusCode::INTERNAL_SERVER_ERROR => "InternalError",
        StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
        StatusCode::GATEWAY_TIMEOUT => "Timeout",
        StatusCode::FORBIDDEN => "Forbidden",
        StatusCode::CONFLICT => "Conflict",
        StatusCode::NOT_FOUND => "NotFound",
        _ => "",
    };
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": status.as_u16(),
    })
}
