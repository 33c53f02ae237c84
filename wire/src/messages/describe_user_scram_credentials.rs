//! DescribeUserScramCredentials (50), version 0: which users have SCRAM credentials, and for which mechanisms.
//!
//! Source: `DescribeUserScramCredentialsRequest.json`, `DescribeUserScramCredentialsResponse.json`; KIP-554.
//!
//! Null and an empty list both mean all users. Secrets are never told.
//!
//! Deviations: none.

use std::sync::Arc;

use ottla_broker_core::api::{ScramCredential, ScramMechanism};
use ottla_broker_core::error::{Error, ErrorCode};

use crate::answers::{outcome, words};
use crate::api::{Api, ApiKey, Spec};
use crate::codec::message;

/// The API.
#[derive(Debug)]
pub enum DescribeUserScramCredentials {}

impl Api for DescribeUserScramCredentials {
    const KEY: ApiKey = ApiKey::DescribeUserScramCredentials;
    const SPEC: Spec = Spec::new(0, 0, 0);
    type Request = DescribeUserScramCredentialsRequest;
    type Response = DescribeUserScramCredentialsResponse;
}

message! {
    /// Asks for users.
    pub struct DescribeUserScramCredentialsRequest {
        /// Which; `None` or none for all.
        users: Option<Vec<ScramUser>>, 0..;
    }

    /// A user.
    pub struct ScramUser {
        /// Its name.
        name: Arc<str>, 0..;
    }

    /// Users and their credentials.
    pub struct DescribeUserScramCredentialsResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 0..;
        /// Why nothing is told.
        error: Option<ErrorCode>, 0..;
        /// The error in words.
        error_message: Option<Arc<str>>, 0..;
        /// One answer a user.
        users: Vec<DescribedScramUser>, 0..;
    }

    /// A user.
    pub struct DescribedScramUser {
        /// Its name.
        name: Arc<str>, 0..;
        /// Why its credentials are not told.
        error: Option<ErrorCode>, 0..;
        /// The error in words.
        error_message: Option<Arc<str>>, 0..;
        /// Its credentials.
        credentials: Vec<ScramCredentialInfo>, 0..;
    }

    /// A credential, without its secrets.
    pub struct ScramCredentialInfo {
        /// For which mechanism, by Kafka's numbers.
        mechanism: i8, 0..;
        /// How often the password was hashed.
        iterations: i32, 0..;
    }
}

/// Kafka's `ScramMechanism`.
pub(super) const fn mechanism_code(mechanism: ScramMechanism) -> i8 {
    match mechanism {
        ScramMechanism::Sha256 => 1,
        ScramMechanism::Sha512 => 2,
    }
}

/// The mechanism of a number; `None` for one that there is not.
pub(super) const fn mechanism(code: i8) -> Option<ScramMechanism> {
    match code {
        1 => Some(ScramMechanism::Sha256),
        2 => Some(ScramMechanism::Sha512),
        _ => None,
    }
}

/// The answers about users.
type Described = Vec<(Arc<str>, Result<Vec<ScramCredential>, Error>)>;

impl DescribeUserScramCredentialsRequest {
    /// The request for `users`; `None` for all.
    #[must_use]
    pub fn from_api(users: Option<&[Arc<str>]>) -> Self {
        let users = users.map(|users| users.iter().map(|name| ScramUser { name: Arc::clone(name) }).collect());
        Self { users }
    }

    /// Which users; `None` for all.
    #[must_use]
    pub fn users(&self) -> Option<Vec<Arc<str>>> {
        let users = self.users.as_ref().filter(|users| !users.is_empty())?;
        Some(users.iter().map(|user| Arc::clone(&user.name)).collect())
    }
}

impl DescribeUserScramCredentialsResponse {
    /// The answer: each user, and its credentials.
    #[must_use]
    pub fn from_api(result: Result<Described, Error>) -> Self {
        match result {
            Ok(users) => {
                let users = users.into_iter().map(|(name, result)| DescribedScramUser::from_api(name, result));
                Self { users: users.collect(), ..Self::default() }
            }
            Err(error) => Self { error: Some(error.code), error_message: words(&error), ..Self::default() },
        }
    }

    /// Each user, and its credentials. Those of mechanisms without a name here are left out.
    ///
    /// # Errors
    /// Why nothing is told.
    pub fn into_api(self) -> Result<Described, Error> {
        outcome(self.error, "the users", self.error_message.as_deref())?;
        let users = self.users.into_iter().map(|user| {
            let told = outcome(user.error, format_args!("user {}", user.name), user.error_message.as_deref());
            let known = |info: ScramCredentialInfo| {
                Some(ScramCredential { mechanism: mechanism(info.mechanism)?, iterations: info.iterations })
            };
            (user.name, told.map(|()| user.credentials.into_iter().filter_map(known).collect()))
        });
        Ok(users.collect())
    }
}

impl DescribedScramUser {
    fn from_api(name: Arc<str>, result: Result<Vec<ScramCredential>, Error>) -> Self {
        match result {
            Ok(credentials) => {
                let credentials = credentials.into_iter().map(|one| ScramCredentialInfo {
                    mechanism: mechanism_code(one.mechanism),
                    iterations: one.iterations,
                });
                Self { name, credentials: credentials.collect(), ..Self::default() }
            }
            Err(error) => Self { name, error: Some(error.code), error_message: words(&error), ..Self::default() },
        }
    }
}
