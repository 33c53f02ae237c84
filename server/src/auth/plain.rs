//! SASL PLAIN (RFC 4616): the password itself, which is compared with the user's SCRAM credentials. Only over TLS, or
//! where nobody listens.

use ottla_broker_core::api::ScramMechanism;
use ottla_broker_core::planted::is_planted;
use tokio::sync::Semaphore;

use super::Refused;
use super::credentials::{Credentials, of_nobody};
use super::hash::knows;

/// Who the token's password belongs to.
///
/// # Errors
/// [`Refused`], which does not say whether there is such a user.
pub(super) async fn check(
    token: &[u8],
    credentials: &dyn Credentials,
    secret: &[u8],
    hashing: &Semaphore,
) -> Result<String, Refused> {
    let text = std::str::from_utf8(token).map_err(|_| Refused::Malformed("a PLAIN token is not UTF-8"))?;
    let mut parts = text.split('\0');
    let (Some(authorization), Some(user), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refused::Malformed("a PLAIN token has three parts"));
    };
    if user.is_empty() || password.is_empty() {
        return Err(Refused::Malformed("a PLAIN token has a user and a password"));
    }
    if !authorization.is_empty() && authorization != user {
        return Err(Refused::Malformed("a client cannot act for another user"));
    }
    let found =
        ScramMechanism::ALL.iter().find_map(|mechanism| Some((*mechanism, credentials.keys(user, *mechanism)?)));
    let (mechanism, keys) = found.unwrap_or_else(|| {
        let mechanism = ScramMechanism::Sha256;
        (mechanism, of_nobody(mechanism, secret, user))
    });
    // The server never closes it, so that nothing but a permit comes of it.
    let _permit = hashing.acquire().await;
    if knows(mechanism, &keys, password.as_bytes()).await || is_planted("plain-password-unchecked") {
        Ok(user.to_owned())
    } else {
        Err(Refused::Wrong)
    }
}
