//! TLS and mutual TLS.

use std::sync::Arc;

use ottla_server::{Tls, TlsError};
use ottla_wire::messages::{ApiVersions, ApiVersionsRequest};
use rcgen::{CertificateParams, KeyPair};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::{Client, World, world_of};

/// A certificate that vouches for itself, and its key.
struct Identity {
    certificate: String,
    key: String,
}

fn identity(until_year: i32) -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(until_year, 1, 1);
    Identity { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

/// A client that trusts `server`, and shows `own`.
async fn client(world: &World, server: &Identity, own: Option<&Identity>) -> std::io::Result<Client> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.certificate.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let certificate = CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    };
    let stream = TcpStream::connect(world.server.address()).await?;
    let connector = TlsConnector::from(Arc::new(config));
    Ok(Client::over(connector.connect("localhost".try_into().unwrap(), stream).await?))
}

async fn is_served(mut client: Client) {
    let versions = client.ask::<ApiVersions>(3, &ApiVersionsRequest::default()).await;
    assert_eq!(versions.error, None);
}

#[tokio::test]
async fn requests_and_answers_go_through_tls() {
    let server = identity(3_000);
    let tls = Tls::from_pem(server.certificate.as_bytes(), server.key.as_bytes(), None).unwrap();
    let world = world_of(|builder| builder.tls(tls)).await;
    is_served(client(&world, &server, None).await.unwrap()).await;
    // One that speaks no TLS is told nothing, and there is a reason.
    let mut bare = world.client().await;
    bare.send::<ApiVersions>(3, &ApiVersionsRequest::default()).await;
    while !world.server.ended_connections().contains_key("tls") {
        tokio::task::yield_now().await;
    }
    world.close().await;
}

#[tokio::test]
async fn only_clients_with_a_certificate_that_is_vouched_for_are_let_in() {
    let (server, known, stranger) = (identity(3_000), identity(3_000), identity(3_000));
    let clients = Some(known.certificate.as_bytes());
    let tls = Tls::from_pem(server.certificate.as_bytes(), server.key.as_bytes(), clients).unwrap();
    let world = world_of(|builder| builder.tls(tls)).await;
    is_served(client(&world, &server, Some(&known)).await.unwrap()).await;
    for own in [None, Some(&stranger)] {
        // In TLS 1.3 a client learns of it with the first bytes that it reads.
        if let Ok(mut refused) = client(&world, &server, own).await {
            assert_eq!(refused.end().await, None);
        }
    }
    while world.server.ended_connections().get("tls") != Some(&2) {
        tokio::task::yield_now().await;
    }
    world.close().await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let (server, expired) = (identity(3_000), identity(2_020));
    let clients = Some(expired.certificate.as_bytes());
    let tls = Tls::from_pem(server.certificate.as_bytes(), server.key.as_bytes(), clients).unwrap();
    let world = world_of(|builder| builder.tls(tls)).await;
    if let Ok(mut refused) = client(&world, &server, Some(&expired)).await {
        assert_eq!(refused.end().await, None);
    }
    world.ended("tls").await;
    world.close().await;
}

#[test]
fn what_is_no_certificate_is_told() {
    let server = identity(3_000);
    let (certificate, key) = (server.certificate.as_bytes(), server.key.as_bytes());
    assert!(matches!(Tls::from_pem(b"nothing", key, None), Err(TlsError::Empty(_))));
    assert!(matches!(Tls::from_pem(certificate, b"nothing", None), Err(TlsError::Pem { .. })));
    let other = identity(3_000);
    assert!(matches!(Tls::from_pem(certificate, other.key.as_bytes(), None), Err(TlsError::Unusable(_))));
}
