//! DescribeLogDirs (35), versions 1 to 4: where a broker keeps logs, and how large they are.
//!
//! Source: `DescribeLogDirsRequest.json`, `DescribeLogDirsResponse.json`; KIP-113, KIP-784 (an error of the whole,
//! v3), KIP-827 (the volume's size, v4).
//!
//! Deviations: none.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_broker_core::api::{LogDir, LogDirPartition};
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::{TopicName, TopicPartition};

use crate::answers::{outcome, told};
use crate::api::{Api, ApiKey, Spec};
use crate::codec::{TopicRef, message};
use crate::shape::by_topic;

/// The API.
#[derive(Debug)]
pub enum DescribeLogDirs {}

impl Api for DescribeLogDirs {
    const KEY: ApiKey = ApiKey::DescribeLogDirs;
    const SPEC: Spec = Spec::new(1, 4, 2);
    type Request = DescribeLogDirsRequest;
    type Response = DescribeLogDirsResponse;
}

message! {
    /// Asks where logs are.
    pub struct DescribeLogDirsRequest {
        /// Which; `None` for all.
        topics: Option<Vec<LogDirsTopic>>, 0..;
    }

    /// A topic's part.
    pub struct LogDirsTopic {
        /// Which.
        name: Arc<str>, 0..;
        /// Its partitions.
        partitions: Vec<i32>, 0..;
    }

    /// Where logs are.
    pub struct DescribeLogDirsResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 0..;
        /// Why nothing is told.
        error: Option<ErrorCode>, 3..;
        /// The places.
        dirs: Vec<DescribedLogDir>, 0..;
    }

    /// A place where logs are.
    pub struct DescribedLogDir {
        /// Why it is not told.
        error: Option<ErrorCode>, 0..;
        /// Its path.
        path: Arc<str>, 0..;
        /// What is in it.
        topics: Vec<DescribedLogDirTopic>, 0..;
        /// The volume's size in bytes; −1 for unknown.
        total_bytes: i64, 4.., default -1;
        /// How much of it is free, in bytes; −1 for unknown.
        usable_bytes: i64, 4.., default -1;
    }

    /// A topic's part.
    pub struct DescribedLogDirTopic {
        /// Which.
        name: Arc<str>, 0..;
        /// Its partitions.
        partitions: Vec<DescribedLog>, 0..;
    }

    /// One log.
    pub struct DescribedLog {
        /// Of which partition.
        partition: i32, 0..;
        /// Its size in bytes.
        size: i64, 0..;
        /// By how many records it is behind.
        offset_lag: i64, 0..;
        /// Whether it is being built up here.
        future: bool, 0..;
    }
}

impl DescribeLogDirsRequest {
    /// The request for the logs of `partitions`; `None` for all.
    #[must_use]
    pub fn from_api(partitions: Option<&[TopicPartition]>) -> Self {
        let topics = partitions.map(|partitions| {
            let partitions = partitions.iter().map(|one| (TopicRef::from(&one.topic), one.partition));
            let topics = by_topic(partitions).into_iter();
            topics.map(|(topic, partitions)| LogDirsTopic { name: topic.into_name(), partitions }).collect()
        });
        Self { topics }
    }

    /// Whose logs are asked for; `None` for all.
    fn wanted(&self) -> Option<BTreeSet<(&str, i32)>> {
        let topics = self.topics.as_ref()?.iter();
        Some(topics.flat_map(|topic| topic.partitions.iter().map(|partition| (&*topic.name, *partition))).collect())
    }
}

impl DescribeLogDirsResponse {
    /// The answer to `request`: what it asks for of what is in each place.
    #[must_use]
    pub fn from_api(request: &DescribeLogDirsRequest, result: Result<Vec<LogDir>, Error>) -> Self {
        match result {
            Ok(dirs) => {
                let wanted = request.wanted();
                let dirs = dirs.iter().map(|dir| DescribedLogDir::from_api(wanted.as_ref(), dir));
                Self { dirs: dirs.collect(), ..Self::default() }
            }
            Err(error) => Self { error: Some(error.code), ..Self::default() },
        }
    }

    /// Where logs are, each place on its own.
    ///
    /// # Errors
    /// Why nothing is told.
    pub fn into_api(self) -> Result<Vec<Result<LogDir, Error>>, Error> {
        outcome(self.error, "the log directories", None)?;
        Ok(self.dirs.into_iter().map(DescribedLogDir::into_api).collect())
    }
}

impl DescribedLogDir {
    fn from_api(wanted: Option<&BTreeSet<(&str, i32)>>, dir: &LogDir) -> Self {
        let is_wanted = |TopicPartition { topic, partition }: &TopicPartition| {
            wanted.is_none_or(|wanted| wanted.contains(&(topic.as_str(), *partition)))
        };
        let logs = dir.partitions.iter().filter(|log| is_wanted(&log.partition)).map(|log| {
            let described = DescribedLog {
                partition: log.partition.partition,
                size: signed(log.size_bytes),
                offset_lag: signed(log.offset_lag),
                future: log.future,
            };
            (TopicRef::from(&log.partition.topic), described)
        });
        let topics = by_topic(logs).into_iter();
        let topics = topics.map(|(topic, partitions)| DescribedLogDirTopic { name: topic.into_name(), partitions });
        Self {
            error: None,
            path: Arc::from(dir.path.as_str()),
            topics: topics.collect(),
            total_bytes: dir.total_bytes.map_or(-1, signed),
            usable_bytes: dir.usable_bytes.map_or(-1, signed),
        }
    }

    fn into_api(self) -> Result<LogDir, Error> {
        outcome(self.error, format_args!("log directory {}", self.path), None)?;
        let mut partitions = Vec::new();
        for topic in self.topics {
            let name = TopicName::new(&*topic.name).map_err(|error| told(ErrorCode::InvalidTopic, error, None))?;
            partitions.extend(topic.partitions.into_iter().map(|log| LogDirPartition {
                partition: TopicPartition::new(name.clone(), log.partition),
                size_bytes: u64::try_from(log.size).unwrap_or(0),
                offset_lag: u64::try_from(log.offset_lag).unwrap_or(0),
                future: log.future,
            }));
        }
        Ok(LogDir {
            path: self.path.as_ref().to_owned(),
            partitions,
            total_bytes: u64::try_from(self.total_bytes).ok(),
            usable_bytes: u64::try_from(self.usable_bytes).ok(),
        })
    }
}

/// A number of bytes or records in 63 bits.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
