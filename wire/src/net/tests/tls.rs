//! TLS, mutual TLS, and what comes of certificates that do not do.

use std::io;
use std::sync::Mutex;

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::*;
use crate::api::ApiKey;
use crate::messages::ApiVersionsResponse;
use crate::net::scripted::Conversation;
use crate::net::{Certificates, Identity, Tls, TlsError};

/// Somebody who vouches for others.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        Self::called("authority")
    }

    fn called(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> Bytes {
        self.0.pem().into()
    }

    /// A certificate for `name`, good until a year.
    fn vouches_for(&self, name: &str, until: i32) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity { chain: certificate.pem().into(), key: key.serialize_pem().into() }
    }
}

const HERE: &str = "127.0.0.1";
const LONG: i32 = 3_000;
const PAST: i32 = 2_020;

fn acceptor(own: &Identity, clients: Option<&Authority>) -> TlsAcceptor {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(&clients.pem()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = CertificateDer::pem_slice_iter(&own.chain).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(&own.key).unwrap();
    TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
}

fn options(tls: Tls) -> Options {
    Options { tls: Some(Arc::new(tls)), ..Options::default() }
}

fn trusting(authority: &Authority, own: Option<Identity>) -> Certificates {
    Certificates { authorities: Some(authority.pem()), own }
}

/// Answers one Metadata request over TLS.
async fn serve(broker: &Scripted, acceptor: &TlsAcceptor) -> Conversation {
    let mut conversation = Conversation::over(acceptor.accept(broker.stream().await).await.unwrap());
    conversation.greet_with(ApiVersionsResponse::serving(ApiKey::ALL.iter().copied())).await;
    let (header, _) = conversation.request().await.unwrap();
    conversation.answer(&header, throttled(1)).await;
    conversation
}

/// The broker goes, and the client has heard of it.
async fn gone(link: &Link, conversation: Conversation) {
    drop(conversation);
    while link.is_connected() {
        tokio::task::yield_now().await;
    }
}

/// What a client hears that is not to get through. The broker does not take the connection away before it was heard.
async fn refused(broker: &Scripted, acceptor: &TlsAcceptor, options: Options) -> Error {
    let link = link_with(broker, options, &Env::system());
    let serving = async {
        let stream = broker.stream().await;
        let mut rest = Vec::new();
        match acceptor.accept(stream).into_fallible().await {
            Ok(mut stream) => drop(stream.read_to_end(&mut rest).await),
            Err((_, mut stream)) => {
                drop(stream.shutdown().await);
                drop(stream.read_to_end(&mut rest).await);
            }
        }
    };
    let (error, ()) = tokio::join!(async { metadata(&link).await.unwrap_err() }, serving);
    assert!(matches!(error, Error::Insecure { .. }) && !error.may_have_happened(), "{error}");
    // During a rotation it may work soon: whoever asks decides for how long that is hoped for.
    assert_eq!(
        error.code(ottla_broker_core::error::ErrorCode::LeaderNotAvailable),
        ottla_broker_core::error::ErrorCode::LeaderNotAvailable
    );
    let said = error.to_string();
    assert!(said.starts_with(&format!("there is no TLS with the broker at {}: ", broker.address())), "{said}");
    error
}

#[tokio::test]
async fn requests_go_through_tls() {
    let (broker, authority) = (Scripted::start().await, Authority::new());
    let acceptor = acceptor(&authority.vouches_for(HERE, LONG), None);
    let tls = Tls::new(trusting(&authority, None), None).unwrap();
    let link = link_with(&broker, options(tls), &Env::system());
    let (answer, _conversation) = tokio::join!(metadata(&link), serve(&broker, &acceptor));
    assert_eq!(throttle_of(answer), 1);
}

#[tokio::test]
async fn a_broker_that_asks_for_a_certificate_is_shown_it() {
    let (broker, authority, clients) = (Scripted::start().await, Authority::new(), Authority::new());
    let acceptor = acceptor(&authority.vouches_for(HERE, LONG), Some(&clients));
    let own = Some(clients.vouches_for("client", LONG));
    let link = link_with(&broker, options(Tls::new(trusting(&authority, own), None).unwrap()), &Env::system());
    let (answer, _conversation) = tokio::join!(metadata(&link), serve(&broker, &acceptor));
    assert_eq!(throttle_of(answer), 1);

    for (own, expected) in [
        (None, "it asks for a certificate of this client, which has none"),
        (Some(authority.vouches_for("client", LONG)), "it does not accept this client's certificate: "),
        (Some(clients.vouches_for("client", PAST)), "it does not accept this client's certificate: CertificateExpired"),
    ] {
        let tls = Tls::new(trusting(&authority, own), None).unwrap();
        let error = refused(&broker, &acceptor, options(tls)).await.to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_broker_without_a_good_certificate_is_not_spoken_to() {
    let (broker, authority) = (Scripted::start().await, Authority::new());
    for (own, expected) in [
        (Authority::new().vouches_for(HERE, LONG), "nobody whom this client trusts vouches for its certificate"),
        (Authority::called("x").vouches_for(HERE, LONG), "nobody whom this client trusts vouches for its certificate"),
        (authority.vouches_for(HERE, PAST), "its certificate has expired: "),
        (authority.vouches_for("broker.example", LONG), "its certificate is for another name: "),
    ] {
        let tls = Tls::new(trusting(&authority, None), None).unwrap();
        let error = refused(&broker, &acceptor(&own, None), options(tls)).await.to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn another_name_is_accepted_only_where_it_was_asked_for() {
    let (broker, authority) = (Scripted::start().await, Authority::new());
    let acceptor = acceptor(&authority.vouches_for("broker.example", LONG), None);
    let tls = Tls::new(trusting(&authority, None), Some("broker.example")).unwrap();
    let link = link_with(&broker, options(tls), &Env::system());
    let (answer, _conversation) = tokio::join!(metadata(&link), serve(&broker, &acceptor));
    assert_eq!(throttle_of(answer), 1);
    let tls = Tls::new(trusting(&authority, None), Some("other.example")).unwrap();
    let error = refused(&broker, &acceptor, options(tls)).await.to_string();
    assert!(error.contains("for another name") && error.contains("broker.example"), "{error}");
}

#[tokio::test]
async fn a_port_without_tls_is_told() {
    let (broker, authority) = (Scripted::start().await, Authority::new());
    for said in [&b""[..], b"\0\0\0\x0a\0\0\0\0\0\0\0\0\0\0"] {
        let link = link_with(&broker, options(Tls::new(trusting(&authority, None), None).unwrap()), &Env::system());
        let plain = async {
            let mut stream = broker.stream().await;
            stream.write_all(said).await.unwrap();
            drop(stream.shutdown().await);
            drop(stream.read_to_end(&mut Vec::new()).await);
        };
        let (answer, ()) = tokio::join!(metadata(&link), plain);
        let error = answer.unwrap_err();
        assert!(
            matches!(error, Error::Insecure { .. }) && error.to_string().contains("speak TLS at this port"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_port_with_tls_is_told_to_who_does_not_speak_it() {
    let (broker, authority) = (Scripted::start().await, Authority::new());
    let acceptor = acceptor(&authority.vouches_for(HERE, LONG), None);
    let error = refused(&broker, &acceptor, Options::default()).await.to_string();
    assert!(error.contains("it speaks TLS at this port, and this client was not told to"), "{error}");
}

/// The handshake belongs to what connecting may take.
#[tokio::test]
async fn a_handshake_that_is_not_answered_ends() {
    let (broker, authority) = (Scripted::start().await, Authority::new());
    let (env, clock) = clocked();
    let link = link_with(&broker, options(Tls::new(trusting(&authority, None), None).unwrap()), &env);
    let silent = async {
        let mut stream = broker.stream().await;
        let mut hello = [0; 16];
        stream.read_exact(&mut hello).await.unwrap();
        clock.advance(Options::default().connect_timeout);
        stream
    };
    let (answer, _stream) =
        tokio::join!(ask::<Metadata>(&link, Limits::within(LIMIT * 100), MetadataRequest::default()), silent);
    let error = answer.unwrap_err().to_string();
    assert!(error.contains("did not let this client connect within 10s"), "{error}");
}

#[tokio::test]
async fn certificates_that_were_replaced_are_used_from_the_next_connection_on() {
    let (broker, old, new) = (Scripted::start().await, Authority::new(), Authority::new());
    let own = |clients: &Authority| Some(clients.vouches_for("client", LONG));
    let now = Arc::new(Mutex::new(Some(trusting(&old, own(&old)))));
    let first = now.lock().unwrap().clone().unwrap();
    let source = {
        let now = Arc::clone(&now);
        move || now.lock().unwrap().clone().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    };
    let tls = Tls::new(first, None).unwrap().rereading(source);
    let link = link_with(&broker, options(tls), &Env::system());
    let by_old = acceptor(&old.vouches_for(HERE, LONG), Some(&old));
    let (answer, conversation) = tokio::join!(metadata(&link), serve(&broker, &by_old));
    assert_eq!(throttle_of(answer), 1);
    gone(&link, conversation).await;

    // Gone for a moment, then half of a pair: the last ones serve on.
    let half = Identity { key: new.vouches_for("client", LONG).key, ..old.vouches_for("client", LONG) };
    for between in [None, Some(trusting(&old, Some(half)))] {
        *now.lock().unwrap() = between;
        let (answer, conversation) = tokio::join!(metadata(&link), serve(&broker, &by_old));
        assert_eq!(throttle_of(answer), 1);
        gone(&link, conversation).await;
    }

    *now.lock().unwrap() = Some(trusting(&new, own(&new)));
    let by_new = acceptor(&new.vouches_for(HERE, LONG), Some(&new));
    let (answer, _conversation) = tokio::join!(metadata(&link), serve(&broker, &by_new));
    assert_eq!(throttle_of(answer), 1);
}

#[test]
fn what_cannot_be_used_is_told() {
    let authority = Authority::new();
    let own = authority.vouches_for("client", LONG);
    let of = |certificates| Tls::new(certificates, None).unwrap_err();
    let given = |text: &'static str| Certificates { authorities: Some(Bytes::from_static(text.as_bytes())), own: None };
    assert_eq!(of(given("nothing")).to_string(), "there is no certificate in the authorities' file");
    let broken = given("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    assert!(matches!(of(broken), TlsError::Pem { what: "authorities' file", .. }));
    let other = authority.vouches_for("client", LONG).key;
    let error = of(trusting(&authority, Some(Identity { key: other, chain: own.chain.clone() })));
    assert!(matches!(error, TlsError::OtherKey), "{error}");
    let error = of(trusting(&authority, Some(Identity { key: Bytes::new(), chain: own.chain.clone() })));
    assert!(error.to_string().starts_with("the client's key cannot be read: "), "{error}");
    let error = Tls::new(trusting(&authority, None), Some("a b")).unwrap_err();
    assert!(matches!(error, TlsError::ServerName(_)), "{error}");
    let shown = format!("{:?}", trusting(&authority, Some(own)));
    assert!(!shown.contains("PRIVATE"), "{shown}");
}
