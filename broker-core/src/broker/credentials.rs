//! Users' SCRAM credentials, kept in the metadata log.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Broker;
use crate::api::{Error, ErrorCode, ScramCredential, ScramMechanism};
use crate::metadata::{Command, Decision, Image, ScramKeys};

/// The least and the most iterations of a credential (Kafka's `ScramMechanism` and `ScramControlManager`).
const ITERATIONS: std::ops::RangeInclusive<i32> = 4_096..=16_384;

/// One change of a credential: whose, for which mechanism, and the new one (`None` deletes).
pub type ScramChange = (Arc<str>, ScramMechanism, Option<ScramKeys>);

/// A user with what is told of its credentials.
pub type DescribedScram = (Arc<str>, Result<Vec<ScramCredential>, Error>);

impl Broker {
    /// A user's credential, as this broker knows the metadata.
    #[must_use]
    pub fn scram_keys(&self, user: &str, mechanism: ScramMechanism) -> Option<ScramKeys> {
        self.routes().image.scram_keys(user, mechanism).cloned()
    }

    /// Which credentials users have: those of `users`, one answer each, in order; `None` for all, by name.
    ///
    /// # Errors
    /// `BROKER_NOT_AVAILABLE` once closed. Of one user: `RESOURCE_NOT_FOUND`; `DUPLICATE_RESOURCE` if it is named twice.
    pub fn describe_scram(&self, users: Option<&[Arc<str>]>) -> Result<Vec<DescribedScram>, Error> {
        self.check_serving(ErrorCode::NetworkException)?;
        let routes = self.routes();
        let told = |user: &str| {
            let of_user = ScramMechanism::ALL.iter().filter_map(|mechanism| {
                let iterations = routes.image.scram_keys(user, *mechanism)?.iterations;
                Some(ScramCredential { mechanism: *mechanism, iterations })
            });
            of_user.collect::<Vec<_>>()
        };
        let Some(users) = users else {
            let all = routes.image.scram_users().map(|(user, _)| (Arc::from(user.as_str()), Ok(told(user))));
            return Ok(all.collect());
        };
        let mut seen = BTreeSet::new();
        let answer = |user: &Arc<str>| {
            let answer = match told(user) {
                _ if !seen.insert(Arc::clone(user)) => refuse(ErrorCode::DuplicateResource, user, "is named twice"),
                none if none.is_empty() => refuse(ErrorCode::ResourceNotFound, user, "has no SCRAM credential"),
                found => Ok(found),
            };
            (Arc::clone(user), answer)
        };
        Ok(users.iter().map(answer).collect())
    }

    /// Changes credentials, all that can be by one entry of the metadata log. One answer each.
    ///
    /// # Errors
    /// What the metadata log failed with. Of one change: `UNACCEPTABLE_CREDENTIAL`; `RESOURCE_NOT_FOUND` for one to
    /// delete that is not there; `DUPLICATE_RESOURCE` for one that is named twice.
    pub async fn alter_scram(&self, changes: Vec<ScramChange>) -> Result<Vec<Result<(), Error>>, Error> {
        let decide = |image: &Image| {
            let mut commands = Vec::new();
            let mut seen = BTreeSet::new();
            let answer = changes.iter().map(|(user, mechanism, keys)| {
                if !seen.insert((user, mechanism)) {
                    return refuse(ErrorCode::DuplicateResource, user, "is named twice for one mechanism");
                }
                if user.is_empty() {
                    return refuse(ErrorCode::UnacceptableCredential, user, "is no name");
                }
                match keys {
                    None if image.scram_keys(user, *mechanism).is_none() => {
                        return refuse(ErrorCode::ResourceNotFound, user, "has no such credential to delete");
                    }
                    Some(keys) if !ITERATIONS.contains(&keys.iterations) => {
                        let reason = "is to have too few or too many iterations: 4096 to 16384 are taken";
                        return refuse(ErrorCode::UnacceptableCredential, user, reason);
                    }
                    _ => {}
                }
                commands.push(Command::AlterScram {
                    user: user.as_ref().to_owned(),
                    mechanism: *mechanism,
                    keys: keys.clone(),
                });
                Ok(())
            });
            let answer = answer.collect();
            Ok(Decision { commands, answer })
        };
        self.change(decide).await
    }
}

fn refuse<T>(code: ErrorCode, user: &str, reason: &str) -> Result<T, Error> {
    let user: String = user.chars().take(64).collect();
    Err(Error::new(code, format!("user `{user}` {reason}")))
}
