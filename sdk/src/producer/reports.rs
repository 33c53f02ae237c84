//! Failures that no delivery told anyone, kept for `flush`.

use std::sync::{Mutex, PoisonError};

use super::error::Error;

/// How many records failed whose deliveries were dropped, and how the first did.
#[derive(Debug, Default)]
pub(super) struct Reports(Mutex<Option<(u64, Error)>>);

impl Reports {
    pub(super) fn add(&self, failed: u64, error: &Error) {
        if failed == 0 {
            return;
        }
        let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *reports {
            Some((count, _)) => *count += failed,
            none => *none = Some((failed, error.clone())),
        }
    }

    /// What has gathered since the last call.
    pub(super) fn take(&self) -> Result<(), Error> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.map_or(Ok(()), |(failed, first)| Err(Error::Undelivered { failed, first: Box::new(first) }))
    }
}
