//! Asking a group's coordinator, wherever it is.

use std::future::Future;
use std::time::Duration;

use ottla_broker_core::BrokerId;
use ottla_broker_core::api::group::GroupId;
use ottla_broker_core::api::{self, ErrorCode};

use crate::admin::Admin;
use crate::error::Error;

/// How long a coordinator may be looked for, replayed or moved before that is the answer.
const PATIENCE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Admin {
    /// Asks the coordinator of `group`, and again while it is being found or is loading. All that is asked
    /// so may be done twice.
    pub(super) async fn coordinated<T, F: Future<Output = Result<T, api::Error>>>(
        &self,
        group: &GroupId,
        doing: &str,
        ask: impl Fn(BrokerId, GroupId) -> F,
    ) -> Result<T, Error> {
        self.opened.registry.check(doing)?;
        let cluster = &self.opened.context.cluster;
        let ask = &ask;
        let answer = self.patiently(|| async move {
            let broker = cluster.find_coordinator(group).await?;
            ask(broker, group.clone()).await
        });
        answer.await.map_err(|source| Error::cluster(doing, source))
    }

    /// Asks again while the answer is that a coordinator is not there yet.
    pub(super) async fn patiently<T, F: Future<Output = Result<T, api::Error>>>(
        &self,
        ask: impl Fn() -> F,
    ) -> Result<T, api::Error> {
        let env = &self.opened.context.env;
        let (began, mut pause) = (env.now(), FIRST_PAUSE);
        loop {
            let answer = ask().await;
            let not_yet = answer.as_ref().is_err_and(|error| {
                matches!(
                    error.code,
                    ErrorCode::NotCoordinator
                        | ErrorCode::CoordinatorNotAvailable
                        | ErrorCode::CoordinatorLoadInProgress
                )
            });
            if !not_yet || env.now().since(began) >= PATIENCE {
                return answer;
            }
            env.sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
