//! Messages speak of topics with partitions in them; `broker_core::api` of partitions, one after another.

use std::collections::BTreeMap;

use ottla_broker_core::error::{Error, ErrorCode};

use crate::codec::TopicRef;

/// Brings what stands one after another together by topic. Neighbours of one topic come into one group,
/// so that the order stays.
pub(crate) fn by_topic<P>(partitions: impl IntoIterator<Item = (TopicRef, P)>) -> Vec<(TopicRef, Vec<P>)> {
    let mut topics: Vec<(TopicRef, Vec<P>)> = Vec::new();
    for (topic, partition) in partitions {
        match topics.last_mut() {
            Some((last, partitions)) if *last == topic => partitions.push(partition),
            _ => topics.push((topic, vec![partition])),
        }
    }
    topics
}

/// Answers by topic and partition, to be taken out in the order of the request. A server may answer in any order.
pub(crate) struct Answers<P>(BTreeMap<(TopicRef, i32), P>);

impl<P> Answers<P> {
    pub(crate) fn new(answers: impl IntoIterator<Item = (TopicRef, i32, P)>) -> Self {
        Self(answers.into_iter().map(|(topic, partition, answer)| ((topic, partition), answer)).collect())
    }

    /// The answer about one partition.
    ///
    /// # Errors
    /// `UNKNOWN_SERVER_ERROR` if the server has said nothing about it.
    pub(crate) fn take(&mut self, topic: &TopicRef, partition: i32) -> Result<P, Error> {
        self.0.remove(&(topic.clone(), partition)).ok_or_else(|| {
            Error::new(ErrorCode::UnknownServerError, format!("the broker said nothing about {topic}-{partition}"))
        })
    }
}

/// The error of a code about one partition, with the broker's own words if it has any.
pub(crate) fn refused(code: ErrorCode, topic: &TopicRef, partition: i32, message: Option<&str>) -> Error {
    Error::new(code, format!("{topic}-{partition}: {}", message.unwrap_or(code.text())))
}
