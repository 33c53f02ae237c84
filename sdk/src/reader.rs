//! Reading without a group: replay, follow, and everything between.
//!
//! A [`Reader`] reads the partitions that it was told, from where it was told, and keeps its place to
//! itself. It runs no task: what it fetches ahead is fetched while someone waits for a message.

mod aborted;
mod answers;
mod at;
mod builder;
mod engine;
mod error;
mod handle;
mod held;
mod message;
mod messages;
mod metrics;
mod refresh;
mod selection;
mod settings;
mod slot;
mod typed;
mod work;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::{FutureExt, Stream};
use ottla_broker_core::{Offset, TopicPartition};

pub use at::{At, OutOfRange};
pub use builder::Builder;
pub(crate) use engine::Engine;
pub use error::Error;
pub use handle::Handle;
pub(crate) use handle::Shared;
pub use message::Message;
pub use messages::Messages;
pub(crate) use selection::Selection;
pub(crate) use settings::Settings;
pub(crate) use slot::Slot;
pub use typed::TypedReader;

use crate::client::Opened;
use crate::codec::Decode;

/// Reads partitions in the order of their offsets, without a group and without committing anything.
///
/// Messages of one partition come in order; partitions take turns by batch. [`next`](Self::next) is one
/// message, [`next_batch`](Self::next_batch) is the fast path, and it is a [`Stream`] as well.
pub struct Reader {
    engine: Engine,
    /// The batch that `next` is in the middle of, and its slot.
    current: Option<(usize, Messages)>,
    /// Keeps an embedded broker alive as long as it is read.
    _opened: Opened,
}

impl Reader {
    fn new(engine: Engine, opened: Opened) -> Self {
        Self { engine, current: None, _opened: opened }
    }

    /// The next message; `None` when all that was wanted has come, or after
    /// [`Handle::shutdown`] or the client's `close`. Cancel-safe: a dropped call loses nothing.
    ///
    /// # Errors
    /// [`Error`]; unless it [is fatal](Error::is_fatal), the next call goes on.
    pub async fn next(&mut self) -> Result<Option<Message>, Error> {
        poll_fn(|cx| self.poll_message(cx)).await.transpose()
    }

