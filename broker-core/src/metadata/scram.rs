//! Users' SCRAM credentials, as the metadata keep them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::api::ScramMechanism;

/// What a broker needs to tell whether a client knows a password, and nothing that would let anyone log in
/// elsewhere (RFC 5802).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScramKeys {
    /// How often the password was hashed.
    pub iterations: i32,
    /// What it was hashed with.
    pub salt: Vec<u8>,
    /// The hash of the key by which a client proves that it knows the password.
    pub stored_key: Vec<u8>,
    /// The key by which a server proves that it knows this credential.
    pub server_key: Vec<u8>,
}

/// Secrets are in no log.
impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramKeys").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// All credentials: by user, and then by mechanism.
pub(super) type ScramUsers = BTreeMap<String, BTreeMap<ScramMechanism, ScramKeys>>;
