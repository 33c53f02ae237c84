//! What was made of a client and ends with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::error::Error;
use crate::reader;

/// Knows a client's readers, weakly: they are their owners'.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    closed: bool,
    readers: Vec<Weak<reader::Shared>>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No user code runs under the lock, so a poisoned one still holds whole values.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(crate) fn check(&self, doing: &str) -> Result<(), Error> {
        if self.is_closed() { Err(Error::Closed { doing: doing.to_owned() }) } else { Ok(()) }
    }

    pub(crate) fn new_reader(&self) -> Result<Arc<reader::Shared>, Error> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(Error::Closed { doing: "read".to_owned() });
        }
        inner.readers.retain(|reader| reader.strong_count() > 0);
        let shared = Arc::new(reader::Shared::default());
        inner.readers.push(Arc::downgrade(&shared));
        Ok(shared)
    }

    /// Ends the readers; whether it was the first call.
    pub(crate) fn close(&self) -> bool {
        let mut inner = self.lock();
        if std::mem::replace(&mut inner.closed, true) {
            return false;
        }
        let readers = std::mem::take(&mut inner.readers);
        drop(inner);
        for reader in readers.iter().filter_map(Weak::upgrade) {
            reader.stop();
        }
        true
    }
}
