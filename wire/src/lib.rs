//! The Kafka protocol as bytes, for Ottla: frames, versions and messages, in both directions and without
//! I/O. A server reads requests and writes responses with it, a client the other way round.
//!
//! | what | where |
//! |---|---|
//! | a stream's next frame, bounded before anything is allocated | [`next_frame`] |
//! | a frame to a request, and back | [`decode_request`], [`encode_request`] |
//! | a response to a frame, and back | [`Response::encode`], [`decode_response`] |
//! | what is spoken, in which versions | [`ApiKey`], [`Api`], [`Spec`] |
//! | which version to speak to a server | [`ServerVersions`] |
//! | the messages, one file per API, with the way to and from `ottla_broker_core::api` | [`messages`] |
//!
//! ```
//! use bytes::BytesMut;
//! use ottla_wire::messages::{ApiVersions, ApiVersionsRequest, ApiVersionsResponse};
//! use ottla_wire::{ApiKey, Progress, Request, Response};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A client asks …
//! let request = ApiVersionsRequest { client_software_name: "doc".into(), ..Default::default() };
//! let sent = ottla_wire::encode_request::<ApiVersions>(7, Some("me"), 3, &request)?;
//!
//! // … a server finds the frame in what has arrived …
//! let mut arrived = BytesMut::from(&sent.to_bytes()[..]);
//! let Progress::Frame(frame) = ottla_wire::next_frame(&mut arrived, 65_536)? else { unreachable!() };
//! let (header, asked) = ottla_wire::decode_request(&frame)?;
//! assert_eq!(asked, Request::from(request));
//!
//! // … and answers in the version of the request.
//! let answer = ApiVersionsResponse::serving(ApiKey::ALL.iter().copied());
//! let sent = Response::from(answer).encode(header.correlation_id, header.version)?;
//! assert!(sent.len() > 20);
//! # Ok(())
//! # }
//! ```
//!
//! | feature | what it brings |
//! |---|---|
//! | `net` | connections of a client |
//! | `tls` | connections over TLS, by `rustls` |
//! | `testing` | messages of any shape, and what a fuzzer calls |
//!
//! # Bytes from strangers
//!
//! Every length is checked against the bytes that remain, and memory is taken from a budget before it is
//! allocated: a decoded message takes a small multiple of its frame. Byte strings and record batches
//! share the frame's storage. A response's record batches are in its [`Encoded`] as they were given, uncopied,
//! for a vectored write.
//!
//! # Why the codec is our own
//!
//! The messages are declared here, a field once for both directions, rather than taken from a crate.
//! Of the two that there are, `kafka-protocol` 0.18 lacks versions that we serve and reserves what a count on the
//! wire says; `kafka-wire` 0.1 bounds its decoding, but copies record batches into the frame, and has
//! 97,000 generated lines for all APIs there are. It is what the tests compare every message with.
//!
//! # Errors
//!
//! A [`RequestError`] says what a server answers, if anything; else the connection is closed, with the error
//! in the log. A [`DecodeError`] on a client's side is a broker that is out of step: the connection is
//! closed. [`EncodeError`] is the caller's: the version that was negotiated cannot say what was to be said.

mod answers;
mod api;
mod codec;
mod frame;
pub mod messages;
mod negotiate;
#[cfg(feature = "net")]
pub mod net;
mod request;
mod shape;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod version;

pub use api::{Api, ApiKey, Request, Response, Spec, correlation_id, decode_response, encode_response};
pub use codec::{DecodeError, Decoder, EncodeError, Encoded, Encoder, Field, Nullable, Records, TopicRef};
pub use frame::{FrameError, LENGTH_PREFIX, Progress, next_frame};
pub use negotiate::{NoCommonVersion, ServerVersions};
pub use request::{RequestError, RequestHeader, decode_request, encode_request};
pub use version::Versions;
