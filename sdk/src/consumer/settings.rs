//! What a consumer can be told, with what it does unless told otherwise.

use std::time::Duration;

use ottla_broker_core::planted::is_planted;

use super::acks::MaxUnacked;
use super::commit::Commit;
use crate::config::{self, Section};
use crate::reader::{self, At};

/// Where to begin when the group has committed nothing for a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfNoOffset {
    /// There.
    Start(At),
    /// `next` yields [`Error::NoOffset`](super::Error::NoOffset), and the partition is not read until a seek.
    Fail,
}

impl From<At> for IfNoOffset {
    fn from(at: At) -> Self {
        Self::Start(at)
    }
}

/// The settings that do not say *what* is consumed. From TOML they are the table `[consumer]`.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(super) reader: reader::Settings,
    pub(super) commit: Commit,
    pub(super) if_no_offset: IfNoOffset,
    pub(super) max_unacked: MaxUnacked,
    pub(super) max_poll_interval: Duration,
    pub(super) session_timeout: Duration,
    pub(super) heartbeat_interval: Duration,
    pub(super) revoke_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) retry_backoff: Duration,
    pub(super) group_instance_id: Option<String>,
    pub(super) leave_on_close: Option<bool>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            reader: reader::Settings::default(),
            commit: if is_planted("commit-before-processing") { Commit::BeforeHandover } else { Commit::default() },
            if_no_offset: IfNoOffset::Start(At::Earliest),
            max_unacked: MaxUnacked::default(),
            max_poll_interval: Duration::from_mins(5),
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            revoke_timeout: Duration::from_mins(1),
            request_timeout: Duration::from_secs(30),
            retry_backoff: Duration::from_millis(100),
            group_instance_id: None,
            leave_on_close: None,
        }
    }
}

impl Settings {
    /// The settings of a table; what it does not name stays as it is.
    pub(crate) fn read(mut self, mut section: Section) -> Result<Self, config::Error> {
        self.reader = self.reader.read_from(&mut section)?;
        if let Some(every) = section.millis("commit_every_ms")? {
            self.commit = Commit::OnAck { every };
        }
        let every = match self.commit {
            Commit::OnAck { every } => every,
            _ => Duration::from_secs(1),
        };
        let modes = [
            ("before_handover", Commit::BeforeHandover),
            ("on_ack", Commit::OnAck { every }),
            ("manual", Commit::Manual),
            ("application", Commit::Application),
        ];
        if let Some(commit) = section.choice("commit", &modes)? {
            self.commit = commit;
        }
        let places = [
            ("earliest", IfNoOffset::Start(At::Earliest)),
            ("latest", IfNoOffset::Start(At::Latest)),
            ("fail", IfNoOffset::Fail),
        ];
        if let Some(place) = section.choice("if_no_offset", &places)? {
            self.if_no_offset = place;
        }
        if let Some(count) = section.count("max_unacked")? {
            let fits = u32::try_from(count).ok().and_then(MaxUnacked::new);
            let refused =
                || config::Error::bad_value("consumer.max_unacked", count, format!("it is 1 to {}", MaxUnacked::LIMIT));
            self.max_unacked = fits.ok_or_else(refused)?;
        }
        let durations = [
            ("max_poll_interval_ms", &mut self.max_poll_interval),
            ("session_timeout_ms", &mut self.session_timeout),
            ("heartbeat_interval_ms", &mut self.heartbeat_interval),
            ("revoke_timeout_ms", &mut self.revoke_timeout),
            ("request_timeout_ms", &mut self.request_timeout),
            ("retry_backoff_ms", &mut self.retry_backoff),
        ];
        for (name, place) in durations {
            if let Some(duration) = section.millis(name)? {
                *place = duration;
            }
        }
        if let Some(instance) = section.string("group_instance_id")? {
            self.group_instance_id = Some(instance);
        }
        section.finish()?;
        self.check().map_err(|(name, value, reason)| {
            config::Error::bad_value(format!("consumer.{name}_ms"), value.as_millis(), reason)
        })?;
        Ok(self)
    }

    /// What cannot be: the setting, its value, the reason.
    pub(super) fn check(&self) -> Result<(), (&'static str, Duration, &'static str)> {
        let positive = [
            ("max_poll_interval", self.max_poll_interval),
            ("session_timeout", self.session_timeout),
            ("heartbeat_interval", self.heartbeat_interval),
            ("revoke_timeout", self.revoke_timeout),
            ("request_timeout", self.request_timeout),
        ];
        for (name, value) in positive {
            if value.is_zero() {
                return Err((name, value, "it is longer than nothing"));
            }
        }
        if self.heartbeat_interval >= self.session_timeout {
            let reason = "it is shorter than `session_timeout`, best a third of it or less";
            return Err(("heartbeat_interval", self.heartbeat_interval, reason));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, config::Error> {
        Settings::default().read(Section::parse(text)?.section("consumer")?)
    }

    #[test]
    fn a_table_says_what_the_builder_can() {
        let settings = read(
            "[consumer]\ncommit = 'manual'\nif_no_offset = 'fail'\nmax_unacked = 7\nmax_poll_interval_ms = 250\n\
             isolation = 'read_committed'\ngroup_instance_id = 'one'",
        )
        .unwrap();
        assert_eq!((settings.commit, settings.if_no_offset), (Commit::Manual, IfNoOffset::Fail));
        assert_eq!((settings.max_unacked.get(), settings.max_poll_interval), (7, Duration::from_millis(250)));
        assert_eq!(settings.group_instance_id.as_deref(), Some("one"));
        let settings = read("[consumer]\ncommit_every_ms = 20").unwrap();
        assert_eq!(settings.commit, Commit::OnAck { every: Duration::from_millis(20) });
    }

    #[test]
    fn refusals_name_the_setting() {
        for (text, expected) in [
            ("max_unacked = 0", "`consumer.max_unacked` cannot be 0"),
            ("session_timeout_ms = 0", "`consumer.session_timeout_ms` cannot be 0"),
            ("heartbeat_interval_ms = 45000", "`consumer.heartbeat_interval_ms` cannot be 45000"),
            ("comit = 'manual'", "did you mean `consumer.commit`?"),
            ("commit = 'always'", "\"before_handover\", \"on_ack\""),
        ] {
            let error = read(&format!("[consumer]\n{text}")).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
