//! When a batch that is not full goes although others of its partition are in flight.
//!
//! Gathering until the answer comes makes a fast disk fast: it is one sync a batch, and what is sent during a sync waits
//! for the next one anyway. But where an answer takes long, a record waits for the whole of one answer, and then for its
//! own. So there, up to five batches go beside each other (the sender's limit, which is the broker's memory):
//!
//! - The broker says when its storage writes next: the batch goes just before. Earlier gains nothing, for it would only
//!   wait there, and later misses it by one whole round.
//! - Nobody knows, and answers take longer than a disk's: batches are spread evenly over the time that an answer takes.
//!   By Little's law that is as fast as five in flight can go on for ever, and a record waits a fifth of an answer
//!   at most before it is on its way.
//!
//! Smaller batches cost more each, so this is for a producer with room to spare: one that has used up half its budget
//! wants throughput, and gathers.

use std::time::Duration;

use ottla_broker_core::env::Moment;
use ottla_broker_core::planted::is_planted;

use super::settings::Config;

/// What takes this long is not waited for. A disk's sync takes less, even a bad one; a PUT to a bucket, or a round trip to
/// another region, takes more.
pub(super) const LONG: Duration = Duration::from_millis(20);
/// The weight of a new answer in the smoothed time: one eighth, as for TCP's round trips (RFC 6298).
const WEIGHT: u32 = 8;

/// How long answers take, and when the last batch went.
#[derive(Debug, Default)]
pub(super) struct Gather {
    answer: Option<Duration>,
    last: Moment,
}

/// What the broker's side says at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outlook {
    /// When the broker's storage writes what it has by then.
    pub(super) next_write: Option<Moment>,
    /// Little room is left: throughput counts more than the wait of one record.
    pub(super) pressed: bool,
}

impl Gather {
    /// A batch was answered, after `took`.
    pub(super) fn answered(&mut self, took: Duration) {
        self.answer = Some(self.answer.map_or(took, |smoothed| (smoothed * (WEIGHT - 1) + took) / WEIGHT));
    }

    /// Whether answers come, and come fast: those in flight, the first of which went at `oldest`, will soon have theirs.
    pub(super) fn flows(&self, oldest: Moment, now: Moment) -> bool {
        self.answer.is_some_and(|answer| answer < LONG) && now.since(oldest) < LONG
    }

    /// A batch went.
    pub(super) const fn sent(&mut self, now: Moment) {
        self.last = now;
    }

    /// From when on an open batch may go beside those in flight; `None`: it gathers until they are answered.
    pub(super) fn beside(&self, outlook: Outlook) -> Option<Moment> {
        let pressed = outlook.pressed && !is_planted("little-room-not-gathered-for");
        if pressed || is_planted("gathers-until-the-answer") {
            return None;
        }
        if outlook.next_write.is_some() && !is_planted("storage-pace-not-asked") {
            return outlook.next_write;
        }
        let answer = self.answer.filter(|answer| *answer >= LONG || is_planted("fast-answers-not-gathered-for"))?;
        Some(self.last + answer / Config::MAX_IN_FLIGHT as u32)
    }
}
