//! What was read from the medium, or is being read, for all cold readers: within one budget, and each piece once however
//! many want it.
//!
//! ```text
//!  read ─► extents ─► in here? ─ yes ─► wait for it, if it is still on its way
//!                         └─ no ─► a stretch of extents that lie close together ─► Medium
//! ```
//!
//! None of this is the tail's memory: a cold reader cannot evict what a consumer that keeps up needs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use ottla_broker_core::Offset;
use ottla_broker_core::log::Error;
use ottla_broker_core::planted::is_planted;

use super::piece::{Piece, Stretch};
use super::streams::{Stream, Streams};
use crate::engine::{Extent, Key, Medium};

/// How cold reads behave. Sizes are in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColdLimits {
    /// What is read at once at most, unless one batch alone is larger.
    pub(crate) piece: usize,
    /// What lies between two batches of a log may be so large, and is read along.
    pub(crate) gap: u64,
    /// How far one reader is read ahead at most.
    pub(crate) ahead: usize,
    /// All that is kept here. With 0 nothing is read ahead, and nothing shared.
    pub(crate) budget: usize,
    /// Of which: what a reader is through with, for others that come soon behind it.
    pub(crate) kept: usize,
}

/// A read, on its way or done. Whoever has a clone can wait for it.
pub(super) type Flight = Shared<BoxFuture<'static, Result<Option<Arc<Piece>>, Error>>>;

/// A flight, and how many of the extents that were asked for it brings.
pub(super) struct Share {
    pub(super) flight: Flight,
    pub(super) extents: usize,
    place: Place,
}

/// Of which log, in which file, and from where on: pieces of many logs may lie between each other.
type Place = (Key, u64, u64);

pub(crate) struct Pieces {
    medium: Arc<dyn Medium>,
    pub(super) limits: ColdLimits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_place: BTreeMap<Place, Entry>,
    /// Who goes first when room is wanted.
    order: BTreeMap<Rank, Place>,
    bytes: usize,
    /// Bytes of what a reader is through with.
    done_bytes: usize,
    clock: u64,
    streams: Streams,
}

/// The worse use goes before the better, and the older before the newer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    used: Used,
    at: u64,
}

/// Who has use for a piece yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Used {
    /// Perhaps somebody who comes soon.
    Done,
    /// Some are through with it, and others of the same log come behind them.
    Awaited,
    /// It was read for somebody who has not come to it.
    Wanted,
}

struct Entry {
    flight: Flight,
    stretch: Stretch,
    rank: Rank,
    /// Where in the log it ended when it was read. That only orders it among others: what is in it the index says.
    next: Offset,
}

/// Entries, at most: a small piece takes more than its bytes.
const MOST_PIECES: usize = 4096;

