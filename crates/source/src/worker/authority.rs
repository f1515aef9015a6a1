//! Certificates that a Repository trusts in place of those of the system.
//!
//! libgit2 can load other authorities only for the whole process, and shows its callback only the certificate of the
//! server, not the chain. So the chain is fetched by a handshake of our own, and the certificate that libgit2 is really
//! talking to is verified with it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore};

/// The authorities of one Repository.
pub(crate) struct Authority {
    certificates: Vec<CertificateDer<'static>>,
    roots: Arc<RootCertStore>,
    verifier: Arc<WebPkiServerVerifier>,
}

/// Intermediate certificates that servers sent before, by host and port. They are not trusted, only helpful.
#[derive(Clone, Default)]
pub(super) struct Chains(Rc<RefCell<HashMap<Place, Vec<CertificateDer<'static>>>>>);

/// A host and a port.
type Place = (String, u16);

impl Authority {
    /// Reads certificates in PEM. The error says what is wrong.
    pub(crate) fn parse(pem: &str) -> Result<Self, String> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| format!("it is not PEM ({error})"))?;
        if certificates.is_empty() {
            return Err("it contains no certificate".to_owned());
        }
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots
                .add(certificate.clone())
                .map_err(|error| format!("a certificate in it is not valid ({error})"))?;
        }
        let roots = Arc::new(roots);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), provider)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { certificates, roots, verifier })
    }

    /// Verifies the certificate that a server presented: issued by one of ours, for this host, valid now.
    pub(super) fn verify(
        &self,
        chains: &Chains,
        certificate: &[u8],
        host: &str,
        port: u16,
    ) -> Result<(), String> {
        let certificate = CertificateDer::from(certificate.to_vec());
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_| "the host has no name to verify".to_owned())?;
        let place = (host.to_owned(), port);
        let known = chains.0.borrow().get(&place).cloned().unwrap_or_default();
        match self.verify_with(&certificate, &known, &name) {
            Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {}
            other => return other.map_err(|error| describe(&error)),
        }
        let chain = self.fetch_chain(&name, &place).map_err(|error| error.to_string())?;
        let result = self.verify_with(&certificate, &chain, &name).map_err(|error| describe(&error));
        chains.0.borrow_mut().insert(place, chain);
        result
    }

    fn verify_with(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'static>],
        name: &ServerName<'_>,
    ) -> Result<(), rustls::Error> {
        let intermediates: Vec<_> = self.certificates.iter().chain(chain).cloned().collect();
        let verified =
            self.verifier.verify_server_cert(certificate, &intermediates, name, &[], UnixTime::now());
        match verified {
            // A server that is its own authority, as `openssl req -x509` makes it. It is trusted if it is exactly the
            // certificate that we were given; its dates were checked before this error is raised.
            Err(error)
                if is_own_authority(&error) && self.certificates.iter().any(|it| it == certificate) =>
            {
                rustls::client::verify_server_name(&ParsedCertificate::try_from(certificate)?, name)
            }
            other => other.map(|_| ()),
        }
    }

    /// The certificates that the server sends beside its own.
    fn fetch_chain(
        &self,
        name: &ServerName<'static>,
        place: &Place,
    ) -> io::Result<Vec<CertificateDer<'static>>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(Arc::clone(&self.roots))
            .with_no_client_auth();
        let mut connection =
            ClientConnection::new(Arc::new(config), name.clone()).map_err(io::Error::other)?;
        let mut socket = TcpStream::connect((place.0.as_str(), place.1))?;
        while connection.is_handshaking() {
            if let Err(error) = connection.complete_io(&mut socket) {
                return Err(describe_handshake(error));
            }
        }
        let chain = connection.peer_certificates().unwrap_or_default();
        Ok(chain.iter().skip(1).map(|it| it.clone().into_owned()).collect())
    }
}

fn is_own_authority(error: &rustls::Error) -> bool {
    // The error of the certificate library is wrapped in a type that only shows its text.
    matches!(error, rustls::Error::InvalidCertificate(CertificateError::Other(other)) if other.to_string().contains("CaUsedAsEndEntity"))
}

fn describe_handshake(error: io::Error) -> io::Error {
    match error.get_ref().and_then(|it| it.downcast_ref::<rustls::Error>()) {
        Some(inner) => io::Error::other(describe(inner)),
        None => error,
    }
}

fn describe(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return error.to_string();
    };
    match certificate {
        CertificateError::UnknownIssuer => "it was not issued by a certificate in ca.crt".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it was issued for another host name".to_owned()
        }
        other => other.to_string(),
    }
}
