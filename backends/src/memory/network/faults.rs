//! What may go wrong, and what did.

use std::time::Duration;

/// What may go wrong with a request. Chances are in 1,000; 0, the default, is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkFaults {
    /// Chance that a request is lost on its way.
    pub drop_request: u32,
    /// Chance that an answer is lost on its way: the request took effect.
    pub drop_answer: u32,
    /// Chance that a request arrives a second time, later; the asker gets the first one's answer.
    pub duplicate: u32,
    /// Chance that a request or an answer is held back by [`reorder_by`](Self::reorder_by), so that later ones overtake it.
    pub reorder: u32,
    /// How long a message is held back to be overtaken.
    pub reorder_by: Duration,
    /// The least time that a message takes.
    pub min_delay: Duration,
    /// The most time that a message takes.
    pub max_delay: Duration,
    /// After which time the asker of a lost request or answer is told that it is lost.
    pub lost_after: Duration,
}

/// How often things happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkCounts {
    /// Requests sent.
    pub sent: u64,
    /// Requests handled, duplicates included.
    pub handled: u64,
    /// Requests answered to the asker.
    pub answered: u64,
    /// Requests lost by chance.
    pub requests_dropped: u64,
    /// Answers lost by chance.
    pub answers_dropped: u64,
    /// Requests that arrived a second time.
    pub duplicated: u64,
    /// Messages held back.
    pub reordered: u64,
    /// Messages that took their time.
    pub delayed: u64,
    /// Messages that met a cut link.
    pub cut: u64,
    /// Requests to a node that is not there, and answers of one that is gone.
    pub unreachable: u64,
}
