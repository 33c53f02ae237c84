//! Passwords that the service itself sets: somebody has to be the first who can log in.

use std::sync::Arc;

use ottla_broker_core::api::ScramMechanism;
use ottla_broker_core::broker::Broker;
use ottla_broker_core::error::{Error, ErrorCode};

use super::hash::{keys, salted};

/// As long as those of Kafka's own tool, about. At most a hash's length: see `of_nobody`.
pub(super) const SALT_BYTES: usize = 24;
/// The iterations of RFC 7677.
const ITERATIONS: u16 = 4_096;

/// Sets a user's password, for all mechanisms. The cluster's metadata keep what tells whether a client knows it, and
/// not the password itself.
///
/// # Errors
/// `UNACCEPTABLE_CREDENTIAL` for an empty name or password; what the metadata log failed with.
pub async fn set_password(broker: &Broker, user: &str, password: &str) -> Result<(), Error> {
    if password.is_empty() {
        return Err(Error::new(ErrorCode::UnacceptableCredential, format!("user `{user}`: a password is not empty")));
    }
    let mut changes = Vec::new();
    for mechanism in ScramMechanism::ALL {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt)
            .map_err(|error| Error::new(ErrorCode::UnknownServerError, format!("there is no randomness: {error}")))?;
        let salted_password = salted(*mechanism, password.as_bytes(), &salt, u32::from(ITERATIONS));
        let keys = keys(*mechanism, &salted_password, &salt, i32::from(ITERATIONS));
        changes.push((Arc::from(user), *mechanism, Some(keys)));
    }
    broker.alter_scram(changes).await?.into_iter().collect()
}
