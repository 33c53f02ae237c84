//! TLS and mutual TLS.

use std::sync::{Arc, Mutex};

use ottla_server::{Authorizer, Mechanism, Operation, Principal, Resource, Tls, TlsError, set_password};
use ottla_wire::messages::{
    ApiVersions, ApiVersionsRequest, Metadata, MetadataRequest, SaslAuthenticate, SaslAuthenticateRequest,
    SaslHandshake, SaslHandshakeRequest, Token,
};
use rcgen::{CertificateParams, DnType, KeyPair};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::{Client, World, world_of};

/// A certificate that vouches for itself, and its key.
struct Identity {
    name: String,
    certificate: String,
    key: String,
}

fn identity(until_year: i32) -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    // Each has a name of its own, so that none is taken for one who signs badly.
    let name: String = key.public_key_raw().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name.push(DnType::CommonName, name.clone());
    params.not_after = rcgen::date_time_ymd(until_year, 1, 1);
    Identity { name, certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
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

/// What a client hears that is not let in: in TLS 1.3 with the first bytes that it reads.
async fn refusal(world: &World, server: &Identity, own: Option<&Identity>) -> String {
    match client(world, server, own).await {
        Err(error) => error.to_string(),
        Ok(mut client) => {
            client.send::<ApiVersions>(3, &ApiVersionsRequest::default()).await;
            let mut heard = Vec::new();
            client.stream.read_to_end(&mut heard).await.unwrap_err().to_string()
        }
    }
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
    // One that speaks no TLS hears an alert of TLS, and there is a reason.
    let mut bare = world.client().await;
    bare.send::<ApiVersions>(3, &ApiVersionsRequest::default()).await;
    let alert = bare.end().await.unwrap();
    assert_eq!(&alert[..2], [21, 3]);
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
    for (own, expected) in [(None, "CertificateRequired"), (Some(&stranger), "UnknownCA")] {
        let said = refusal(&world, &server, own).await;
        assert!(said.contains(expected), "{said}");
    }
    while world.server.ended_connections().get("tls") != Some(&2) {
        tokio::task::yield_now().await;
    }
    world.close().await;
}

/// Tells nothing, and remembers who has asked.
#[derive(Clone, Debug, Default)]
struct Askers(Arc<Mutex<Vec<String>>>);

impl Authorizer for Askers {
    fn allows(&self, principal: &Principal, _: Operation, _: Resource<'_>) -> bool {
        self.0.lock().unwrap().push(principal.to_string());
        false
    }
}

#[tokio::test]
async fn a_certificate_says_who_a_client_is() {
    let (server, known) = (identity(3_000), identity(3_000));
    let askers = Askers::default();
    let clients = Some(known.certificate.as_bytes());
    let tls = Tls::from_pem(server.certificate.as_bytes(), server.key.as_bytes(), clients).unwrap();
    let world = world_of(|builder| builder.tls(tls).authorizer(askers.clone())).await;
    let mut client = client(&world, &server, Some(&known)).await.unwrap();
    client.ask::<Metadata>(12, &MetadataRequest::default()).await;
    assert_eq!(*askers.0.lock().unwrap(), [format!("User:CN={}", known.name)]);
    world.close().await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let (server, expired) = (identity(3_000), identity(2_020));
    let clients = Some(expired.certificate.as_bytes());
    let tls = Tls::from_pem(server.certificate.as_bytes(), server.key.as_bytes(), clients).unwrap();
    let world = world_of(|builder| builder.tls(tls)).await;
    let said = refusal(&world, &server, Some(&expired)).await;
    assert!(said.contains("CertificateExpired"), "{said}");
    world.ended("tls").await;
    world.close().await;
}

#[tokio::test]
async fn clients_that_refuse_the_servers_certificate_are_a_reason_in_the_log() {
    let (expired, other) = (identity(2_020), identity(3_000));
    let tls = Tls::from_pem(expired.certificate.as_bytes(), expired.key.as_bytes(), None).unwrap();
    let world = world_of(|builder| builder.tls(tls)).await;
    let refused = client(&world, &expired, None).await.err().unwrap().to_string();
    assert!(refused.contains("expired"), "{refused}");
    world.ended("tls").await;
    assert!(client(&world, &other, None).await.is_err());
    world.close().await;
}

#[tokio::test]
async fn passwords_go_through_tls() {
    let server = identity(3_000);
    let tls = Tls::from_pem(server.certificate.as_bytes(), server.key.as_bytes(), None).unwrap();
    let world = world_of(|builder| builder.tls(tls).sasl([Mechanism::Plain])).await;
    set_password(&world.broker, "alice", "wonder").await.unwrap();
    let mut client = client(&world, &server, None).await.unwrap();
    let proposed = client.ask::<SaslHandshake>(1, &SaslHandshakeRequest { mechanism: "PLAIN".into() }).await;
    assert_eq!(proposed.error, None);
    let token = Token(bytes::Bytes::from_static(b"\0alice\0wonder"));
    let answer = client.ask::<SaslAuthenticate>(2, &SaslAuthenticateRequest { token }).await;
    assert_eq!(answer.error, None);
    assert_eq!(client.ask::<Metadata>(12, &MetadataRequest::default()).await.error, None);
    world.close().await;
}

/// TLS ends with a farewell, which clients that die leave out: that is no trouble.
#[tokio::test]
async fn a_client_that_goes_without_a_farewell_is_no_trouble() {
    let server = identity(3_000);
    let tls = Tls::from_pem(server.certificate.as_bytes(), server.key.as_bytes(), None).unwrap();
    let world = world_of(|builder| builder.tls(tls)).await;
    drop(client(&world, &server, None).await.unwrap());
    world.ended("goodbye").await;
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
