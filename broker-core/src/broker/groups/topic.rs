//! `__consumer_offsets`: who makes it, and who may not touch it.

use std::collections::BTreeMap;

use super::Broker;
use crate::api::{CreateTopic, Error, ErrorCode};
use crate::ids::TopicName;

/// Kafka's name for it.
pub(super) const NAME: &str = "__consumer_offsets";

impl Broker {
    /// Makes the topic unless it is there. Many may try at once.
    ///
    /// # Errors
    /// `COORDINATOR_NOT_AVAILABLE` with the reason.
    pub(super) async fn ensure_group_log(&self) -> Result<(), Error> {
        if self.routes().topics.contains_key(NAME) {
            return Ok(());
        }
        let unavailable = |reason: &dyn std::fmt::Display| {
            Error::new(ErrorCode::CoordinatorNotAvailable, format!("{NAME} could not be created: {reason}"))
        };
        let topic = CreateTopic {
            name: TopicName::new(NAME).map_err(|error| unavailable(&error))?,
            partitions: Some(self.config.offsets_topic_partitions()),
            replication_factor: None,
            configs: configs(),
        };
        let created = self.create_internal_topics(vec![topic]).await.map_err(|error| match error.code {
            // It was superseded: who looks for a coordinator asks another broker.
            ErrorCode::NotController => unavailable(&error),
            _ => error,
        })?;
        match created.into_iter().next() {
            Some(Err(error)) if error.code != ErrorCode::TopicAlreadyExists => Err(unavailable(&error)),
            _ => Ok(()),
        }
    }
}

/// What is old goes by the coordinator's snapshots and trims, never by a clock or a size; and neither the
/// broker's defaults nor the clock's jumps keep it from writing.
fn configs() -> BTreeMap<String, String> {
    let unbounded = i64::MAX.to_string();
    [
        ("retention.ms", "-1"),
        ("retention.bytes", "-1"),
        ("max.message.bytes", "1048588"),
        ("message.timestamp.type", "CreateTime"),
        ("message.timestamp.before.max.ms", &unbounded),
        ("message.timestamp.after.max.ms", &unbounded),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// What belongs to the cluster itself is not for clients to change.
///
/// # Errors
/// `INVALID_TOPIC_EXCEPTION`.
pub(in crate::broker) fn check_not_internal(name: &TopicName, what: &str) -> Result<(), Error> {
    if name.is_internal() {
        let message = format!("topic `{name}` is the broker's own: it can be read, and clients cannot {what} it");
        return Err(Error::new(ErrorCode::InvalidTopic, message));
    }
    Ok(())
}
