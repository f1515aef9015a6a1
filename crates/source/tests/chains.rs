//! Certificates as private authorities really issue them: with intermediates, or by a server for itself.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a step that fails here is a test that fails")]

mod support;

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use support::{Fixture, read, remote};
use tiphys_source::{Error, Remote, RevisionSpec, Transport};
use tiphys_tests::{Auth, GitServer, TestRepo};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What a server presents, all in PEM.
struct Presented {
    chain: String,
    key: KeyPair,
}

/// Puts TLS in front of a server that speaks http; gives the port.
async fn front(upstream: &GitServer, presented: &Presented) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = CertificateDer::pem_slice_iter(presented.chain.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(presented.key.serialize_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let upstream = upstream.url().strip_prefix("http://").unwrap().to_owned();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, upstream) = (acceptor.clone(), upstream.clone());
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(client).await else {
                    return;
                };
                let mut server = TcpStream::connect(upstream).await.unwrap();
                // A client may end the connection as it likes.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    port
}

async fn content(repo: &TestRepo, port: u16, authority: &str) -> Result<String, Error> {
    let fixture = Fixture::new();
    let remote = Remote {
        url: format!("https://127.0.0.1:{port}/r.git").parse().unwrap(),
        transport: Transport::Encrypted,
        certificate_authority: Some(authority.to_owned()),
        ..remote(repo)
    };
    let tracked = fixture.mirrors.track(&remote, &RevisionSpec::Default)?;
    let revision = tracked.resolve().await?;
    Ok(read(&tracked, &revision, "file").await)
}

fn repository(server: &GitServer) -> TestRepo {
    let repo = server.create_repo("r", Auth::Anonymous);
    repo.commit_file("main", "file", "1");
    repo
}

fn check(result: Result<String, Error>, expected: Result<(), &str>, case: &str) {
    match (result, expected) {
        (Ok(content), Ok(())) => assert_eq!(content, "1"),
        (Err(error), Err(expected)) => {
            assert!(matches!(error, Error::Certificate { .. }), "{case}: {error:?}");
            assert!(error.to_string().contains(expected), "{case}: {error}");
        }
        (result, expected) => panic!("{case}: {result:?}, expected {expected:?}"),
    }
}

#[tokio::test]
async fn the_chain_of_the_server_is_used() {
    let authority = |name: &str| {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters
    };
    let root = CertifiedIssuer::self_signed(authority("root"), KeyPair::generate().unwrap()).unwrap();
    let middle =
        CertifiedIssuer::signed_by(authority("middle"), KeyPair::generate().unwrap(), &root).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf =
        CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &middle).unwrap().pem();
    let whole = Presented { chain: format!("{leaf}{}", middle.pem()), key };
    let alone = Presented { chain: leaf, key: KeyPair::from_pem(&whole.key.serialize_pem()).unwrap() };
    let both = format!("{}{}", root.pem(), middle.pem());
    let not_issued = Err("it was not issued by a certificate in ca.crt");

    let server = GitServer::start();
    let repo = repository(&server);
    for (presented, authority, expected, case) in [
        (&whole, root.pem(), Ok(()), "the chain leads to the root"),
        (&whole, middle.pem(), Ok(()), "the intermediate itself is trusted"),
        (&alone, both, Ok(()), "the intermediate is in ca.crt"),
        (&alone, root.pem(), not_issued, "the chain is broken"),
    ] {
        let port = front(&server, presented).await;
        check(content(&repo, port, &authority).await, expected, case);
    }
}

#[tokio::test]
async fn a_server_may_be_its_own_authority_if_it_is_exactly_that() {
    let server = GitServer::start();
    let repo = repository(&server);
    let own = |is_ca: IsCa, host: &str, year: i32| {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new([host.to_owned()]).unwrap();
        parameters.is_ca = is_ca;
        parameters.distinguished_name.push(DnType::CommonName, host);
        parameters.not_after = date_time_ymd(year, 1, 1);
        Presented { chain: parameters.self_signed(&key).unwrap().pem(), key }
    };
    let ca = || IsCa::Ca(BasicConstraints::Unconstrained);
    let other = own(ca(), "127.0.0.1", 4000).chain;
    for (presented, authority, expected, case) in [
        (own(ca(), "127.0.0.1", 4000), None, Ok(()), "authority"),
        (own(IsCa::ExplicitNoCa, "127.0.0.1", 4000), None, Ok(()), "no authority"),
        (own(ca(), "127.0.0.1", 2020), None, Err("it has expired"), "expired"),
        (
            own(ca(), "git.example.com", 4000),
            None,
            Err("it was issued for another host name"),
            "another name",
        ),
        (own(ca(), "127.0.0.1", 4000), Some(other), Err(""), "somebody else's"),
    ] {
        let port = front(&server, &presented).await;
        let authority = authority.unwrap_or_else(|| presented.chain.clone());
        check(content(&repo, port, &authority).await, expected, case);
    }
}
