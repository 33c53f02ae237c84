//! One member of a consumer group: events in, commands out, no I/O and no clock.
//!
//! The shell around it calls [`Member::handle`] with each event and the time, carries out the commands in
//! order, and sends [`Event::Tick`] at [`Member::deadline`]. Requests carry a number; the answer to one that
//! no longer matters is ignored, so the shell may answer late or twice.
//!
//! ```text
//!           Found          Joined (leader)     Divided         Synced
//!  unjoined ─────► joining ───────────────► dividing ──► syncing ───► stable
//!     ▲               └───────(follower)────────────────────┘  │        │ rebalance, new subscription
//!     └──────────────── revoking ◄─────────────────────────────┴────────┘
//! ```
//!
//! # What holds
//! - A partition is this member's from [`Command::Assign`] until [`Event::Revoked`] or [`Command::Lost`].
//!   Eager members give up everything before they join; cooperative ones only what moved (KIP-429), and
//!   then rejoin, so that it is handed out.
//! - Whoever is thrown out, or learns it from an answer, loses all at once.
//! - A member that cannot hear its coordinator counts the session time-out by its own clock, from when it
//!   *sent* the last request that was answered, and gives up one heartbeat interval before the coordinator
//!   can have given its partitions away (unless [`Config::hold_through_silence`]). While a join or sync is out the
//!   coordinator keeps the member, and a broken connection must be reported within a heartbeat interval
//!   for this to hold; beyond it only the fencing of commits protects.

mod answers;
mod config;
mod machine;
mod messages;
mod timing;

pub use config::Config;
pub use machine::Member;
pub use messages::{Command, Event, Identity, RequestNumber, Trouble};

#[cfg(test)]
mod tests;
