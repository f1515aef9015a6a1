//! An HTTP/1.1 server with or without TLS: what the Git server and the fault proxy have in common.

use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::kit;

/// Any error; the kit only passes them on.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body that streams. An error in it cuts the connection.
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body that is there at once.
pub(crate) fn full(content: impl Into<Bytes>) -> Body {
    Full::new(content.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// An answer with a short text.
pub(crate) fn answer(status: StatusCode, content: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(content));
    *response.status_mut() = status;
    response
}

/// The error at the end of a body that is cut. What was sent before it arrives.
pub(crate) async fn cut_off<T>(message: &str) -> Result<T, BoxError> {
    // The connection is flushed when a body has nothing to give for now, and not when it fails.
    tokio::task::yield_now().await;
    Err(message.into())
}

/// A running server. It is gone, with all its connections, when this is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Starts a server on a free port of 127.0.0.1. A handler that returns an error cuts the connection without an
    /// answer. Its future is dropped when the client goes away.
    pub(crate) fn start<Handler, Answer>(tls: Option<Arc<ServerConfig>>, handler: Handler) -> Self
    where
        Handler: Fn(Request<Incoming>) -> Answer + Clone + Send + Sync + 'static,
        Answer: Future<Output = Result<Response<Body>, BoxError>> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        let address = listener.local_addr().expect("a bound socket has an address");
        let accepting = kit::runtime().spawn(async move {
            let listener = TcpListener::from_std(listener).expect("the kit has a runtime");
            // Dropped with this task, and its connections with it.
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((stream, _)) = accepted else { continue };
                        let _ = stream.set_nodelay(true);
                        let (tls, handler) = (tls.clone(), handler.clone());
                        connections.spawn(async move {
                            match tls {
                                None => converse(stream, handler).await,
                                // A client that does not like the certificate leaves; that is its test's business.
                                Some(config) => if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                                    converse(stream, handler).await;
                                },
                            }
                        });
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Self { address, accepting }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn converse<Stream, Handler, Answer>(stream: Stream, handler: Handler)
where
    Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    Handler: Fn(Request<Incoming>) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Result<Response<Body>, BoxError>> + Send + 'static,
{
    // A cut connection ends in an error here: it was cut on purpose.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service_fn(handler))
        .await;
}
