//! The broker's side of consumer groups: `__consumer_offsets` and its coordinator.
//!
//! The topic is made when the first group is looked for, so that a service without groups pays nothing.
//! Its partitions are opened like any other's; whatever [opens](Broker::adopt) or closes one tells the
//! coordinator, which replays it or gives it up. The coordinator's one driver runs beside the housekeeping.

mod calls;
mod topic;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

pub(super) use topic::check_not_internal;

use super::Broker;
use crate::api::group::GroupId;
use crate::api::{Error, ErrorCode};
use crate::coordinator::{GroupCoordinator, LedPartition};
use crate::ids::TopicName;
use crate::partition::Partition;
use crate::planted::is_planted;

/// What a broker keeps for its groups.
#[derive(Debug)]
pub(super) struct Groups {
    /// There from when `__consumer_offsets` is.
    coordinator: watch::Sender<Option<Arc<GroupCoordinator>>>,
    /// The partitions that the coordinator was given.
    led: Mutex<BTreeMap<i32, Arc<Partition>>>,
    /// A topic may be gone whose offsets are not.
    sweep_due: AtomicBool,
}

impl Default for Groups {
    fn default() -> Self {
        Self { coordinator: watch::Sender::new(None), led: Mutex::default(), sweep_due: AtomicBool::new(false) }
    }
}

impl Groups {
    /// The coordinator, if there is anything to coordinate.
    fn coordinator(&self) -> Option<Arc<GroupCoordinator>> {
        self.coordinator.borrow().clone()
    }

    /// Says that offsets are to be compared with the topics that there are.
    pub(super) fn topics_went(&self) {
        self.sweep_due.store(true, Ordering::Release);
    }

    /// Who waits for a coordinator's answer is told to look elsewhere.
    pub(super) fn resign_all(&self) {
        let led = std::mem::take(&mut *self.led.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(coordinator) = self.coordinator() {
            led.into_keys().for_each(|partition| coordinator.resign(partition));
        }
    }
}

impl Broker {
    /// Gives the coordinator the partitions that were opened since, and takes from it those that are
    /// led no more. Under the lock of [`adopt`](Self::adopt).
    pub(super) fn follow_group_log(&self) {
        let routes = self.routes();
        let Some(route) = routes.topics.get(topic::NAME) else { return };
        let coordinator = self.groups.coordinator().unwrap_or_else(|| {
            // The topic is never given more partitions: the number says where a group lies.
            let partitions = i32::try_from(route.slots.len()).unwrap_or(i32::MAX);
            Arc::new(GroupCoordinator::new(self.env.clone(), *self.config.groups(), partitions))
        });
        let mut led = self.groups.led.lock().unwrap_or_else(PoisonError::into_inner);
        for (partition, slot) in (0..).zip(&route.slots) {
            match slot.leading() {
                Some(leading) => {
                    if led.get(&partition).is_none_or(|before| !Arc::ptr_eq(before, &leading)) {
                        let log = LedPartition::new(Arc::clone(&leading), self.env.clone());
                        coordinator.lead(partition, Arc::new(log));
                        led.insert(partition, leading);
                        self.groups.topics_went();
                    }
                }
                None => {
                    if led.remove(&partition).is_some() {
                        coordinator.resign(partition);
                    }
                }
            }
        }
        drop(led);
        self.groups.coordinator.send_if_modified(|known| {
            let new = known.is_none();
            known.get_or_insert(coordinator);
            new
        });
    }

    /// Keeps the groups going: replays, ends sessions, writes snapshots. Never returns.
    pub(super) async fn keep_groups(&self) {
        let mut known = self.groups.coordinator.subscribe();
        let coordinator = match known.wait_for(Option::is_some).await {
            Ok(coordinator) => coordinator.clone(),
            // The sender is this broker's own.
            Err(_) => None,
        };
        match coordinator {
            Some(coordinator) => coordinator.run().await,
            None => std::future::pending().await,
        }
    }

    /// Forgets the offsets of topics that are gone, in the groups that this broker coordinates.
    pub(super) async fn forget_offsets_of(&self, topics: &[TopicName]) {
        let Some(coordinator) = self.groups.coordinator().filter(|_| !topics.is_empty()) else { return };
        // Whatever is not reached now is found by the next look through all offsets.
        self.groups.topics_went();
        if is_planted("deleted-topic-keeps-offsets") {
            return;
        }
        if let Err(error) = coordinator.forget_offsets(|partition| topics.contains(&partition.topic)).await {
            tracing::debug!(broker = %self.id(), %error, "offsets of deleted topics are forgotten later");
        }
    }

    /// Forgets the offsets of partitions that are in no topic: someone else deleted it, or this broker
    /// stopped between deleting the topic and its offsets.
    pub(super) async fn sweep_offsets(&self) {
        let Some(coordinator) = self.groups.coordinator() else { return };
        if is_planted("deleted-topic-keeps-offsets") || !self.groups.sweep_due.swap(false, Ordering::AcqRel) {
            return;
        }
        let gone = |partition: &crate::ids::TopicPartition| self.routes().slot(partition).is_err();
        if let Err(error) = coordinator.forget_offsets(gone).await {
            // A shard that is being replayed, most likely.
            self.groups.topics_went();
            tracing::debug!(broker = %self.id(), %error, "offsets of deleted topics are forgotten later");
        }
    }

    /// # Errors
    /// `NOT_COORDINATOR` while there is no `__consumer_offsets`, and once superseded: the other broker coordinates now,
    /// and whoever asks it again goes on. As [`check_open`](Self::check_open).
    fn coordinator(&self) -> Result<Arc<GroupCoordinator>, Error> {
        self.check_open()?;
        if self.is_superseded() {
            let stale = is_planted("superseded-coordinator-is-fatal");
            let code = if stale { ErrorCode::StaleBrokerEpoch } else { ErrorCode::NotCoordinator };
            return Err(self.superseded_error(code));
        }
        self.groups.coordinator().ok_or_else(|| {
            let message = format!("broker {} coordinates no group yet: find the coordinator first", self.id());
            Error::new(ErrorCode::NotCoordinator, message)
        })
    }

    /// Has the group's partition opened again if that is why the coordinator could not answer.
    fn look_after_group(&self, group: &GroupId, coordinator: &GroupCoordinator, error: &Error) {
        if !matches!(
            error.code,
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable | ErrorCode::CoordinatorLoadInProgress
        ) {
            return;
        }
        let routes = self.routes();
        let Some(route) = routes.topics.get(topic::NAME) else { return };
        let slot = usize::try_from(coordinator.partition_of(group)).ok().and_then(|at| route.slots.get(at));
        if slot.is_some_and(|slot| slot.is_failed()) {
            self.repair_soon();
        }
    }
}
