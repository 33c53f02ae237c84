//! The application's side of one assignment.

use std::sync::Arc;

use super::acks::Tracker;
use super::assigned::Assigned;
use crate::reader::Messages;

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) assigned: Arc<Assigned>,
    /// There once it is known where reading begins.
    pub(super) tracker: Option<Tracker>,
    /// What is to be handed over before anything else of the partition, once it is no longer held.
    pub(super) rest: Option<Messages>,
    /// Too much is not acknowledged.
    pub(super) full: bool,
    /// Where to begin is for a seek to say.
    pub(super) homeless: bool,
    /// Whether it was said that it is full.
    pub(super) warned: bool,
}

impl Lane {
    pub(super) const fn new(assigned: Arc<Assigned>, homeless: bool) -> Self {
        Self { assigned, tracker: None, rest: None, full: false, homeless, warned: false }
    }

    /// Whether nothing of it may be handed over for now.
    pub(super) fn is_held(&self) -> bool {
        self.full || self.homeless || self.assigned.is_paused()
    }
}
