//! What was made of a client and ends with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::error::Error;
use crate::producer::{self, Producer, WeakProducer};
use crate::{consumer, reader};

/// Knows a client's readers, producers and consumers, weakly: they are their owners'.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    closed: bool,
    readers: Vec<Weak<reader::Shared>>,
    producers: Vec<WeakProducer>,
    consumers: Vec<Weak<consumer::Shared>>,
}

/// What is to be closed with a client.
#[derive(Debug)]
pub(crate) struct Closing {
    pub(crate) producers: Vec<Producer>,
    pub(crate) consumers: Vec<Arc<consumer::Shared>>,
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

    pub(crate) fn add_producer(&self, producer: &Producer) -> Result<(), producer::Error> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(producer::Error::Closed { in_doubt: false });
        }
        inner.producers.retain(|producer| producer.upgrade().is_some());
        inner.producers.push(producer.downgrade());
        Ok(())
    }

    pub(crate) fn add_consumer(&self, consumer: &Arc<consumer::Shared>) -> Result<(), Error> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(Error::Closed { doing: "consume".to_owned() });
        }
        inner.consumers.retain(|consumer| consumer.strong_count() > 0);
        inner.consumers.push(Arc::downgrade(consumer));
        Ok(())
    }

    /// Ends the readers and returns what is to be closed; `None` if it was not the first call.
    pub(crate) fn close(&self) -> Option<Closing> {
        let mut inner = self.lock();
        if std::mem::replace(&mut inner.closed, true) {
            return None;
        }
        let producers = std::mem::take(&mut inner.producers);
        let readers = std::mem::take(&mut inner.readers);
        let consumers = std::mem::take(&mut inner.consumers);
        drop(inner);
        for reader in readers.iter().filter_map(Weak::upgrade) {
            reader.stop();
        }
        Some(Closing {
            producers: producers.iter().filter_map(WeakProducer::upgrade).collect(),
            consumers: consumers.iter().filter_map(Weak::upgrade).collect(),
        })
    }
}
