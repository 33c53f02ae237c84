//! Acting on a consumer from elsewhere.

use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::api::group::{CommittedOffset, GroupId};
use ottla_broker_core::api::{IsolationLevel, OffsetSpec};
use ottla_broker_core::{Offset, TopicPartition};
use tokio::sync::oneshot;

use super::acks::NotHandedOver;
use super::commit::{Commit, NotKept};
use super::coordinator::Coordinator;
use super::error::Error;
use super::settings::Settings;
use super::shared::{Change, Control, Left, Shared};
use crate::offsets;
use crate::reader::At;

/// Commits, seeks, pauses and ends a [`Consumer`](super::Consumer), from any task. Cheap to clone.
///
/// Nothing here blocks. What is asked for of a partition takes effect before the next message of it is handed over.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
    coordinator: Arc<Coordinator>,
    commit: Commit,
    isolation: IsolationLevel,
}

impl Handle {
    pub(super) fn new(shared: Arc<Shared>, coordinator: Arc<Coordinator>, settings: &Settings) -> Self {
        Self { shared, coordinator, commit: settings.commit, isolation: settings.reader.isolation }
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> &GroupId {
        &self.shared.group
    }

    /// The partitions that are this consumer's now.
    #[must_use]
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.shared.assigned().keys().cloned().collect()
    }

    /// Commits what is acknowledged of every partition, and waits for the answer. Dropping the call does not
    /// take the commit back. Commits are carried out in the order of the calls.
    ///
    /// # Errors
    /// [`Error::Commit`], [`Error::NotAssigned`] for what was given up meanwhile, [`Error::NotKept`] with
    /// [`Commit::Application`], [`Error::Closed`].
    pub async fn commit(&self) -> Result<(), Error> {
        self.kept()?;
        self.ask(|reply| Control::Commit { reply }).await
    }

