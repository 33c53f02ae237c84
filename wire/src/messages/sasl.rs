//! SaslHandshake (17), versions 0 and 1, and SaslAuthenticate (36), versions 0 to 2: who the client is.
//!
//! Source: `SaslHandshakeRequest.json`, `SaslAuthenticateRequest.json` and their responses; KIP-43, KIP-152
//! (v1 of the handshake: what follows is framed as SaslAuthenticate), KIP-368 (the session's lifetime).
//!
//! Deviations: none here. After a handshake of version 0 the client sends bare tokens in frames without any
//! header: the server reads those frames itself.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use ottla_broker_core::error::ErrorCode;

use crate::api::{Api, ApiKey, Spec};
use crate::codec::{DecodeError, Decoder, Encoder, Field, message};

/// The API SaslHandshake.
#[derive(Debug)]
pub enum SaslHandshake {}

impl Api for SaslHandshake {
    const KEY: ApiKey = ApiKey::SaslHandshake;
    const SPEC: Spec = Spec::new(0, 1, i16::MAX);
    type Request = SaslHandshakeRequest;
    type Response = SaslHandshakeResponse;
}

/// The API SaslAuthenticate.
#[derive(Debug)]
pub enum SaslAuthenticate {}

impl Api for SaslAuthenticate {
    const KEY: ApiKey = ApiKey::SaslAuthenticate;
    const SPEC: Spec = Spec::new(0, 2, 2);
    type Request = SaslAuthenticateRequest;
    type Response = SaslAuthenticateResponse;
}

message! {
    /// Proposes a mechanism.
    pub struct SaslHandshakeRequest {
        /// Its name: `PLAIN`, `SCRAM-SHA-256`, …
        mechanism: Arc<str>, 0..;
    }

    /// Takes it or not.
    pub struct SaslHandshakeResponse {
        /// `UNSUPPORTED_SASL_MECHANISM`, or nothing.
        error: Option<ErrorCode>, 0..;
        /// What the server takes.
        mechanisms: Vec<Arc<str>>, 0..;
    }

    /// Brings the mechanism's next token.
    pub struct SaslAuthenticateRequest {
        /// The token.
        token: Token, 0..;
    }

    /// Brings the server's token.
    pub struct SaslAuthenticateResponse {
        /// Why the client is not let in.
        error: Option<ErrorCode>, 0..;
        /// The error in words.
        error_message: Option<Arc<str>>, 0..;
        /// The token.
        token: Token, 0..;
        /// In how many ms the client must authenticate again; 0 for never.
        session_lifetime_ms: i64, 1..;
    }
}

/// A token of a SASL mechanism. It may hold a password: no log ever shows it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Token(pub Bytes);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a token of {} bytes", self.0.len())
    }
}

impl Field for Token {
    fn read(decoder: &mut Decoder<'_>, form: bool) -> Result<Self, DecodeError> {
        Bytes::read(decoder, form).map(Self)
    }

    fn write(&self, encoder: &mut Encoder, form: bool) {
        self.0.write(encoder, form);
    }
}

#[cfg(any(test, feature = "testing"))]
impl crate::testing::Sample for Token {
    fn sample(sampler: &mut crate::testing::Sampler, version: i16, form: bool) -> Self {
        Self(crate::testing::Sample::sample(sampler, version, form))
    }
}
