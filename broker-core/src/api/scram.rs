//! DescribeUserScramCredentials and AlterUserScramCredentials (Kafka's APIs 50 and 51; KIP-554).

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A SCRAM mechanism (RFC 5802, RFC 7677).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ScramMechanism {
    /// SCRAM-SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    Sha256,
    /// SCRAM-SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    Sha512,
}

impl ScramMechanism {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Sha256, Self::Sha512];

    /// Its name in SASL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }
}

impl fmt::Display for ScramMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A credential of a user, without its secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScramCredential {
    /// For which mechanism.
    pub mechanism: ScramMechanism,
    /// How often the password was hashed.
    pub iterations: i32,
}

/// What a credential is made of. The password itself is never told.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramSecret {
    /// How often the password was hashed.
    pub iterations: i32,
    /// What it was hashed with.
    pub salt: Bytes,
    /// RFC 5802's SaltedPassword.
    pub salted_password: Bytes,
}

/// Secrets are in no log.
impl fmt::Debug for ScramSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramSecret").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// One change of a user's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterScram {
    /// Whose.
    pub user: Arc<str>,
    /// For which mechanism.
    pub mechanism: ScramMechanism,
    /// The new credential; `None` deletes the one that is there.
    pub secret: Option<ScramSecret>,
}
