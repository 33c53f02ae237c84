//! What a reader can be told, with what it does unless told otherwise.

use std::time::Duration;

use ottla_broker_core::api::IsolationLevel;

use super::at::OutOfRange;
use crate::config::{self, Section};

/// The settings that do not say *what* is read. From TOML they are the table `[reader]`.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) max_buffered_bytes: usize,
    pub(crate) partition_bytes: usize,
    pub(crate) min_bytes: usize,
    pub(crate) max_wait: Duration,
    pub(crate) metadata_refresh: Duration,
    pub(crate) retry_timeout: Duration,
    pub(crate) isolation: IsolationLevel,
    pub(crate) if_out_of_range: OutOfRange,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_buffered_bytes: 16 << 20,
            partition_bytes: 1 << 20,
            min_bytes: 1,
            max_wait: Duration::from_millis(500),
            metadata_refresh: Duration::from_secs(10),
            retry_timeout: Duration::from_secs(60),
            isolation: IsolationLevel::default(),
            if_out_of_range: OutOfRange::default(),
        }
    }
}

impl Settings {
    /// The settings of a table; what it does not name stays as it is.
    pub(crate) fn read(self, mut section: Section) -> Result<Self, config::Error> {
        let settings = self.read_from(&mut section)?;
        section.finish()?;
        Ok(settings)
    }

    /// The same for a table that has other settings too.
    pub(crate) fn read_from(mut self, section: &mut Section) -> Result<Self, config::Error> {
        if let Some(bytes) = section.count("max_buffered_bytes")? {
            self.max_buffered_bytes = bytes;
        }
        if let Some(bytes) = section.count("partition_bytes")? {
            self.partition_bytes = bytes;
        }
        if let Some(bytes) = section.count("min_bytes")? {
            self.min_bytes = bytes;
        }
        if let Some(wait) = section.millis("max_wait_ms")? {
            self.max_wait = wait;
        }
        if let Some(age) = section.millis("metadata_refresh_ms")? {
            self.metadata_refresh = age;
        }
        if let Some(timeout) = section.millis("retry_timeout_ms")? {
            self.retry_timeout = timeout;
        }
        const ISOLATION: [(&str, IsolationLevel); 2] =
            [("read_uncommitted", IsolationLevel::ReadUncommitted), ("read_committed", IsolationLevel::ReadCommitted)];
        if let Some(isolation) = section.choice("isolation", &ISOLATION)? {
            self.isolation = isolation;
        }
        const POLICY: [(&str, OutOfRange); 3] =
            [("fail", OutOfRange::Fail), ("earliest", OutOfRange::Earliest), ("latest", OutOfRange::Latest)];
        if let Some(policy) = section.choice("if_out_of_range", &POLICY)? {
            self.if_out_of_range = policy;
        }
        Ok(self)
    }
}
