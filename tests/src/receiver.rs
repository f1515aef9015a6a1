//! An HTTP server that takes what it is sent, and answers as a test says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{HeaderMap, StatusCode};

use crate::serve::{Server, answer};
use crate::tls::TestCertificate;
use crate::wait::eventually;

/// A request that was received.
#[derive(Clone, Debug)]
pub struct Received {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// What was answered.
    pub status: u16,
}

impl Received {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// The value of a header; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct Shared {
    received: Vec<Received>,
    answers: VecDeque<u16>,
    always: Option<u16>,
    location: Option<String>,
    silent: bool,
}

/// A running receiver on a free port of 127.0.0.1.
pub struct Receiver {
    server: Server,
    scheme: &'static str,
    shared: Arc<Mutex<Shared>>,
}

impl Receiver {
    /// One that speaks plain HTTP.
    pub fn start() -> Self {
        Self::with(None)
    }

    /// One that speaks TLS with this certificate.
    pub fn start_tls(certificate: &TestCertificate) -> Self {
        Self::with(Some(certificate))
    }

    fn with(certificate: Option<&TestCertificate>) -> Self {
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let seen = Arc::clone(&shared);
        let server = Server::start(certificate.map(TestCertificate::server_config), move |request| {
            let shared = Arc::clone(&seen);
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                let (status, location, silent) = {
                    let mut shared = shared.lock().unwrap();
                    let always = shared.always.unwrap_or(200);
                    let status = shared.answers.pop_front().unwrap_or(always);
                    let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
                    let method = parts.method.to_string();
                    shared.received.push(Received { method, path, headers: parts.headers, body, status });
                    (status, shared.location.clone(), shared.silent)
                };
                if silent {
                    std::future::pending::<()>().await;
                }
                let status = StatusCode::from_u16(status).expect("a status code");
                let mut response = answer(status, format!("answer {status} with the body of a stranger"));
                if let Some(location) = location {
                    response.headers_mut().insert("location", location.parse().expect("an address"));
                }
                Ok(response)
            }
        });
        Self { server, scheme: if certificate.is_some() { "https" } else { "http" }, shared }
    }

    /// Its address, with this path.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.server.address())
    }

    /// Answers the next requests with these status codes.
    pub fn answer_next(&self, statuses: &[u16]) {
        self.shared.lock().unwrap().answers.extend(statuses);
    }

    /// Answers every request with this status code.
    pub fn answer_always(&self, status: u16) {
        self.shared.lock().unwrap().always = Some(status);
    }

    /// Answers every request with a redirect to this address.
    pub fn redirect_to(&self, url: &str) {
        let mut shared = self.shared.lock().unwrap();
        (shared.always, shared.location) = (Some(307), Some(url.to_owned()));
    }

    /// Takes requests and does not answer any more.
    pub fn fall_silent(&self) {
        self.shared.lock().unwrap().silent = true;
    }

    /// What was received so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.lock().unwrap().received.clone()
    }

    /// Waits until so many requests were received; gives all of them.
    pub async fn wait_for(&self, count: usize, within: Duration) -> Vec<Received> {
        eventually(&format!("{count} requests are received"), within, || async {
            let received = self.received();
            if received.len() >= count {
                Ok(received)
            } else {
                let seen: Vec<_> = received.iter().map(|it| format!("{} {}", it.path, it.status)).collect();
                Err(format!("{} of them: {}", seen.len(), seen.join(", ")))
            }
        })
        .await
    }
}
