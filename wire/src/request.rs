//! Requests as frames.

use std::sync::Arc;

use bytes::Bytes;
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::Reader;

use crate::api::{Api, ApiKey, Request, encode_response};
use crate::codec::{DecodeError, Decoder, EncodeError, Encoded, Encoder, Field, Tags};
use crate::messages::{ApiVersions, ApiVersionsResponse};
use crate::version::Versions;

/// What stands before every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// What is asked.
    pub key: ApiKey,
    /// In which version; the response has the same.
    pub version: i16,
    /// The client's number of the request; the response has the same.
    pub correlation_id: i32,
    /// The client's own name of itself.
    pub client_id: Option<Arc<str>>,
}

/// Why a frame is no request that is served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The frame ends before it says what it is.
    #[error("a frame of {0} bytes is too short for a request's header")]
    NoHeader(usize),
    /// An API that is not served and was not advertised.
    #[error("there is no API of number {key} here (version {version} was asked for)")]
    UnknownApi {
        /// Kafka's number of it.
        key: i16,
        /// The version.
        version: i16,
    },
    /// An API in a version that is not served.
    #[error("{key} is served in versions {served}, and version {version} was asked for")]
    UnsupportedVersion {
        /// Which API.
        key: ApiKey,
        /// The version.
        version: i16,
        /// What is served.
        served: Versions,
        /// The client's number of the request.
        correlation_id: i32,
    },
    /// The bytes are no such request.
    #[error("the bytes are no {key} request of version {version}: {source}")]
    Malformed {
        /// Which API.
        key: ApiKey,
        /// The version.
        version: i16,
        /// What is wrong.
        source: DecodeError,
    },
}

impl RequestError {
    /// What is answered, if anything: an ApiVersions request of an unknown version gets `UNSUPPORTED_VERSION`
    /// in the form of version 0, and tries again on the same connection (KIP-511). `None` ends the
    /// connection, as Kafka does, and `self` says in the log why.
    #[must_use]
    pub fn answer(&self) -> Option<Encoded> {
        match self {
            Self::UnsupportedVersion { key: ApiKey::ApiVersions, correlation_id, .. }
                if !is_planted("silent-about-versions") =>
            {
                encode_response::<ApiVersions>(*correlation_id, 0, &ApiVersionsResponse::unsupported_version()).ok()
            }
            _ => None,
        }
    }
}

/// Reads a frame, without its length, as a request. Bytes after its last field are passed over, as Kafka does:
/// librdkafka's Metadata requests for all topics have some from version 9 on. Batches share the frame's storage where they
/// are much of it.
///
/// # Errors
/// [`RequestError`]; [`RequestError::answer`] says what to do.
pub fn decode_request(frame: &Bytes) -> Result<(RequestHeader, Request), RequestError> {
    let mut start = Reader::new(frame);
    let mut next = || -> Result<_, ottla_broker_core::record::Truncated> {
        Ok((start.try_i16()?, start.try_i16()?, start.try_i32()?))
    };
    let (key, version, correlation_id) = next().map_err(|_| RequestError::NoHeader(frame.len()))?;
    let key = ApiKey::from_code(key).ok_or(RequestError::UnknownApi { key, version })?;
    let spec = key.spec();
    if !spec.versions.contains(version) {
        return Err(RequestError::UnsupportedVersion { key, version, served: spec.versions, correlation_id });
    }
    let read = || {
        // The client's name is in the classic form in every version of the header.
        let mut decoder = Decoder::new(frame, version, false);
        i64::read(&mut decoder, true)?;
        let client_id = Field::read(&mut decoder, true)?;
        decoder.set_flexible(spec.is_flexible(version));
        decoder.tags(|_, _| Ok(false))?;
        let mut request = Request::read(key, &mut decoder)?;
        if let Request::Produce(produce) = &mut request {
            produce.let_go_of(frame.len());
        }
        if is_planted("requests-end-exactly") {
            decoder.finish()?;
        }
        Ok((RequestHeader { key, version, correlation_id, client_id }, request))
    };
    read().map_err(|source| RequestError::Malformed { key, version, source })
}

/// The frame of a request.
///
/// # Errors
/// [`EncodeError`] if the version cannot say it, or something is too long for its field.
pub fn encode_request<A: Api>(
    correlation_id: i32,
    client_id: Option<&str>,
    version: i16,
    request: &A::Request,
) -> Result<Encoded, EncodeError> {
    let mut encoder = Encoder::new(version, false);
    A::KEY.code().write(&mut encoder, true);
    version.write(&mut encoder, true);
    correlation_id.write(&mut encoder, true);
    encoder.text(client_id);
    encoder.set_flexible(A::SPEC.is_flexible(version));
    encoder.tags(Tags::default());
    request.write(&mut encoder, true);
    encoder.finish()
}
