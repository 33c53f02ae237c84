//! AlterUserScramCredentials (51), version 0: sets and deletes users' SCRAM credentials.
//!
//! Source: `AlterUserScramCredentialsRequest.json`, `AlterUserScramCredentialsResponse.json`; KIP-554.
//!
//! The client sends the salted password, from which the broker derives the keys that it keeps. All changes of one
//! user are answered together.
//!
//! Deviations: none.

use std::sync::Arc;

use bytes::Bytes;
use ottla_broker_core::api::{AlterScram, ScramSecret};
use ottla_broker_core::error::{Error, ErrorCode};

use super::describe_user_scram_credentials::{mechanism, mechanism_code};
use crate::answers::{Keyed, outcome, words};
use crate::api::{Api, ApiKey, Spec};
use crate::codec::message;

/// The API.
#[derive(Debug)]
pub enum AlterUserScramCredentials {}

impl Api for AlterUserScramCredentials {
    const KEY: ApiKey = ApiKey::AlterUserScramCredentials;
    const SPEC: Spec = Spec::new(0, 0, 0);
    type Request = AlterUserScramCredentialsRequest;
    type Response = AlterUserScramCredentialsResponse;
}

message! {
    /// Changes users' credentials.
    pub struct AlterUserScramCredentialsRequest {
        /// Which are deleted.
        deletions: Vec<ScramDeletion>, 0..;
        /// Which are set.
        upsertions: Vec<ScramUpsertion>, 0..;
    }

    /// A credential that goes.
    pub struct ScramDeletion {
        /// Whose.
        user: Arc<str>, 0..;
        /// For which mechanism, by Kafka's numbers.
        mechanism: i8, 0..;
    }

    /// A credential that is set.
    pub struct ScramUpsertion {
        /// Whose.
        user: Arc<str>, 0..;
        /// For which mechanism, by Kafka's numbers.
        mechanism: i8, 0..;
        /// How often the password was hashed.
        iterations: i32, 0..;
        /// What it was hashed with.
        salt: ScramBytes, 0..;
        /// The hashed password.
        salted_password: ScramBytes, 0..;
    }

    /// What became of it.
    pub struct AlterUserScramCredentialsResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 0..;
        /// One answer a user.
        results: Vec<AlteredScramUser>, 0..;
    }

    /// What became of one user's.
    pub struct AlteredScramUser {
        /// Its name.
        user: Arc<str>, 0..;
        /// Why nothing was changed.
        error: Option<ErrorCode>, 0..;
        /// The error in words.
        error_message: Option<Arc<str>>, 0..;
    }
}

/// Bytes that no log has: `Debug` tells their number only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ScramBytes(pub Bytes);

impl std::fmt::Debug for ScramBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secret bytes", self.0.len())
    }
}

impl crate::codec::Field for ScramBytes {
    fn read(decoder: &mut crate::codec::Decoder<'_>, form: bool) -> Result<Self, crate::codec::DecodeError> {
        Bytes::read(decoder, form).map(Self)
    }

    fn write(&self, encoder: &mut crate::codec::Encoder, form: bool) {
        self.0.write(encoder, form);
    }
}

impl AlterUserScramCredentialsRequest {
    /// The request for `changes`.
    #[must_use]
    pub fn from_api(changes: &[AlterScram]) -> Self {
        let mut request = Self::default();
        for change in changes {
            let (user, mechanism) = (Arc::clone(&change.user), mechanism_code(change.mechanism));
            match &change.secret {
                None => request.deletions.push(ScramDeletion { user, mechanism }),
                Some(secret) => request.upsertions.push(ScramUpsertion {
                    user,
                    mechanism,
                    iterations: secret.iterations,
                    salt: ScramBytes(secret.salt.clone()),
                    salted_password: ScramBytes(secret.salted_password.clone()),
                }),
            }
        }
        request
    }

    /// What is to be changed: deletions first. Each has the user that its answer is about.
    pub fn to_api(&self) -> impl Iterator<Item = (&Arc<str>, Result<AlterScram, Error>)> {
        let deletions = self.deletions.iter().map(|one| (&one.user, alter(&one.user, one.mechanism, None)));
        let upsertions = self.upsertions.iter().map(|one| {
            let secret = ScramSecret {
                iterations: one.iterations,
                salt: one.salt.0.clone(),
                salted_password: one.salted_password.0.clone(),
            };
            (&one.user, alter(&one.user, one.mechanism, Some(secret)))
        });
        deletions.chain(upsertions)
    }
}

fn alter(user: &Arc<str>, code: i8, secret: Option<ScramSecret>) -> Result<AlterScram, Error> {
    let mechanism = mechanism(code).ok_or_else(|| {
        let message = format!("user {user}: there is no SCRAM mechanism {code}");
        Error::new(ErrorCode::UnsupportedSaslMechanism, message)
    })?;
    Ok(AlterScram { user: Arc::clone(user), mechanism, secret })
}

impl AlterUserScramCredentialsResponse {
    /// The answer: each user that was named, once, and what became of its credentials.
    #[must_use]
    pub fn from_api(results: impl IntoIterator<Item = (Arc<str>, Result<(), Error>)>) -> Self {
        let results = results.into_iter().map(|(user, result)| {
            let error = result.err();
            AlteredScramUser {
                user,
                error: error.as_ref().map(|error| error.code),
                error_message: error.as_ref().and_then(words),
            }
        });
        Self { results: results.collect(), ..Self::default() }
    }

    /// What became of the credentials of `users`, in order.
    #[must_use]
    pub fn into_api(self, users: &[Arc<str>]) -> Vec<Result<(), Error>> {
        let mut answers = Keyed::new(self.results.into_iter().map(|one| (Arc::clone(&one.user), one)));
        let answer = |user: &Arc<str>| {
            let one = answers.take(user)?;
            outcome(one.error, format_args!("user {user}"), one.error_message.as_deref())
        };
        users.iter().map(answer).collect()
    }
}

#[cfg(any(test, feature = "testing"))]
impl crate::testing::Sample for ScramBytes {
    fn sample(sampler: &mut crate::testing::Sampler, version: i16, form: bool) -> Self {
        Self(crate::testing::Sample::sample(sampler, version, form))
    }
}
