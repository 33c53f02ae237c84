//! Reading parts of objects, for many readers at once.
//!
//! A journal object holds batches of many logs, and who opens all of them, or reads them side by side, wants each of its
//! parts at about the same time: one request for each would cost more than what it brings. So what is asked of one
//! object while other requests are on their way is gathered for a moment, and what lies close together is one request.
//!
//! ```text
//!  nothing on its way:   ask ─► GET
//!  else:                 ask ┐
//!                        ask ┼─ a moment ─► in the object's order ─► GET of what lies close together
//!                        ask ┘                                    ─► GET of what lies apart
//! ```
//!
//! Memory: requests bring what was asked for, and gaps that are no larger than that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{Error, ErrorKind};
use ottla_broker_core::planted::is_planted;
use tokio::sync::oneshot;

use super::keys::Keys;
use super::store::{Purpose, Store};
use crate::engine::{Piece, Stretch};

/// How long an ask waits for others: far less than a request takes.
const MOMENT: Duration = Duration::from_millis(1);
/// What is as large waits for no other.
const LARGE: usize = 1 << 20;
/// What one request brings at most, unless one ask alone is for more.
const MOST_BYTES: u64 = 8 << 20;

type Outcome = Result<Option<Piece>, Error>;

#[derive(Debug)]
struct Ask {
    stretch: Stretch,
    reply: oneshot::Sender<Outcome>,
}

/// Asks for one range of an object.
#[derive(Debug)]
struct Range {
    asks: Vec<Ask>,
    begin: u64,
    end: u64,
    /// Bytes that were asked for, those that several want counted as often.
    wanted: u64,
}

#[derive(Debug)]
pub(super) struct Gather {
    store: Arc<Store>,
    keys: Keys,
    env: Env,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By object. Each of them has a task that waits for its moment.
    waiting: BTreeMap<u64, Vec<Ask>>,
    /// Requests on their way.
    on_their_way: usize,
}

impl Gather {
    pub(super) fn new(store: Arc<Store>, keys: Keys, env: Env) -> Self {
        Self { store, keys, env, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`Medium::read`](crate::engine::Medium::read).
    pub(super) async fn read(self: &Arc<Self>, stretch: Stretch) -> Outcome {
        let (reply, answer) = oneshot::channel();
        let (file, is_large) = (stretch.file(), stretch.bytes() >= LARGE);
        let (is_first, is_alone) = {
            let mut state = self.lock();
            let is_alone = state.on_their_way == 0 && state.waiting.is_empty();
            let asks = state.waiting.entry(file).or_default();
            asks.push(Ask { stretch, reply });
            (asks.len() == 1, is_alone)
        };
        if is_first {
            let is_alone = is_alone && !is_planted("bucket-lone-read-waits");
            let waits = !is_alone && !is_large && !is_planted("bucket-small-reads-go-alone");
            // A task of its own: what is read ahead has nobody who would poll it.
            drop(self.env.spawn("ottla-bucket-gather", Arc::clone(self).ask(file, waits)));
        }
        answer.await.map_err(|_| Error::new(ErrorKind::Closed, "the storage is closed: open it anew"))?
    }

    async fn ask(self: Arc<Self>, file: u64, waits: bool) {
        if waits {
            self.env.sleep(MOMENT).await;
        }
        let ranges = {
            let mut state = self.lock();
            let ranges = ranges(state.waiting.remove(&file).unwrap_or_default());
            state.on_their_way += ranges.len();
            ranges
        };
        for range in ranges {
            // Taking apart goes through all bytes: each on a thread of its own.
            drop(self.env.spawn("ottla-bucket-read", Arc::clone(&self).fetch(file, range)));
        }
    }

    async fn fetch(self: Arc<Self>, file: u64, range: Range) {
        let read = self.store.get_range(Purpose::Read, &self.keys.file(file), range.begin..range.end).await;
        self.lock().on_their_way -= 1;
        let is_shared = range.asks.len() > 1;
        for Ask { stretch, reply } in range.asks {
            let outcome = match &read {
                Ok(Some(bytes)) if is_shared => {
                    let part = part(bytes, range.begin, &stretch);
                    Ok(Some(stretch.take_apart(&part)))
                }
                Ok(Some(bytes)) => Ok(Some(stretch.take_apart(bytes))),
                Ok(None) => Ok(None),
                Err(error) => Err(error.clone()),
            };
            // Whoever asked may have given up.
            let _ = reply.send(outcome);
        }
    }
}

/// What was asked for of `bytes`, which begin at `begin`, as far as it is there. A copy: one that is kept must not hold
/// what the others are through with.
fn part(bytes: &Bytes, begin: u64, stretch: &Stretch) -> Bytes {
    let within = usize::try_from(stretch.position() - begin).unwrap_or(usize::MAX).min(bytes.len());
    let end = within.saturating_add(stretch.bytes()).min(bytes.len());
    Bytes::copy_from_slice(bytes.get(within..end).unwrap_or_default())
}

/// The requests that bring all that is asked of one object.
fn ranges(mut asks: Vec<Ask>) -> Vec<Range> {
    asks.sort_by_key(|ask| ask.stretch.position());
    let mut ranges: Vec<Range> = Vec::new();
    for ask in asks {
        let begin = ask.stretch.position();
        let bytes = ask.stretch.bytes() as u64;
        let end = begin.saturating_add(bytes);
        let near = ranges.last_mut().filter(|range| {
            let spans = end.max(range.end) - range.begin;
            // Of what is read at least the half is wanted.
            let is_near = spans <= (range.wanted + bytes).saturating_mul(2) || is_planted("bucket-gaps-read-along");
            spans <= MOST_BYTES && is_near
        });
        match near {
            Some(range) => {
                range.end = range.end.max(end);
                range.wanted += bytes;
                range.asks.push(ask);
            }
            None => ranges.push(Range { asks: vec![ask], begin, end, wanted: bytes }),
        }
    }
    ranges
}
