//! Connections of a client to brokers, with the feature `net`.
//!
//! | what | where |
//! |---|---|
//! | where a broker listens | [`Address`] |
//! | how brokers are reached | [`Options`] |
//! | one connection that comes back when it was lost | [`Link`] |
//! | all connections to one broker | [`Peer`] |
//! | what is asked, and what came of it | [`Ask`], [`Answer`], [`Error`] |
//! | encryption, with the feature `tls` | `Tls`, `Certificates` |
//!
//! A [`Link`] takes requests in the order of the calls and has many in flight: a broker answers in order. What
//! waits long goes over connections of its own ([`Peer::poll`]): brokers look at the next request of a
//! connection only when they have answered the last one, so that a join which waits for another member of
//! this process, behind it on the same connection, would wait for ever.
//!
//! A connection begins with ApiVersions, and with a log-in where brokers ask for one; when that does not last, it is
//! renewed over the same connection before the next request (KIP-368). Each API is spoken in the newest version that
//! both sides know.
//! When a connection is lost, each request says whether it may have been carried out
//! ([`Error::may_have_happened`]). Nothing is sent twice: that is for whoever asked.

mod address;
mod again;
mod ask;
mod backlog;
mod error;
mod frames;
mod handshake;
mod link;
mod login;
mod options;
mod peer;
mod running;
#[cfg(any(test, feature = "testing"))]
pub mod scripted;
mod sign_in;
mod stream;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;

pub use address::{Address, InvalidAddress};
pub use ask::{Answer, Ask, Limits};
pub use error::Error;
pub use link::Link;
#[cfg(feature = "testing")]
pub use login::answers_scram;
pub use login::{Login, Mechanism};
pub use options::Options;
pub use peer::Peer;
#[cfg(feature = "tls")]
pub use tls::{Certificates, Identity, Tls, TlsError};
