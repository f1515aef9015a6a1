//! HTTP to addresses that people name: one request, one answer, nothing else.
//!
//! No redirect is followed, no proxy is asked, an answer is read up to a limit, and everything has to be over in time.
//! The address is looked up once and what is connected to is what was looked at, so no second answer of a name server can
//! lead somewhere else. Errors hold neither the address nor the headers, for both may be secret.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderName, HeaderValue, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tiphys_notify::{Hidden, Networks};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long one exchange may take, from the name to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How much of an answer is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;
/// Headers that say how a message is framed or where it goes: nobody may set them.
const RESERVED: [&str; 6] = ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te"];

/// Where may be sent to.
#[derive(Clone, Debug)]
pub enum Reach {
    /// Anywhere: whoever names the address runs the installation.
    Anywhere,
    /// Where tenants may send to.
    Tenant(Networks),
}

impl Reach {
    /// Those of these addresses that may be sent to.
    pub fn allowed(&self, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, SendError> {
        let allowed: Vec<_> = addresses.into_iter().filter(|it| self.allows(it.ip())).collect();
        if allowed.is_empty() { Err(SendError::Refused) } else { Ok(allowed) }
    }

    fn allows(&self, address: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Tenant(networks) => networks.allow(address),
        }
    }
}

/// What is sent.
#[derive(Debug)]
pub struct Outbound<'a> {
    /// The method.
    pub method: &'a str,
    /// `https://…` or `http://…`; whether the latter may be is for the caller to say.
    pub url: &'a Hidden,
    /// Headers beside those that every request has.
    pub headers: &'a [(String, Hidden)],
    /// What the body is.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// A private authority in PEM, trusted beside the usual ones.
    pub authority: Option<&'a Hidden>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// How long it asks to wait.
    pub retry_after: Option<Duration>,
    /// The beginning of the body.
    pub body: Vec<u8>,
}

/// Why there is no answer. Says nothing that may be secret.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The address makes no sense.
    #[error("its address is none: it must be https://HOST/…")]
    Address,
    /// A header cannot be sent.
    #[error("header {0} cannot be set: its name or its value is not allowed")]
    Header(String),
    /// The certificate of the authority cannot be read.
    #[error("ca.crt holds no certificate in PEM")]
    Authority,
    /// The name of the host has no address.
    #[error("its host cannot be found")]
    Unknown,
    /// The address may not be sent to.
    #[error(
        "its host has no address that Notifications outside of the installation's namespace may send to (--notification-network)"
    )]
    Refused,
    /// Nobody answers there.
    #[error("it cannot be connected to: {0}")]
    Connect(std::io::Error),
    /// TLS failed.
    #[error("its TLS failed: {0}")]
    Tls(std::io::Error),
    /// The conversation broke off.
    #[error("the connection broke off")]
    Broken,
    /// It took too long.
    #[error("it did not answer within {} s", TIMEOUT.as_secs())]
    Late,
}

impl SendError {
    /// Whether the same may work later though nobody changes anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unknown | Self::Connect(_) | Self::Tls(_) | Self::Broken | Self::Late => true,
            Self::Address | Self::Header(_) | Self::Authority | Self::Refused => false,
        }
    }
}

/// Sends one request and waits for the answer.
pub async fn send(outbound: Outbound<'_>, reach: &Reach) -> Result<Answer, SendError> {
    tokio::time::timeout(TIMEOUT, exchange(outbound, reach)).await.unwrap_or(Err(SendError::Late))
}

async fn exchange(outbound: Outbound<'_>, reach: &Reach) -> Result<Answer, SendError> {
    let uri: Uri = outbound.url.reveal().parse().map_err(|_| SendError::Address)?;
    let host = uri.host().ok_or(SendError::Address)?.trim_matches(['[', ']']).to_owned();
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(SendError::Address),
    };
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let authority = outbound.authority;
    let request = request(outbound, &uri)?;
    let stream = connect(&host, port, reach).await?;
    if !tls {
        return converse(stream, request).await;
    }
    let name = ServerName::try_from(host).map_err(|_| SendError::Address)?;
    let connector = TlsConnector::from(client_config(authority)?);
    let stream = connector.connect(name, stream).await.map_err(SendError::Tls)?;
    converse(stream, request).await
}

fn request(outbound: Outbound<'_>, uri: &Uri) -> Result<Request<Full<Bytes>>, SendError> {
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    let host = uri.authority().map_or("", |it| it.as_str());
    // Who logs in does not belong into the name of a host.
    let host = host.rsplit('@').next().unwrap_or_default();
    let mut request = Request::builder()
        .method(outbound.method)
        .uri(path)
        .header(HOST, host)
        .header(USER_AGENT, concat!("tiphys/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, outbound.content_type)
        .body(Full::new(Bytes::from(outbound.body)))
        .map_err(|_| SendError::Address)?;
    for (name, value) in outbound.headers {
        let invalid = || SendError::Header(name.clone());
        let header: HeaderName = name.parse().map_err(|_| invalid())?;
        if RESERVED.contains(&header.as_str()) {
            return Err(invalid());
        }
        let mut value: HeaderValue = value.reveal().parse().map_err(|_| invalid())?;
        value.set_sensitive(true);
        request.headers_mut().insert(header, value);
    }
    Ok(request)
}

/// The addresses of a host that may be sent to.
pub async fn resolve(host: &str, port: u16, reach: &Reach) -> Result<Vec<SocketAddr>, SendError> {
    let addresses = tokio::net::lookup_host((host, port)).await.map_err(|_| SendError::Unknown)?;
    let addresses: Vec<_> = addresses.collect();
    if addresses.is_empty() { Err(SendError::Unknown) } else { reach.allowed(addresses) }
}

async fn connect(host: &str, port: u16, reach: &Reach) -> Result<TcpStream, SendError> {
    let mut failure = SendError::Unknown;
    for address in resolve(host, port, reach).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = SendError::Connect(error),
        }
    }
    Err(failure)
}

async fn converse<Stream>(stream: Stream, request: Request<Full<Bytes>>) -> Result<Answer, SendError>
where
    Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|_| SendError::Broken)?;
    let talk = async {
        let response = sender.send_request(request).await.map_err(|_| SendError::Broken)?;
        let (parts, body) = response.into_parts();
        let retry_after = parts.headers.get(RETRY_AFTER).and_then(|it| it.to_str().ok()?.parse().ok());
        // What does not fit is not read: the status says what matters.
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        Ok(Answer {
            status: parts.status.as_u16(),
            retry_after: retry_after.map(Duration::from_secs),
            body: body.map(|it| it.to_bytes().to_vec()).unwrap_or_default(),
        })
    };
    let mut talk = std::pin::pin!(talk);
    tokio::select! {
        biased;
        answer = &mut talk => answer,
        // The connection is driven here, and is gone when the answer is there. It may end before the answer was taken over.
        _ = connection => talk.await,
    }
}

fn client_config(authority: Option<&Hidden>) -> Result<Arc<ClientConfig>, SendError> {
    static USUAL: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| Arc::new(config(usual_roots())));
    let Some(authority) = authority else {
        return Ok(Arc::clone(&USUAL));
    };
    let mut roots = usual_roots();
    let mut found = false;
    for certificate in CertificateDer::pem_slice_iter(authority.reveal().as_bytes()) {
        let certificate = certificate.map_err(|_| SendError::Authority)?;
        roots.add(certificate).map_err(|_| SendError::Authority)?;
        found = true;
    }
    if found { Ok(Arc::new(config(roots))) } else { Err(SendError::Authority) }
}

fn config(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}

fn usual_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}
