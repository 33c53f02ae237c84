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

/// Readers that are at one place, between two of their reads or in one that began there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    pub(super) key: Key,
    /// Where they will go on.
    pub(super) next: Offset,
    /// Up to where was read ahead of them.
    pub(super) ahead: Offset,
    seen_at: u64,
    /// They have gone on once at least: a broker that starts looks into many logs once each.
    goes_on: bool,
    /// How many of them wait for the next read, and how many are in it.
    waiting: usize,
    reading: usize,
}

impl Streams {
    /// A read of a log at `from` begins. The reader, if it goes on where one ended.
    pub(super) fn begin(&mut self, key: &Key, from: Offset) -> Option<Stream> {
        self.clock += 1;
        let clock = self.clock;
        let stream = self.at(key, from)?;
        // It stays here: what lies before it is not to go while it waits for the medium.
        stream.waiting = stream.waiting.saturating_sub(1);
        stream.reading += 1;
        stream.goes_on = true;
        stream.seen_at = clock;
        Some(*stream)
    }

    fn at(&mut self, key: &Key, next: Offset) -> Option<&mut Stream> {
        self.known.iter_mut().find(|stream| stream.next == next && stream.key == *key)
    }

    /// The read ended at `next`.
    pub(super) fn end(&mut self, stream: Option<Stream>, key: &Key, next: Offset) {
        let goes_on = stream.is_some() || is_planted("every-look-is-a-reader");
        let ahead = stream.map_or(next, |stream| stream.ahead);
        if let Some(before) = stream
            && let Some(left) = self.at(key, before.next)
        {
            left.reading = left.reading.saturating_sub(1);
            if left.waiting + left.reading == 0 {
                let at = before.next;
                self.known.retain(|stream| stream.next != at || stream.key != *key);
            }
        }
        let clock = self.clock;
        // Readers that go side by side are one: what is read ahead of one is there for all.
        if let Some(there) = self.at(key, next) {
            there.ahead = there.ahead.max(ahead);
            there.seen_at = clock;
            there.goes_on |= goes_on;
            there.waiting += 1;
            return;
        }
        if self.known.len() >= MOST {
            let oldest = self.known.iter().enumerate().min_by_key(|(_, stream)| stream.seen_at).map(|(at, _)| at);
            if let Some(at) = oldest {
                self.known.swap_remove(at);
            }
        }
        self.known.push(Stream { key: *key, next, ahead, seen_at: clock, goes_on, waiting: 1, reading: 0 });
    }

    /// Those that were seen lately, and go on.
    fn recent(&self) -> impl Iterator<Item = &Stream> {
        self.known.iter().filter(|stream| stream.goes_on && self.clock - stream.seen_at < RECENT)
    }

    /// How many places are read ahead of, which share the budget; `asking` is one of them. Who comes behind another, and
    /// will find what was read ahead of that one, or before that one, needs nothing of its own.
    pub(super) fn active(&self, asking: &Stream) -> usize {
        let mut places: Vec<_> = self.recent().chain([asking]).map(|it| (it.key, it.next, it.ahead)).collect();
        places.sort_unstable();
        let mut count = 0;
        let mut reach: Option<(Key, Offset)> = None;
        for (key, next, ahead) in places {
            let follows = reach.is_some_and(|(before, reach)| before == key && next <= reach);
            if !follows || is_planted("each-follower-counts") {
                count += 1;
                reach = Some((key, ahead));
            } else {
                reach = reach.map(|(key, reach)| (key, reach.max(ahead)));
            }
        }
        count
    }

    /// Whether others than `reader` have yet to come to what lies before `to`.
    pub(super) fn is_awaited(&self, key: &Key, to: Offset, reader: Option<&Stream>) -> bool {
        let comes = |stream: &Stream| {
            let is_this = reader.is_some_and(|reader| reader.next == stream.next && reader.key == stream.key);
            stream.key == *key && stream.next < to && stream.waiting + stream.reading > usize::from(is_this)
        };
        self.recent().any(comes) && !is_planted("those-behind-are-forgotten")
    }
}