    /// Commits these offsets (the next to read, each with a note that may be empty), whatever is
    /// acknowledged; also backwards.
    ///
    /// # Errors
    /// As [`commit`](Self::commit); [`Error::NotAssigned`], and [`Error::Invalid`] for a negative offset, commit none of
    /// them.
    pub async fn commit_offsets(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, Offset, String)>,
    ) -> Result<(), Error> {
        self.kept()?;
        let offsets: Vec<_> = offsets.into_iter().collect();
        // Brokers keep it and say nothing.
        if let Some((partition, offset, _)) = offsets.iter().find(|(_, offset, _)| *offset < Offset::ZERO) {
            let reason = format!("offset {offset} of {partition} cannot be committed: offsets begin at 0");
            return Err(Error::Invalid { group: self.shared.group.clone(), reason });
        }
        self.ask(|reply| Control::CommitOffsets { offsets, reply }).await
    }

    fn kept(&self) -> Result<(), Error> {
        match self.commit {
            Commit::Application => Err(Error::NotKept { group: self.shared.group.clone(), source: NotKept }),
            _ => Ok(()),
        }
    }

    async fn ask(&self, control: impl FnOnce(oneshot::Sender<Result<(), Error>>) -> Control) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.shared.tell(control(reply));
        answer.await.unwrap_or_else(|_| Err(self.shared.closed()))
    }

    /// Goes to another place of a partition. What was handed over of it before no longer counts: acks of
    /// it are answered [`Acked::Revoked`](super::Acked::Revoked), and commits follow the new place.
    ///
    /// # Errors
    /// [`Error::NotAssigned`]; [`Error::Invalid`] for a negative offset.
    pub fn seek(&self, partition: &TopicPartition, to: At) -> Result<(), Error> {
        if matches!(to, At::Offset(offset) if offset < Offset::ZERO) {
            let reason = "offsets begin at 0; for the first record that is there write `At::Earliest`".to_owned();
            return Err(Error::Invalid { group: self.shared.group.clone(), reason });
        }
        let assigned = self.shared.find(partition)?;
        if !assigned.seek(to) {
            self.shared.change(Change::Seek(assigned, to));
        }
        Ok(())
    }

    /// [`seek`](Self::seek) for every partition that is assigned now.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    pub fn seek_all(&self, to: At) -> Result<(), Error> {
        self.assignment().iter().try_for_each(|partition| self.seek(partition, to))
    }

    /// Hands over nothing of a partition until [`resume`](Self::resume), or until it is assigned anew.
    ///
    /// # Errors
    /// [`Error::NotAssigned`].
    pub fn pause(&self, partition: &TopicPartition) -> Result<(), Error> {
        self.set_paused(partition, true)
    }

    /// Goes on with a partition.
    ///
    /// # Errors
    /// [`Error::NotAssigned`].
    pub fn resume(&self, partition: &TopicPartition) -> Result<(), Error> {
        self.set_paused(partition, false)
    }

    fn set_paused(&self, partition: &TopicPartition, paused: bool) -> Result<(), Error> {
        let assigned = self.shared.find(partition)?;
        assigned.set_paused(paused);
        self.shared.change(Change::Paused(assigned));
        Ok(())
    }

    /// The offset of the next message of a partition; `None` if it is not assigned, or while its place is
    /// looked up.
    #[must_use]
    pub fn position(&self, partition: &TopicPartition) -> Option<Offset> {
        self.shared.find(partition).ok()?.position()
    }

    /// How many offsets lie between a partition's position and its end as of the last answer; `None` if it is
    /// not assigned or no answer came yet.
    #[must_use]
    pub fn lag(&self, partition: &TopicPartition) -> Option<u64> {
        self.shared.find(partition).ok()?.lag()
    }

    /// Why nothing more of a partition is handed over, if too many of its messages are not acknowledged.
    #[must_use]
    pub fn held_back(&self, partition: &TopicPartition) -> Option<NotHandedOver> {
        self.shared.find(partition).ok()?.held_back()
    }

    /// What the group has committed of these partitions, assigned or not: one answer each, in order; `None` for
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Committed`].
    pub async fn committed(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<Vec<Option<CommittedOffset>>, Error> {
        let partitions: Vec<_> = partitions.into_iter().collect();
        let Some(first) = partitions.first().cloned() else { return Ok(Vec::new()) };
        let refused = |partition, source| Error::Committed { group: self.shared.group.clone(), partition, source };
        let until = self.coordinator.context.env.now() + self.coordinator.request_timeout;
        let answers = self.coordinator.committed(partitions, Some(until)).await;
        let answers = answers.map_err(|source| refused(first, source))?;
        answers.into_iter().map(|answer| answer.committed.map_err(|source| refused(answer.partition, source))).collect()
    }

    /// The first offsets whose timestamps are at or after these (ms since 1970): one answer each, in order; `None`
    /// if no record is as late. One question a leader; what one refuses for the moment is asked once more.
    ///
    /// # Errors
    /// [`Error::Cluster`]: the first that was refused.
    pub async fn offsets_for_times(
        &self,
        times: impl IntoIterator<Item = (TopicPartition, i64)>,
    ) -> Result<Vec<Option<Offset>>, Error> {
        let times: Vec<_> = times.into_iter().collect();
        let wanted = times.iter().map(|(partition, ms)| (partition.clone(), OffsetSpec::Timestamp(*ms)));
        let answers = offsets::look_up(&self.coordinator.context, self.isolation, &wanted.collect::<Vec<_>>()).await;
        let answers = times.into_iter().zip(answers).map(|((partition, timestamp_ms), answer)| {
            answer.map_err(|source| Error::Cluster {
                group: self.shared.group.clone(),
                doing: format!("look up the offset of {partition} at {timestamp_ms} ms since 1970"),
                source,
            })
        });
        answers.collect()
    }

    /// Ends the consumer within `limit`: `next` returns `None` from now on; the listener is told, what is
    /// acknowledged is committed, and the group is left. Returns what was left; calling it again returns the same.
    ///
    /// A handler that hangs delays nothing; a listener that hangs, to the limit.
    ///
    /// # Errors
    /// [`Error::NotClosed`]; the consumer is closed all the same.
    pub async fn shutdown(&self, limit: Duration) -> Result<Left, Error> {
        self.shared.shutdown(limit).await
    }

    /// Whether it was ended.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.shared.reader.is_stopped()
    }
}
