//! What the background task and handles have the application's side do before it hands anything over.

use std::sync::Arc;

use ottla_broker_core::{Offset, TopicPartition};

use super::Core;
use crate::consumer::assigned::Assigned;
use crate::consumer::lane::Lane;
use crate::consumer::shared::Change;
use crate::reader::{At, Slot};

impl Core {
    /// Does what the background task and handles have left to do.
    pub(super) fn attend(&mut self) {
        let mut installed = false;
        for change in self.shared.take_changes() {
            match change {
                Change::Install { assigned, topic, metadata, start } => {
                    if assigned.is_stopped() {
                        continue;
                    }
                    installed = true;
                    let partition = TopicPartition::clone(&assigned.partition);
                    let start = match assigned.install().map_or(start, Ok) {
                        Ok(at) => Some(at),
                        Err(error) => {
                            tracing::warn!(group = %self.shared.group, %partition, %error, "a partition cannot be read");
                            self.failures.push_back(error);
                            None
                        }
                    };
                    let at = start.unwrap_or(At::Offset(Offset::ZERO));
                    let mut slot = Slot::new(partition.clone(), topic, at, None);
                    (slot.leader, slot.epoch) = (metadata.leader, metadata.leader_epoch);
                    slot.end_seen = Some(Arc::clone(&assigned.end_seen));
                    let index = self.engine.install(slot);
                    if self.lanes.len() <= index {
                        self.lanes.resize_with(index + 1, || None);
                    }
                    if let Some(place) = self.lanes.get_mut(index) {
                        let lane = place.insert(Lane::new(assigned, start.is_none()));
                        if lane.is_held() {
                            self.engine.hold(index);
                        }
                    }
                    self.places.insert(partition, index);
                    self.unplaced.push(index);
                }
                Change::Remove(assigned) => {
                    if let Some(index) = self.find(&assigned) {
                        self.forget(index);
                        self.places.remove(&*assigned.partition);
                        self.engine.remove(index);
                        if let Some(place) = self.lanes.get_mut(index) {
                            *place = None;
                        }
                    }
                }
                Change::Seek(assigned, to) => {
                    if let Some(index) = self.find(&assigned) {
                        self.forget(index);
                        assigned.restart();
                        if let Some(lane) = self.lane(index) {
                            *lane = Lane { stream: lane.stream.take(), ..Lane::new(assigned, false) };
                        }
                        self.engine.go(index, to);
                        self.engine.let_go(index);
                        if self.lane(index).is_some_and(|lane| lane.is_held()) {
                            self.engine.hold(index);
                        }
                        self.unplaced.push(index);
                    }
                }
                Change::Paused(assigned) => {
                    if let Some(index) = self.find(&assigned) {
                        if assigned.is_paused() {
                            self.hold(index);
                        } else {
                            self.let_go(index);
                        }
                    }
                }
                Change::Taken(assigned) => {
                    if let Some(index) = self.find(&assigned)
                        && self.lane(index).is_some_and(|lane| std::mem::take(&mut lane.clogged))
                    {
                        self.let_go(index);
                    }
                }
                Change::Failed(error) => self.failures.push_back(error),
            }
        }
        if installed {
            self.engine.ask_anew();
        }
    }

    fn find(&self, assigned: &Arc<Assigned>) -> Option<usize> {
        let index = *self.places.get(&*assigned.partition)?;
        let lane = self.lanes.get(index)?.as_ref()?;
        Arc::ptr_eq(&lane.assigned, assigned).then_some(index)
    }

    /// Forgets what was fetched of a partition and not handed over.
    fn forget(&mut self, index: usize) {
        if self.current.as_ref().is_some_and(|(current, _)| *current == index) {
            self.current = None;
        }
        if self.ahead.as_ref().is_some_and(|ahead| ahead.index == index) {
            self.ahead = None;
        }
        self.runnable.retain(|runnable| *runnable != index);
        self.full.retain(|full| *full != index);
        self.unplaced.retain(|unplaced| *unplaced != index);
    }
}
