//! The application's side of one assignment.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::acks::Tracker;
use super::assigned::Assigned;
use super::streams::Queued;
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
    /// Where its batches go, if each partition has a stream.
    pub(super) stream: Option<mpsc::Sender<Queued>>,
    /// The stream has not taken the last batch.
    pub(super) clogged: bool,
    /// Whether it was said that it is full.
    pub(super) warned: bool,
}

impl Lane {
    pub(super) const fn new(assigned: Arc<Assigned>, homeless: bool) -> Self {
        Self { assigned, tracker: None, rest: None, full: false, homeless, stream: None, clogged: false, warned: false }
    }

    /// Whether nothing of it may be handed over for now.
    pub(super) fn is_held(&self) -> bool {
        self.full || self.homeless || self.clogged || self.assigned.is_paused()
    }
}
