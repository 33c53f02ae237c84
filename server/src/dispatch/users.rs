//! DescribeUserScramCredentials, AlterUserScramCredentials.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_broker_core::api::AlterScram;
use ottla_broker_core::broker::ScramChange;
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_wire::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
};

use super::{Asked, closed};
use crate::auth;
use crate::authorizer::{Operation, Resource};
use crate::shared::Shared;

/// # Errors
/// What cannot be said in an answer.
pub(super) fn describe(
    shared: &Shared,
    asked: &Asked,
    request: &DescribeUserScramCredentialsRequest,
) -> Result<DescribeUserScramCredentialsResponse, Error> {
    if let Err(error) = asked.may(shared, Operation::Describe, Resource::Cluster) {
        return Ok(DescribeUserScramCredentialsResponse::from_api(Err(error)));
    }
    match shared.broker.describe_scram(request.users().as_deref()).map_err(closed) {
        Ok(users) => Ok(DescribeUserScramCredentialsResponse::from_api(Ok(users))),
        Err(error) => Ok(DescribeUserScramCredentialsResponse::from_api(Err(error?))),
    }
}

/// # Errors
/// What cannot be said in an answer.
pub(super) async fn alter(
    shared: &Shared,
    asked: &Asked,
    request: &AlterUserScramCredentialsRequest,
) -> Result<AlterUserScramCredentialsResponse, Error> {
    // All changes of one user stand or fall together.
    let mut by_user: BTreeMap<Arc<str>, Result<Vec<ScramChange>, Error>> = BTreeMap::new();
    for (user, change) in request.to_api() {
        let entry = by_user.entry(Arc::clone(user)).or_insert_with(|| {
            asked.may(shared, Operation::Alter, Resource::Cluster)?;
            Ok(Vec::new())
        });
        match (entry.as_mut(), change.and_then(change_of)) {
            (Ok(changes), Ok(change)) => changes.push(change),
            (Ok(_), Err(error)) => *entry = Err(error),
            (Err(_), _) => {}
        }
    }
    let mut answers = Vec::with_capacity(by_user.len());
    for (user, changes) in by_user {
        let answer = match changes {
            Err(error) => Err(error),
            Ok(changes) => match shared.broker.alter_scram(changes).await.map_err(closed) {
                Ok(results) => results.into_iter().collect(),
                Err(error) => Err(error?),
            },
        };
        answers.push((user, answer));
    }
    Ok(AlterUserScramCredentialsResponse::from_api(answers))
}

fn change_of(change: AlterScram) -> Result<ScramChange, Error> {
    let AlterScram { user, mechanism, secret } = change;
    let Some(secret) = secret else { return Ok((user, mechanism, None)) };
    if secret.salted_password.is_empty() || secret.salt.is_empty() {
        let message = format!("user `{user}`: a credential has a salt and a salted password");
        return Err(Error::new(ErrorCode::UnacceptableCredential, message));
    }
    let keys = auth::keys(mechanism, &secret.salted_password, &secret.salt, secret.iterations);
    Ok((user, mechanism, Some(keys)))
}
