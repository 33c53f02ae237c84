//! What comes before the first request: who speaks which versions.

use std::sync::Arc;

use bytes::Bytes;
use ottla_broker_core::env::Env;
use ottla_broker_core::error::ErrorCode;
use ottla_broker_core::planted::is_planted;

use super::frames::{Frames, write_all};
use super::login::{Login, Mechanism, Scram};
use super::options::Options;
use super::stream::BoxStream;
use crate::api::{Api, correlation_id, decode_response};
use crate::messages::{
    ApiVersions, ApiVersionsRequest, SaslAuthenticate, SaslAuthenticateRequest, SaslHandshake, SaslHandshakeRequest,
    Token,
};
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
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may work later, or elsewhere.
    Reason(Arc<str>),
    /// The broker does not let this client in.
    Denied(Arc<str>),
    /// It ended without an answer to ApiVersions in a version that the broker may never have heard of.
    NoHello,
}

impl Failure {
    pub(super) fn new(reason: impl Into<Arc<str>>) -> Self {
        Self::Reason(reason.into())
    }
}

/// One request and its answer, on a connection that has nothing else in flight.
pub(super) struct Exchange<'a> {
    pub(super) stream: &'a mut BoxStream,
    pub(super) frames: &'a mut Frames,
    pub(super) options: &'a Options,
    pub(super) correlation_id: i32,
}

impl Exchange<'_> {
    /// The answer's frame; `None` if the broker ended the connection instead.
    pub(super) async fn ask<A: Api>(&mut self, version: i16, request: &A::Request) -> Result<Option<Bytes>, Failure> {
        let asked = self.correlation_id;
        self.correlation_id += 1;
        let encoded = encode_request::<A>(asked, Some(&self.options.client_id), version, request)
            .map_err(|error| Failure::new(format!("{} cannot be said: {error}", A::KEY)))?;
        let failed = |error| Failure::new(format!("the connection was lost at {}: {error}", A::KEY));
        write_all(self.stream, encoded.into_chunks().collect()).await.map_err(failed)?;
        let Some(frame) = self.frames.next(self.stream).await.map_err(failed)? else { return Ok(None) };
        match correlation_id(&frame) {
            Ok(answered) if answered == asked => Ok(Some(frame)),
            _ => Err(Failure::new(format!("it does not speak the Kafka protocol: its answer to {} is none", A::KEY))),
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
    if let Some(login) = &options.login {
        log_in(&mut exchange, &versions, login, env).await?;
    }
    Ok(Opened { stream, frames, versions })
}

async fn ask_versions(exchange: &mut Exchange<'_>, oldest: bool) -> Result<ServerVersions, Failure> {
    let request = ApiVersionsRequest {
        client_software_name: Arc::from(SOFTWARE),
        client_software_version: Arc::from(env!("CARGO_PKG_VERSION")),
    };
    let ours = ApiVersions::SPEC.versions;
    let mut version = if oldest { ours.min } else { ours.max };
    loop {
        let Some(frame) = exchange.ask::<ApiVersions>(version, &request).await? else {
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

/// Says who the client is. Tokens are framed as SaslAuthenticate (KIP-152), which brokers have since 1.0.
async fn log_in(
    exchange: &mut Exchange<'_>,
    versions: &ServerVersions,
    login: &Login,
    env: &Env,
) -> Result<(), Failure> {
    let denied = |reason: String| Failure::Denied(Arc::from(reason));
    let name = login.mechanism.name();
    let without = |error| denied(format!("it takes no log-in: {error}"));
    let version = versions.newest_of::<SaslHandshake>(Versions::new(1, 1)).map_err(without)?;
    let request = SaslHandshakeRequest { mechanism: Arc::from(name) };
    let frame = exchange.ask::<SaslHandshake>(version, &request).await?;
    let frame = frame.ok_or_else(|| denied(format!("it ended the connection when {name} was proposed")))?;
    let unreadable = |error| Failure::new(format!("its answer to a log-in cannot be read: {error}"));
    let (_, answer) = decode_response::<SaslHandshake>(version, &frame).map_err(unreadable)?;
    if let Some(code) = answer.error {
        let all = answer.mechanisms.join(", ");
        return Err(denied(format!("{name} was proposed: {code}; it takes {all}")));
    }
    let version = versions.newest::<SaslAuthenticate>().map_err(without)?;
    let mechanism = match login.mechanism {
        Mechanism::Plain => return say(exchange, version, login.plain()).await.map(drop),
        Mechanism::Scram(mechanism) => mechanism,
    };
    let nonce = format!("{}{}", env.uuid().simple(), env.uuid().simple());
    let scram = Scram::new(login, mechanism, &nonce);
    let said = say(exchange, version, scram.first().into_bytes()).await?;
    let (second, expected) = scram.second(&said).map_err(|reason| denied(reason.to_owned()))?;
    let said = say(exchange, version, second.into_bytes()).await?;
    if !expected.is(&said) {
        return Err(denied(
            "it does not know the password itself: it is not the broker that it claims to be".to_owned(),
        ));
    }
    Ok(())
}

/// Says a token, and hears the broker's.
async fn say(exchange: &mut Exchange<'_>, version: i16, token: Vec<u8>) -> Result<Bytes, Failure> {
    let request = SaslAuthenticateRequest { token: Token(Bytes::from(token)) };
    let frame = exchange.ask::<SaslAuthenticate>(version, &request).await?;
    let frame = frame.ok_or_else(|| Failure::Denied(Arc::from("it ended the connection instead of an answer")))?;
    let (_, answer) = decode_response::<SaslAuthenticate>(version, &frame)
        .map_err(|error| Failure::new(format!("its answer to a log-in cannot be read: {error}")))?;
    match answer.error {
        None => Ok(answer.token.0),
        Some(code) => {
            let words = answer.error_message.as_deref().unwrap_or(code.text());
            Err(Failure::Denied(Arc::from(format!("{words} [{}]", code.name()))))
        }
    }
}
