//! What a partition knows of idempotent producers (KIP-98): which batches it has seen, so that one sent
//! again is answered and not written again.
//!
//! All of it is pure and derived from batch headers: a cache of the log, never ahead of it.

mod budget;
mod codec;
mod state;
mod table;

#[cfg(test)]
mod tests;

pub use budget::Budget;
pub use codec::Damaged;
pub use state::{Decision, KEPT_BATCHES, Kept, Producer, Sequenced};
pub use table::Producers;

pub(crate) use budget::Share;
pub(crate) use codec::{decode, encode};
