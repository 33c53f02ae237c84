//! TLS to brokers: whom a client trusts, what it shows, and what went wrong in words.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use ottla_broker_core::planted::is_planted;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, AlertDescription, CertificateError, ClientConfig, InconsistentKeys, RootCertStore};

use super::address::Address;
use super::handshake::Failure;
use super::stream::BoxStream;

/// What a client trusts and shows, in PEM.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Certificates {
    /// The certificates of those who vouch for brokers. `None` takes those that the system trusts.
    pub authorities: Option<Bytes>,
    /// What the client shows to brokers that ask for it (mutual TLS).
    pub own: Option<Identity>,
}

/// A client's own certificate, in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its chain of certificates, its own first.
    pub chain: Bytes,
    /// The key of its own. It is shown nowhere.
    pub key: Bytes,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("own", &self.own).finish_non_exhaustive()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
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
    #[error("there is no certificate in the {0}")]
    Empty(&'static str),
    /// The system trusts nobody, or does not say whom.
    #[error("the system has no certificates of authorities ({0}): name a file that has those of the brokers")]
    NoSystemAuthorities(String),
    /// Certificate and key are not of one pair.
    #[error("the client's key is not the one of its certificate")]
    OtherKey,
    /// A certificate that is none, or a key of a kind that is not known.
    #[error("the certificates and keys cannot be used: {0}")]
    Unusable(rustls::Error),
    /// No certificate can have this name.
    #[error("`{0}` is neither the name of a host nor an IP address, which certificates are for")]
    ServerName(String),
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => Self::OtherKey,
            other => Self::Unusable(other),
        }
    }
}

/// Reads certificates anew. An error is told in the log, and what was read last stays.
type Source = Box<dyn Fn() -> io::Result<Certificates> + Send + Sync>;

/// TLS to brokers. A broker must show a certificate that somebody vouches for whom the client trusts, which is valid
/// now and for the name under which the broker was sought: there is no way around that.
pub struct Tls {
    ready: Mutex<Ready>,
    server_name: Option<ServerName<'static>>,
    source: Option<Source>,
}

struct Ready {
    of: Certificates,
    connector: TlsConnector,
}

impl Ready {
    fn new(of: Certificates) -> Result<Self, TlsError> {
        let provider = Arc::new(default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let builder = builder.with_root_certificates(authorities(of.authorities.as_ref())?);
        let config = match &of.own {
            None => builder.with_no_client_auth(),
            Some(Identity { chain, key }) => {
                let own = certificates("client's chain of certificates", chain)?;
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|source| TlsError::Pem { what: "client's key", source })?;
                builder.with_client_auth_cert(own, key)?
            }
        };
        Ok(Self { of, connector: TlsConnector::from(Arc::new(config)) })
    }
}

fn authorities(given: Option<&Bytes>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(given) = given {
        for certificate in certificates("authorities' file", given)? {
            roots.add(certificate)?;
        }
        return Ok(roots);
    }
    let found = rustls_native_certs::load_native_certs();
    // Systems keep some that no standard of today allows.
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        let reason = if errors.is_empty() { "none were found".to_owned() } else { errors.join("; ") };
        return Err(TlsError::NoSystemAuthorities(reason));
    }
    Ok(roots)
}

fn certificates(what: &'static str, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = found.map_err(|source| TlsError::Pem { what, source })?;
    if found.is_empty() { Err(TlsError::Empty(what)) } else { Ok(found) }
}

impl Tls {
    /// With these certificates. `server_name` is what the brokers' certificates are for, if not what the brokers'
    /// addresses say: for one behind a tunnel.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(certificates: Certificates, server_name: Option<&str>) -> Result<Self, TlsError> {
        let server_name = server_name.map(name).transpose().map_err(TlsError::ServerName)?;
        Ok(Self { ready: Mutex::new(Ready::new(certificates)?), server_name, source: None })
    }

    /// Asks `source` for the certificates before each connection, so that those that are replaced before they expire
    /// are used from the next connection on. It is called where it must not wait for long. As long as it
    /// fails, or what it gives cannot be used (half of a pair was replaced), the last that could be used stay.
    #[must_use]
    pub fn rereading(self, source: impl Fn() -> io::Result<Certificates> + Send + Sync + 'static) -> Self {
        Self { source: Some(Box::new(source)), ..self }
    }

    fn ready(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connector(&self) -> TlsConnector {
        let source = self.source.as_ref().filter(|_| !is_planted("certificates-read-once"));
        let read = source.map(|source| source());
        let mut ready = self.ready();
        match read {
            Some(Ok(read)) if read != ready.of => match Ready::new(read) {
                Ok(new) => *ready = new,
                Err(error) => tracing::warn!(%error, "new certificates cannot be used: the last ones stay"),
            },
            Some(Err(error)) => tracing::warn!(%error, "certificates cannot be read again: the last ones stay"),
            Some(Ok(_)) | None => {}
        }
        ready.connector.clone()
    }

    /// TLS over a connection to `address`.
    pub(super) async fn secure(&self, address: &Address, stream: TcpStream) -> Result<BoxStream, Failure> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => name(&address.host).map_err(|name| {
                Failure::insecure(format!("`{name}` is neither the name of a host nor an IP address"))
            })?,
        };
        match self.connector().connect(name, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(Failure::insecure(explain(&error).unwrap_or_else(|| match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                    format!("it ended the connection within the handshake ({error}): it may not speak TLS at this port")
                }
                _ => format!("the handshake failed: {error}"),
            }))),
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

fn name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned()).map_err(|_| text.to_owned())
}

/// What TLS says of a connection, if it is what has failed.
pub(super) fn explain(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match error {
        // A bad signature: the certificate bears the name of somebody trusted, and another has signed it.
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            format!("nobody whom this client trusts vouches for its certificate: {error}")
        }
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            format!("its certificate has expired: {error}")
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => format!("its certificate is for another name: {error}"),
        rustls::Error::InvalidCertificate(_) => format!("its certificate is not accepted: {error}"),
        rustls::Error::InvalidMessage(_) => format!("it does not speak TLS at this port ({error})"),
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired => {
                "it asks for a certificate of this client, which has none".to_owned()
            }
            AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError => format!("it does not accept this client's certificate: {alert:?}"),
            other => format!("it ended the handshake: {other:?}"),
        },
        other => other.to_string(),
    })
}
