//! TLS, and mutual TLS.

mod subject;

use std::fmt;
use std::io;
use std::sync::Arc;

use ottla_broker_core::planted::is_planted;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig, ServerConnection};

use crate::authorizer::Principal;

/// What a server shows its clients, and what it asks of them.
///
/// A client's certificate says whether it may connect, and, where there is no SASL, who it is to the [`Authorizer`](crate::Authorizer):
/// `User:` and the certificate's subject as RFC 2253 writes it, as in Kafka, say `User:CN=service,O=Example`.
#[derive(Clone)]
pub struct Tls {
    pub(crate) acceptor: TlsAcceptor,
}

/// Why certificates or keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A text is no PEM, or holds nothing of what it should.
    #[error("the {what} cannot be read: {source}")]
    Pem {
        /// What it was to hold.
        what: &'static str,
        /// What is wrong.
        source: pem::Error,
    },
    /// A text holds no certificate.
    #[error("the {0} holds no certificate")]
    Empty(&'static str),
    /// The parts do not fit together.
    #[error("the certificates and keys cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
    /// The certificates of those who vouch for clients are none.
    #[error("the certificates for clients cannot be used: {0}")]
    Clients(#[from] VerifierBuilderError),
}

impl Tls {
    /// A server with a chain of certificates, its own first, and the key of its own, in PEM. With `clients`, the
    /// certificates (in PEM) of those who vouch for clients, only clients that they vouch for may connect (mutual TLS).
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn from_pem(chain: &[u8], key: &[u8], clients: Option<&[u8]>) -> Result<Self, TlsError> {
        let own = certificates("server's chain of certificates", chain)?;
        let key =
            PrivateKeyDer::from_pem_slice(key).map_err(|source| TlsError::Pem { what: "server's key", source })?;
        let provider = Arc::new(default_provider());
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates("certificates for clients", clients)? {
                    roots.add(certificate)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config = builder.with_single_cert(own, key)?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}

/// Who has shown a certificate, if anybody had to.
///
/// # Errors
/// If the certificate does not say whose it is.
pub(crate) fn principal(connection: &ServerConnection) -> io::Result<Principal> {
    match connection.peer_certificates().and_then(<[_]>::first) {
        Some(own) if !is_planted("certificate-says-nobody") => match subject::subject(own) {
            Some(name) => Ok(Principal::user(&name)),
            None => Err(io::Error::new(io::ErrorKind::InvalidData, "the certificate's subject cannot be read")),
        },
        _ => Ok(Principal::anonymous()),
    }
}

fn certificates(what: &'static str, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = found.map_err(|source| TlsError::Pem { what, source })?;
    if found.is_empty() { Err(TlsError::Empty(what)) } else { Ok(found) }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}