    /// The next whole batch, or the rest of the one that [`next`](Self::next) is in. Otherwise as `next`.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn next_batch(&mut self) -> Result<Option<Messages>, Error> {
        if let Some((_, rest)) = self.take_current() {
            return Ok(Some(rest));
        }
        let item = poll_fn(|cx| self.engine.poll_batch(cx)).await.transpose()?;
        Ok(item.map(|(_, messages)| messages))
    }

    /// The next message if one is here already: nothing is waited for.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn try_next(&mut self) -> Result<Option<Message>, Error> {
        self.next().now_or_never().transpose().map(Option::flatten)
    }

    #[inline]
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        loop {
            if let Some((index, messages)) = &mut self.current {
                match messages.next() {
                    Some(Ok(message)) if !self.engine.shared.is_stopped() => return Poll::Ready(Some(Ok(message))),
                    Some(Ok(_)) => return Poll::Ready(None),
                    // Stays at the bad record: leaving it out is the caller's decision.
                    Some(Err(error)) => {
                        let (index, position) = (*index, messages.next_offset());
                        self.current = None;
                        self.rewind(index, position);
                        return Poll::Ready(Some(Err(error)));
                    }
                    None => self.current = None,
                }
            }
            match std::task::ready!(self.engine.poll_batch(cx)) {
                Some(Ok(item)) => self.current = Some(item),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn take_current(&mut self) -> Option<(usize, Messages)> {
        self.current
            .take()
            .filter(|(_, messages)| !self.engine.shared.is_stopped() && messages.next_offset() < messages.end())
    }

    fn slot(&self, partition: &TopicPartition) -> Option<(usize, &Slot)> {
        self.engine.slots.iter().enumerate().find(|(_, slot)| *slot.source == *partition)
    }

    fn index(&self, partition: &TopicPartition) -> Result<usize, Error> {
        self.slot(partition).map(|(index, _)| index).ok_or_else(|| Error::NotRead { partition: partition.clone() })
    }

    /// The partitions that are read, with the offset of the next message of each.
    pub fn positions(&self) -> impl Iterator<Item = (&TopicPartition, Offset)> {
        self.engine.slots.iter().enumerate().map(|(index, slot)| (&*slot.source, self.place(index, slot)))
    }

    /// The offset of a partition's next message; `None` if it is not read, or while a
    /// [`seek`](Self::seek) to other than an offset is being looked up.
    #[must_use]
    pub fn position(&self, partition: &TopicPartition) -> Option<Offset> {
        let (index, slot) = self.slot(partition).filter(|(_, slot)| slot.start.is_none())?;
        Some(self.place(index, slot))
    }

    fn place(&self, index: usize, slot: &Slot) -> Offset {
        match &self.current {
            Some((current, messages)) if *current == index => messages.next_offset(),
            _ => slot.position,
        }
    }

    /// How many offsets lie between a partition's position and its end as of the last answer; `None` if it
    /// is not read or no answer came yet. Where the log has gaps that is more than the records.
    #[must_use]
    pub fn lag(&self, partition: &TopicPartition) -> Option<u64> {
        let (index, slot) = self.slot(partition)?;
        let behind = slot.known_end?.0.saturating_sub(self.place(index, slot).0);
        Some(u64::try_from(behind).unwrap_or(0))
    }

    /// Goes to another place of a partition. What was fetched of it is forgotten; a place that must be
    /// looked up is looked up by the next call of `next`.
    ///
    /// # Errors
    /// [`Error::NotRead`]; [`Error::Invalid`] for a negative offset.
    pub fn seek(&mut self, partition: &TopicPartition, to: At) -> Result<(), Error> {
        if matches!(to, At::Offset(offset) if offset < Offset::ZERO) {
            let reason = "offsets begin at 0; for the first record that is there write `At::Earliest`".to_owned();
            return Err(Error::Invalid { reason });
        }
        let index = self.index(partition)?;
        self.go(index, to);
        Ok(())
    }

    /// [`seek`](Self::seek) for every partition.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    pub fn seek_all(&mut self, to: At) -> Result<(), Error> {
        let partitions: Vec<_> = self.engine.slots.iter().map(|slot| Arc::clone(&slot.source)).collect();
        partitions.iter().try_for_each(|partition| self.seek(partition, to))
    }

    fn go(&mut self, index: usize, to: At) {
        if self.current.as_ref().is_some_and(|(current, _)| *current == index) {
            self.current = None;
        }
        self.engine.go(index, to);
    }

    fn rewind(&mut self, index: usize, position: Offset) {
        self.go(index, At::Offset(position));
    }

    /// Hands over nothing of a partition until [`resume`](Self::resume). Its position stays; what was
    /// fetched ahead is forgotten, so that it takes no room from the others.
    ///
    /// # Errors
    /// [`Error::NotRead`].
    pub fn pause(&mut self, partition: &TopicPartition) -> Result<(), Error> {
        let index = self.index(partition)?;
        if let Some((_, slot)) = self.slot(partition).filter(|(_, slot)| slot.start.is_none()) {
            let position = self.place(index, slot);
            self.rewind(index, position);
        }
        if let Some(slot) = self.engine.slots.get_mut(index) {
            slot.paused = true;
        }
        Ok(())
    }

    /// Goes on with a partition.
    ///
    /// # Errors
    /// [`Error::NotRead`].
    pub fn resume(&mut self, partition: &TopicPartition) -> Result<(), Error> {
        let index = self.index(partition)?;
        if let Some(slot) = self.engine.slots.get_mut(index) {
            slot.paused = false;
            self.engine.ask_anew();
        }
        Ok(())
    }

    /// Bytes of batches that are fetched and not handed over.
    #[must_use]
    pub const fn buffered_bytes(&self) -> usize {
        self.engine.buffered
    }

    /// Ends the reader from another task.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.engine.shared))
    }

    /// The same reader with keys and values decoded.
    pub const fn typed<K: Decode, V: Decode>(self, key: K, value: V) -> TypedReader<K, V> {
        TypedReader::new(self, key, value)
    }
}

impl Stream for Reader {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_message(cx)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("partitions", &self.engine.slots.len())
            .field("buffered_bytes", &self.engine.buffered)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
