//! Requests to partitions, other than produce.

use std::sync::Arc;
use std::time::Duration;

use super::Broker;
use super::groups::check_not_internal;
use super::routes::Routes;
use crate::api::{
    DeletedRecords, EpochEnd, Error, FetchPartition, FetchRequest, FetchResponse, IsolationLevel, ListedOffset,
    OffsetSpec,
};
use crate::ids::{LeaderEpoch, Offset, TopicPartition};
use crate::partition::{self, FetchLimits, Partition, Read, Wanted};

impl Broker {
    /// The partition, if this broker leads it. One that failed is opened again in the background.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION` with the remedy; `NOT_LEADER_OR_FOLLOWER`, `KAFKA_STORAGE_ERROR`
    /// while there is none to serve.
    pub(super) fn find(&self, routes: &Routes, name: &TopicPartition) -> Result<Arc<Partition>, Error> {
        let (route, slot) = routes.slot(name)?;
        slot.leading().ok_or_else(|| {
            if slot.is_failed() {
                self.repair_soon();
            }
            self.not_leading(name, route, slot)
        })
    }

    /// Waits until the storage can take about `bytes` more. Room is not reserved. Cancel-safe.
    ///
    /// # Errors
    /// `BROKER_NOT_AVAILABLE` once closed.
    pub async fn ready(&self, bytes: usize) -> Result<(), Error> {
        self.check_open()?;
        // The room is the storage's, for all partitions together: any open one can tell. What a failed one
        // says is no reason to wait, and the append itself will meet it.
        if let Some(partition) = self.routes().any_open()
            && partition.ready(bytes).await.is_err()
        {
            self.check_open()?;
            self.look_after(&partition);
        }
        Ok(())
    }

    /// Reads from several partitions, and waits as the request says. Cancel-safe.
    ///
    /// # Errors
    /// `BROKER_NOT_AVAILABLE` once closed.
    pub async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, Error> {
        self.check_open()?;
        let routes = self.routes();
        let found: Vec<_> = request.partitions.iter().map(|wanted| self.find(&routes, &wanted.partition)).collect();
        drop(routes);
        let as_replica = request.replica.is_some();
        let read = |wanted: &FetchPartition| Read {
            from: wanted.offset,
            max_bytes: wanted.max_bytes,
            isolation: request.isolation,
            as_replica,
            current_leader_epoch: wanted.current_leader_epoch,
        };
        let wanted: Vec<_> = found
            .iter()
            .zip(&request.partitions)
            .filter_map(|(found, wanted)| {
                Some(Wanted { partition: Arc::clone(found.as_ref().ok()?), read: read(wanted) })
            })
            .collect();
        // An error is told at once, and not after the wait that the others ask for.
        let max_wait = if wanted.len() < found.len() { Duration::ZERO } else { request.max_wait };
        let limits = FetchLimits {
            max_wait,
            min_bytes: request.min_bytes,
            max_bytes: request.max_bytes,
            first: self.next_first(),
        };
        let mut fetched = partition::fetch(&wanted, limits, &self.env).await.into_iter();
        self.check_open()?;
        for wanted in &wanted {
            self.look_after(&wanted.partition);
        }
        let routes = self.routes();
        let answer = |(found, wanted): (Result<_, Error>, &FetchPartition)| match found {
            Ok(_) => match fetched.next() {
                Some(Ok(fetched)) => Ok(fetched),
                // Closed while it waited: the routes know better why, if the topic is gone.
                Some(Err(error)) => Err(routes.slot(&wanted.partition).err().unwrap_or(error)),
                None => Err(Error::from(crate::api::ErrorCode::UnknownServerError)),
            },
            Err(error) => Err(error),
        };
        Ok(found.into_iter().zip(&request.partitions).map(answer).collect())
    }

    /// Looks offsets up: one answer each, in order.
    ///
    /// # Errors
    /// `BROKER_NOT_AVAILABLE` once closed.
    pub async fn list_offsets(
        &self,
        isolation: IsolationLevel,
        wanted: Vec<(TopicPartition, OffsetSpec)>,
    ) -> Result<Vec<Result<ListedOffset, Error>>, Error> {
        self.check_open()?;
        let routes = self.routes();
        let mut answers = Vec::with_capacity(wanted.len());
        for (name, spec) in wanted {
            answers.push(match self.find(&routes, &name) {
                Ok(partition) => {
                    let answer = partition.list_offset(spec, isolation).await;
                    self.look_after(&partition);
                    answer
                }
                Err(error) => Err(error),
            });
        }
        Ok(answers)
    }

    /// Where leader epochs end in this leader's logs (KIP-101): partition, the epoch that the asker knows
    /// as current (KIP-320; `None` skips the check), and the epoch asked about. One answer each, in order.
    ///
    /// # Errors
    /// `BROKER_NOT_AVAILABLE` once closed.
    pub async fn offset_for_leader_epoch(
        &self,
        wanted: Vec<(TopicPartition, Option<LeaderEpoch>, LeaderEpoch)>,
    ) -> Result<Vec<Result<EpochEnd, Error>>, Error> {
        self.check_open()?;
        let routes = self.routes();
        let answer = |(name, current, epoch)| self.find(&routes, &name)?.end_of_epoch(epoch, current);
        Ok(wanted.into_iter().map(answer).collect())
    }

    /// Deletes the records before an offset; [`Offset::MAX`] means all that are committed. One answer each.
    ///
    /// # Errors
    /// `BROKER_NOT_AVAILABLE` once closed.
    pub async fn delete_records(
        &self,
        before: Vec<(TopicPartition, Offset)>,
    ) -> Result<Vec<Result<DeletedRecords, Error>>, Error> {
        self.check_open()?;
        let routes = self.routes();
        let mut answers = Vec::with_capacity(before.len());
        for (name, before) in before {
            let found = check_not_internal(&name.topic, "delete records of").and_then(|()| self.find(&routes, &name));
            answers.push(match found {
                Ok(partition) => {
                    let answer = partition.delete_records(before).await;
                    self.look_after(&partition);
                    answer
                }
                Err(error) => Err(error),
            });
        }
        Ok(answers)
    }
}
