//! Who reads on where the last read ended, and how far ahead of them was read.

use ottla_broker_core::Offset;
use ottla_broker_core::planted::is_planted;

use crate::engine::Key;

/// Readers that are remembered.
const MOST: usize = 64;
/// A reader that did not come back within so many reads of others counts no more.
const RECENT: u64 = 256;

/// The readers that may go on. Handles are shared by all consumers of a partition, so it is by their places that
/// they are known.
#[derive(Debug, Default)]
pub(super) struct Streams {
    known: Vec<Stream>,
    clock: u64,
}

/// One reader, between two of its reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    pub(super) key: Key,
    /// Where it will go on.
    pub(super) next: Offset,
    /// Up to where was read ahead of it.
    pub(super) ahead: Offset,
    seen_at: u64,
    /// It has gone on once at least: a broker that starts looks into many logs once each.
    goes_on: bool,
}

impl Streams {
    /// A read of a log at `from` begins. The reader, if it goes on where one ended.
    pub(super) fn begin(&mut self, key: &Key, from: Offset) -> Option<Stream> {
        self.clock += 1;
        let at = self.known.iter().position(|stream| stream.next == from && stream.key == *key)?;
        Some(self.known.swap_remove(at))
    }

    /// The read ended at `next`.
    pub(super) fn end(&mut self, stream: Option<Stream>, key: &Key, next: Offset) {
        let goes_on = stream.is_some() || is_planted("every-look-is-a-reader");
        let mut stream = stream.unwrap_or(Stream { key: *key, next, ahead: next, seen_at: 0, goes_on });
        stream.goes_on = goes_on;
        stream.next = next;
        stream.seen_at = self.clock;
        // Readers that go side by side are one: what is read ahead of one is there for all.
        if let Some(other) = self.known.iter_mut().find(|other| other.next == next && other.key == *key) {
            if stream.ahead > other.ahead {
                *other = stream;
            }
            other.seen_at = self.clock;
            other.goes_on |= goes_on;
            return;
        }
        if self.known.len() >= MOST {
            let oldest = self.known.iter().enumerate().min_by_key(|(_, stream)| stream.seen_at).map(|(at, _)| at);
            if let Some(at) = oldest {
                self.known.swap_remove(at);
            }
        }
        self.known.push(stream);
    }

    /// How many readers share the budget: those that were seen lately, and the one that asks.
    pub(super) fn active(&self) -> usize {
        1 + self.known.iter().filter(|stream| stream.goes_on && self.clock - stream.seen_at < RECENT).count()
    }
}
