//! `tls`, `tls_ca`, `tls_certificate`, `tls_key` and `tls_server_name`, in a URL and in the table `[kafka]`.

/// Names of settings, but for `tls` itself.
pub(super) const NAMES: [&str; 4] = ["tls_ca", "tls_certificate", "tls_key", "tls_server_name"];

/// What a URL or a table says about TLS.
#[derive(Debug, Default)]
pub(super) struct Asked {
    on: Option<bool>,
    values: [Option<String>; 4],
}

impl Asked {
    pub(super) const fn switch(&mut self, on: bool) {
        self.on = Some(on);
    }

    /// Whether `name` is one of [`NAMES`].
    pub(super) fn take(&mut self, name: &str, value: String) -> bool {
        let Some((_, place)) = NAMES.iter().zip(&mut self.values).find(|(known, _)| **known == name) else {
            return false;
        };
        *place = Some(value);
        true
    }

    /// Whether TLS is wanted by it: a file that is named for TLS is never passed over.
    fn is_wanted(&self) -> bool {
        self.on == Some(true) || self.values.iter().any(Option::is_some)
    }
}

#[cfg(not(feature = "kafka-tls"))]
impl Asked {
    /// # Errors
    /// If TLS is wanted.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.is_wanted() {
            Err("it needs the feature `kafka-tls` of the crate `ottla`, which is off")
        } else {
            Ok(())
        }
    }
}

#[cfg(feature = "kafka-tls")]
pub use with_tls::{ClientCertificate, Pem, TlsOptions};

#[cfg(feature = "kafka-tls")]
mod with_tls {
    use std::fmt;
    use std::io;
    use std::path::PathBuf;
    use std::sync::Arc;

    use bytes::Bytes;
    use ottla_broker_core::planted::is_planted;
    use ottla_wire::net::{Certificates, Identity, Tls};

    use super::{Asked, NAMES};

    /// TLS to the brokers. A broker must show a certificate that somebody vouches for whom the client trusts, which is
    /// valid now and for the host that the client was told: there is no switch that turns this off.
    ///
    /// Files are read when the client is connected, and again before each new connection: certificates may be
    /// replaced while the client runs. Half of a pair, or a file that is gone for a moment, leaves the last ones.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct TlsOptions {
        /// The certificates of those who vouch for brokers. `None` takes those that the system trusts.
        pub ca: Option<Pem>,
        /// What the client shows to brokers that ask for it (mutual TLS).
        pub certificate: Option<ClientCertificate>,
        /// The name that the brokers' certificates are for, if not the hosts that the client was told: where brokers
        /// are reached through something else.
        pub server_name: Option<String>,
    }

    /// A client's own certificate.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ClientCertificate {
        /// Its chain of certificates, its own first.
        pub chain: Pem,
        /// The key of its own.
        pub key: Pem,
    }

    /// Certificates or a key in PEM. A text is shown nowhere: it may be a key.
    #[derive(Clone, PartialEq, Eq)]
    pub enum Pem {
        /// In a file, which may be replaced.
        File(PathBuf),
        /// As it is.
        Text(Arc<str>),
    }

    impl fmt::Debug for Pem {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Self::File(path) => f.debug_tuple("File").field(path).finish(),
                Self::Text(_) => f.write_str("Text(***)"),
            }
        }
    }

    impl Pem {
        /// A few KiB, read before a connection is made: not worth a thread.
        #[expect(clippy::disallowed_methods, reason = "certificates are files of whoever runs the service")]
        fn read(&self, name: &str) -> io::Result<Bytes> {
            match self {
                Self::Text(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
                Self::File(path) => std::fs::read(path).map(Bytes::from).map_err(|error| {
                    io::Error::new(error.kind(), format!("`{name}`, {}, cannot be read: {error}", path.display()))
                }),
            }
        }

        const fn is_file(&self) -> bool {
            matches!(self, Self::File(_))
        }
    }

    impl TlsOptions {
        fn read(&self) -> io::Result<Certificates> {
            let own = |own: &ClientCertificate| -> io::Result<Identity> {
                Ok(Identity { chain: own.chain.read("tls_certificate")?, key: own.key.read("tls_key")? })
            };
            Ok(Certificates {
                authorities: self.ca.as_ref().map(|ca| ca.read("tls_ca")).transpose()?,
                own: self.certificate.as_ref().map(own).transpose()?,
            })
        }

        fn pems(&self) -> impl Iterator<Item = (&'static str, &Pem)> {
            let own = self.certificate.as_ref();
            let ca = self.ca.as_ref().map(|ca| ("tls_ca", ca));
            let chain = own.map(|own| ("tls_certificate", &own.chain));
            ca.into_iter().chain(chain).chain(own.map(|own| ("tls_key", &own.key)))
        }

        /// # Errors
        /// What cannot be read or used, and which files there are.
        pub(in crate::connect::kafka) fn open(&self) -> Result<Tls, String> {
            let certificates = self.read().map_err(|error| error.to_string())?;
            let tls = Tls::new(certificates, self.server_name.as_deref()).map_err(|error| {
                let files: Vec<_> = self
                    .pems()
                    .filter_map(|(name, pem)| match pem {
                        Pem::File(path) => Some(format!("`{name}` is {}", path.display())),
                        Pem::Text(_) => None,
                    })
                    .collect();
                if files.is_empty() { error.to_string() } else { format!("{error} ({})", files.join(", ")) }
            })?;
            if !self.pems().any(|(_, pem)| pem.is_file()) {
                return Ok(tls);
            }
            let options = self.clone();
            Ok(tls.rereading(move || options.read()))
        }
    }

    impl Asked {
        /// Puts what was asked in the place of what was set before.
        ///
        /// # Errors
        /// Why it cannot be.
        pub(in crate::connect::kafka) fn apply(self, before: Option<TlsOptions>) -> Result<Option<TlsOptions>, String> {
            if !self.is_wanted() {
                return Ok(if self.on == Some(false) { None } else { before });
            }
            let Self { on, values } = self;
            if on == Some(false) && !is_planted("tls-off-in-spite-of-a-ca") {
                let named = NAMES.iter().zip(&values).find(|(_, value)| value.is_some());
                let name = named.map_or("tls", |(name, _)| *name);
                return Err(format!("`tls` is `false`, and `{name}` is for connections with TLS"));
            }
            let mut tls = before.unwrap_or_default();
            let file = |path: String| Pem::File(PathBuf::from(path));
            let [ca, chain, key, server_name] = values;
            if let Some(ca) = ca {
                tls.ca = Some(file(ca));
            }
            if server_name.is_some() {
                tls.server_name = server_name;
            }
            let (chain_before, key_before) = tls.certificate.take().map(|own| (own.chain, own.key)).unzip();
            tls.certificate = match (chain.map(file).or(chain_before), key.map(file).or(key_before)) {
                (Some(chain), Some(key)) => Some(ClientCertificate { chain, key }),
                (None, None) => None,
                _ => return Err("who shows a certificate has a `tls_certificate` and a `tls_key`".to_owned()),
            };
            Ok(Some(tls))
        }
    }
}
