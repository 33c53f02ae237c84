//! What comes before the first request: who speaks which versions, and who the client is.

use std::sync::Arc;

use bytes::Bytes;
use ottla_broker_core::env::Env;
use ottla_broker_core::error::ErrorCode;
use ottla_broker_core::planted::is_planted;

use super::frames::{Frames, write_all};
use super::options::Options;
use super::sign_in::{Asking, Session, sign_in};
use super::stream::{BoxStream, lost};
use crate::api::{Api, correlation_id, decode_response};
use crate::messages::{ApiVersions, ApiVersionsRequest};
use crate::negotiate::ServerVersions;
use crate::request::encode_request;
use crate::version::Versions;

/// What the software is called, in the broker's metrics (KIP-511).
const SOFTWARE: &str = "ottla";

/// A stream on which both sides know what they speak.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) stream: BoxStream,
    pub(super) frames: Frames,
    pub(super) versions: ServerVersions,
    /// How long the log-in lasts; `None` for as long as the connection.
    pub(super) session: Option<Session>,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may work later, or elsewhere.
    Reason(Arc<str>),
    /// The broker does not let this client in.
    Denied(Arc<str>),
    /// There is no TLS with the broker.
    Insecure(Arc<str>),
    /// It ended without an answer to ApiVersions in a version that the broker may never have heard of.
    NoHello,
}

impl Failure {
    pub(super) fn new(reason: impl Into<Arc<str>>) -> Self {
        Self::Reason(reason.into())
    }

    pub(super) fn denied(reason: impl Into<Arc<str>>) -> Self {
        Self::Denied(reason.into())
    }

    pub(super) fn insecure(reason: impl Into<Arc<str>>) -> Self {
        Self::Insecure(reason.into())
    }
}

/// One request and its answer, on a connection that has nothing else in flight.
struct Exchange<'a> {
    stream: &'a mut BoxStream,
    frames: &'a mut Frames,
    options: &'a Options,
    correlation_id: i32,
}

impl Exchange<'_> {
    /// The answer's frame; `None` if the broker ended the connection instead.
    async fn frame<A: Api>(&mut self, version: i16, request: &A::Request) -> Result<Option<Bytes>, Failure> {
        let asked = self.correlation_id;
        self.correlation_id += 1;
        let encoded = encode_request::<A>(asked, Some(&self.options.client_id), version, request)
            .map_err(|error| Failure::new(format!("{} cannot be said: {error}", A::KEY)))?;
        let written = write_all(self.stream, encoded.into_chunks().collect()).await;
        written.map_err(|error| lost(A::KEY, &error))?;
        let frame = match self.frames.next(self.stream).await {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(None),
            Err(_) if self.frames.is_tls() => {
                return Err(Failure::insecure("it speaks TLS at this port, and this client was not told to"));
            }
            Err(error) => return Err(lost(A::KEY, &error)),
        };
        match correlation_id(&frame) {
            Ok(answered) if answered == asked => Ok(Some(frame)),
            _ => Err(Failure::new(format!("it does not speak the Kafka protocol: its answer to {} is none", A::KEY))),
        }
    }
}

impl Asking for Exchange<'_> {
    async fn ask<A: Api>(&mut self, version: i16, request: A::Request) -> Result<Option<A::Response>, Failure> {
        let Some(frame) = self.frame::<A>(version, &request).await? else { return Ok(None) };
        match decode_response::<A>(version, &frame) {
            Ok((_, response)) => Ok(Some(response)),
            Err(error) => Err(Failure::new(format!("its answer to {} cannot be read: {error}", A::KEY))),
        }
    }
}

/// Agrees on versions. With `oldest`, ApiVersions is asked in version 0: brokers from before KIP-511 answer
/// a newer version in the form of version 0 too, but some end the connection.
pub(super) async fn shake_hands(
    mut stream: BoxStream,
    options: &Options,
    oldest: bool,
    env: &Env,
) -> Result<Opened, Failure> {
    let mut frames = Frames::new(options.max_frame_bytes);
    let mut exchange = Exchange { stream: &mut stream, frames: &mut frames, options, correlation_id: 0 };
    let versions = ask_versions(&mut exchange, oldest).await?;
    let session = match &options.login {
        Some(login) => sign_in(&mut exchange, &versions, login, env).await?,
        None => None,
    };
    Ok(Opened { stream, frames, versions, session })
}

async fn ask_versions(exchange: &mut Exchange<'_>, oldest: bool) -> Result<ServerVersions, Failure> {
    let request = ApiVersionsRequest {
        client_software_name: Arc::from(SOFTWARE),
        client_software_version: Arc::from(env!("CARGO_PKG_VERSION")),
    };
    let ours = ApiVersions::SPEC.versions;
    let mut version = if oldest { ours.min } else { ours.max };
    loop {
        let Some(frame) = exchange.frame::<ApiVersions>(version, &request).await? else {
            return Err(if version > ours.min {
                Failure::NoHello
            } else {
                Failure::new("it ended the connection instead of saying what it speaks")
            });
        };
        // The answer to a version that the broker does not know has the form of version 0 (KIP-511). The error
        // comes first in every form.
        let unknown = frame.get(4..6) == Some(&ErrorCode::UnsupportedVersion.code().to_be_bytes()[..]);
        let form = if unknown { 0 } else { version };
        let response = match decode_response::<ApiVersions>(form, &frame) {
            Ok((_, response)) => response,
            // Some refuse in the form of the version that they do not know: they are asked in the oldest too.
            Err(_) if unknown && version > ours.min && !is_planted("strange-refusal-ends-it") => {
                version = ours.min;
                continue;
            }
            Err(error) => return Err(Failure::new(format!("its answer to ApiVersions cannot be read: {error}"))),
        };
        match response.error {
            None => return Ok(ServerVersions::new(&response)),
            Some(ErrorCode::UnsupportedVersion) if version > ours.min => {
                // Old brokers do not say which versions they have: all have the oldest.
                let theirs = response.versions_of(ApiVersions::KEY).unwrap_or(Versions::new(ours.min, ours.min));
                let newest = ours.common(theirs).map_or(ours.min, |common| common.max);
                // Each round asks for an older one, whatever the broker says.
                version = newest.min(version - 1);
            }
            Some(code) => return Err(Failure::new(format!("it does not say what it speaks: {code}"))),
        }
    }
}
