//! A small HTTP client, for webhooks and for health and metrics endpoints.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Longer than any answer of a program under test may take.
const LIMIT: Duration = Duration::from_secs(30);

/// An answer with its whole body.
#[derive(Debug)]
pub struct HttpResponse {
    /// The status code, for example 202.
    pub status: u16,
    /// The body as text; bytes that are not UTF-8 are replaced.
    pub body: String,
}

/// Asks for a plain `http://` address; `Err` says in words why there is no answer.
pub async fn http_get(url: &str) -> Result<HttpResponse, String> {
    send(Method::GET, url, &[], Bytes::new()).await
}

/// Posts a body to a plain `http://` address; `Err` says in words why there is no answer.
pub async fn http_post(
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<HttpResponse, String> {
    send(Method::POST, url, headers, body.into()).await
}

async fn send(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<HttpResponse, String> {
    static CLIENT: LazyLock<Client<HttpConnector, Full<Bytes>>> = LazyLock::new(|| {
        // Connections belong to the runtime that opened them, and that ends with its test: none is kept.
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http()
    });
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body)).map_err(|error| format!("{url}: {error}"))?;
    let exchange = async {
        let response = CLIENT.request(request).await.map_err(|error| explain(url, &error))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| explain(url, &error))?;
        Ok::<_, String>((status, body.to_bytes()))
    };
    let (status, body) = tokio::time::timeout(LIMIT, exchange)
        .await
        .map_err(|_| format!("{url}: no answer within {LIMIT:?}"))??;
    Ok(HttpResponse { status: status.as_u16(), body: String::from_utf8_lossy(&body).into_owned() })
}

fn explain(url: &str, error: &dyn std::error::Error) -> String {
    let mut text = format!("{url}: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