impl Pieces {
    pub(crate) fn new(medium: Arc<dyn Medium>, limits: ColdLimits) -> Self {
        Self { medium, limits, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With the memory of who reads on where.
    pub(super) fn streams<T>(&self, look: impl FnOnce(&mut Streams) -> T) -> T {
        look(&mut self.lock().streams)
    }

    /// Sees to it that all of a log's `extents` are read or on their way; says which flight brings which of them, in
    /// their order.
    pub(super) fn get(&self, key: &Key, extents: &[Extent]) -> Vec<Share> {
        self.get_some(key, extents, usize::MAX)
    }

    /// [`get`](Self::get) that stops after the piece with which there are `bytes`.
    pub(super) fn get_some(&self, key: &Key, extents: &[Extent], bytes: usize) -> Vec<Share> {
        let mut shares = Vec::new();
        let mut begun = Vec::new();
        let mut size = 0_usize;
        let mut state = self.lock();
        let mut rest = extents;
        while let Some((first, others)) = rest.split_first().filter(|_| size < bytes) {
            let (place, extents) = match state.find(key, first) {
                Some((place, entry)) => {
                    (place, 1 + others.iter().take_while(|extent| entry.stretch.covers(key, extent)).count())
                }
                None => {
                    let mut stretch = Stretch::new(*key, first);
                    let mut extents = 1;
                    for extent in others {
                        let is_there = state.find(key, extent).is_some();
                        if is_there || !stretch.extend(extent, self.limits.gap, self.limits.piece) {
                            break;
                        }
                        extents += 1;
                    }
                    let place = (*key, stretch.file(), stretch.position());
                    let flight = self.begin(stretch.clone());
                    begun.push(flight.clone());
                    let next = rest.get(extents - 1).map_or(first.next, |last| last.next);
                    state.insert(place, stretch, flight, next);
                    (place, extents)
                }
            };
            if let Some(entry) = state.by_place.get(&place) {
                size = size.saturating_add(entry.stretch.bytes());
                shares.push(Share { flight: entry.flight.clone(), extents, place });
            }
            rest = rest.get(extents..).unwrap_or_default();
        }
        state.shrink(&self.limits);
        drop(state);
        for flight in begun {
            // From its first poll on it goes by itself. Not under the lock: it may read here and now.
            drop(flight.now_or_never());
        }
        shares
    }

    fn begin(&self, stretch: Stretch) -> Flight {
        let medium = Arc::clone(&self.medium);
        async move { Ok(medium.read(stretch).await?.map(Arc::new)) }.boxed().shared()
    }

    /// `reader` got these, and is through with what ends at or before `to`: what nobody has come to goes after it.
    pub(super) fn done(&self, reader: Option<&Stream>, shares: &[Share], extents: &[Extent], to: Offset) {
        let mut state = self.lock();
        let mut at = 0;
        for share in shares {
            at += share.extents;
            let last = at.checked_sub(1).and_then(|last| extents.get(last)).filter(|last| last.next <= to);
            let is_through =
                |last: &&Extent| state.by_place.get(&share.place).is_some_and(|entry| entry.stretch.ends_with(last));
            if let Some(last) = last.filter(is_through) {
                let (key, ..) = share.place;
                let is_awaited = state.streams.is_awaited(&key, last.next, reader);
                state.rank(share.place, if is_awaited { Used::Awaited } else { Used::Done });
                if !is_awaited {
                    state.nobody_comes(&key, last.next);
                }
            }
        }
        state.shrink(&self.limits);
    }

    /// What a flight brought is of no use: the next who wants it reads anew.
    pub(super) fn forget(&self, share: &Share) {
        let mut state = self.lock();
        let is_this = state.by_place.get(&share.place).is_some_and(|entry| entry.flight.ptr_eq(&share.flight));
        if is_this && !is_planted("cold-failure-remembered") {
            state.remove(share.place);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        *self.lock() = State::default();
    }

    /// Bytes of all that is here or on its way.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes
    }
}

impl State {
    /// The entry that has all of a log's extent.
    fn find(&self, key: &Key, extent: &Extent) -> Option<(Place, &Entry)> {
        let (place, entry) = self.by_place.range(..=(*key, extent.file, extent.position)).next_back()?;
        let covers = entry.stretch.covers(key, extent) && !is_planted("cold-reads-not-shared");
        covers.then_some((*place, entry))
    }

    fn insert(&mut self, place: Place, stretch: Stretch, flight: Flight, next: Offset) {
        self.remove(place);
        self.clock += 1;
        let rank = Rank { used: Used::Wanted, at: self.clock };
        self.bytes += stretch.bytes();
        self.order.insert(rank, place);
        self.by_place.insert(place, Entry { flight, stretch, rank, next });
    }

    /// It is of this use from now on. What was done with once stays so.
    fn rank(&mut self, place: Place, used: Used) {
        self.clock += 1;
        let Some(entry) = self.by_place.get_mut(&place) else { return };
        let used = used.min(entry.rank.used);
        if entry.rank.used > Used::Done && used == Used::Done {
            self.done_bytes += entry.stretch.bytes();
        }
        self.order.remove(&entry.rank);
        entry.rank = Rank { used, at: self.clock };
        self.order.insert(entry.rank, place);
    }

    /// Nobody is behind `to` any more who could want what lies before it: who was has passed, or does not come back.
    fn nobody_comes(&mut self, key: &Key, to: Offset) {
        let of_log = self.by_place.range((*key, 0, 0)..=(*key, u64::MAX, u64::MAX));
        let passed = of_log.filter(|(_, entry)| entry.rank.used == Used::Awaited && entry.next <= to);
        for place in passed.map(|(place, _)| *place).collect::<Vec<_>>() {
            self.rank(place, Used::Done);
        }
    }

    fn remove(&mut self, place: Place) {
        let Some(entry) = self.by_place.remove(&place) else { return };
        self.order.remove(&entry.rank);
        self.bytes -= entry.stretch.bytes();
        if entry.rank.used == Used::Done {
            self.done_bytes -= entry.stretch.bytes();
        }
    }

    /// Lets go of what is beyond the limits. Who waits for it has a clone of the flight.
    fn shrink(&mut self, limits: &ColdLimits) {
        let is_over = |state: &Self| {
            state.bytes > limits.budget || state.done_bytes > limits.kept || state.by_place.len() > MOST_PIECES
        };
        while is_over(self) && !is_planted("cold-pieces-unbounded") {
            let Some((_, place)) = self.order.first_key_value() else { return };
            self.remove(*place);
        }
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces").field("limits", &self.limits).finish_non_exhaustive()
    }
}
