//! Where credentials are looked up.

use std::fmt;
use std::sync::Arc;

use ottla_broker_core::api::ScramMechanism;
use ottla_broker_core::broker::Broker;
use ottla_broker_core::metadata::ScramKeys;
use ottla_broker_core::planted::is_planted;

/// What a server knows of its users' passwords.
pub(super) trait Credentials: fmt::Debug + Send + Sync {
    /// A user's credential; `None` for an unknown user, or one without this mechanism.
    fn keys(&self, user: &str, mechanism: ScramMechanism) -> Option<ScramKeys>;
}

/// Those of the cluster's metadata, which `AlterUserScramCredentials` changes.
impl Credentials for Arc<Broker> {
    fn keys(&self, user: &str, mechanism: ScramMechanism) -> Option<ScramKeys> {
        self.scram_keys(user, mechanism)
    }
}

/// A credential that nobody can meet, for users that there are not: their log-ins cost and look like those of users
/// whom [`set_password`](super::set_password) has made. `secret` is another in each life of the server, and the salt with
/// it: whoever compares two lives can tell them from users.
pub(super) fn of_nobody(mechanism: ScramMechanism, secret: &[u8], user: &str) -> ScramKeys {
    let mut salt = super::hash::hmac(mechanism, secret, user.as_bytes());
    if !is_planted("made-up-salt-is-longer") {
        salt.truncate(super::password::SALT_BYTES);
    }
    let stored_key = super::hash::hmac(mechanism, secret, &salt);
    ScramKeys { iterations: 4_096, salt, server_key: stored_key.clone(), stored_key }
}

/// `user`, whose password is `password`, hashed once.
#[cfg(feature = "testing")]
#[derive(Debug)]
pub(super) struct OneUser;

#[cfg(feature = "testing")]
impl Credentials for OneUser {
    fn keys(&self, user: &str, mechanism: ScramMechanism) -> Option<ScramKeys> {
        let salted = super::hash::salted(mechanism, b"password", b"salt", 1);
        (user == "user").then(|| super::hash::keys(mechanism, &salted, b"salt", 1))
    }
}
