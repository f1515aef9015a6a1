//! Certificates for servers of the kit.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};

/// What is wrong with a server's certificate, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateFor {
    /// 127.0.0.1, ::1 and localhost: good for whoever trusts the authority.
    Localhost,
    /// `git.example.com`: the wrong name.
    AnotherHost,
    /// 127.0.0.1, but it ended years ago.
    ThePast,
}

/// A server certificate signed by an authority that was made for it and that nobody trusts by himself.
pub struct TestCertificate {
    /// All in PEM.
    ca: String,
    certificate: String,
    key: String,
}

impl TestCertificate {
    /// Makes a new authority and a certificate signed by it.
    pub fn new(purpose: CertificateFor) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "tiphys test authority");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();

        let names: &[&str] = match purpose {
            CertificateFor::AnotherHost => &["git.example.com"],
            CertificateFor::Localhost | CertificateFor::ThePast => &["localhost", "127.0.0.1", "::1"],
        };
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        if purpose == CertificateFor::ThePast {
            parameters.not_before = date_time_ymd(2001, 1, 1);
            parameters.not_after = date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &authority).unwrap();
        Self { ca: authority.pem(), certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// The certificate of the authority, for a client that shall trust the server.
    pub fn ca_pem(&self) -> &str {
        &self.ca
    }

    /// The certificate of the server, for a server that is not of the kit.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// The key of the server, for a server that is not of the kit.
    pub fn key_pem(&self) -> &str {
        &self.key
    }

    /// What a TLS server needs to present this certificate.
    pub(crate) fn server_config(&self) -> Arc<ServerConfig> {
        server_config(&self.certificate, &self.key)
    }
}

/// A server side of TLS that offers HTTP/1.1 only.
pub(crate) fn server_config(certificate_pem: &str, key_pem: &str) -> Arc<ServerConfig> {
    let certificates: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(certificate_pem.as_bytes())
            .collect::<Result<_, _>>()
            .expect("the certificate is PEM");
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).expect("the key is PEM");
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring knows the default protocol versions")
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .expect("the key belongs to the certificate");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// A client side of TLS that trusts one authority.
pub(crate) fn client_config(ca_pem: &str) -> rustls::ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(certificate.expect("the authority is PEM")).expect("the authority is a certificate");
    }
    rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring knows the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
