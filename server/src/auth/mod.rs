//! Who a client is: SASL (KIP-43, KIP-152, KIP-368), with the credentials of the cluster's metadata.

mod credentials;
mod hash;
mod password;
mod plain;
mod scram;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_broker_core::api::ScramMechanism;
use ottla_broker_core::env::{BoxFuture, Moment};
use ottla_broker_core::error::ErrorCode;
use ottla_wire::messages::{SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse, Token};
use tokio::sync::Semaphore;

pub(crate) use hash::keys;
pub use password::set_password;
pub(crate) use session::LEAST_SESSION;

use crate::authorizer::Principal;
use credentials::Credentials;
use scram::Scram;
use session::Session;

/// A way to say who one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// The password itself. Only over TLS, or where nobody listens.
    Plain,
    /// SCRAM-SHA-256.
    ScramSha256,
    /// SCRAM-SHA-512.
    ScramSha512,
}

impl Mechanism {
    /// Its name in SASL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => ScramMechanism::Sha256.name(),
            Self::ScramSha512 => ScramMechanism::Sha512.name(),
        }
    }
}

/// Why a client is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{0}")]
    Malformed(&'static str),
    /// The same for an unknown user and a wrong password.
    #[error("the user is not known or the password is wrong")]
    Wrong,
    #[error("{0}")]
    State(&'static str),
    #[error("a client cannot become another one when it logs in again: it was `{0}`")]
    Principal(Arc<str>),
    #[error("the mechanism `{0}` is not offered")]
    Mechanism(String),
    #[error("there is no randomness to be had: {0}")]
    Randomness(getrandom::Error),
}

impl Refused {
    const fn code(&self) -> ErrorCode {
        match self {
            Self::State(_) => ErrorCode::IllegalSaslState,
            Self::Mechanism(_) => ErrorCode::UnsupportedSaslMechanism,
            Self::Malformed(_) | Self::Wrong | Self::Principal(_) | Self::Randomness(_) => {
                ErrorCode::SaslAuthenticationFailed
            }
        }
    }
}

/// Passwords that are hashed at the same time: all others wait, so that log-ins leave time for what logged-in clients ask.
const HASHED_AT_ONCE: usize = 2;

/// What a server asks of its clients.
#[derive(Debug)]
pub(crate) struct Authentication {
    mechanisms: Vec<Mechanism>,
    /// How long a log-in lasts.
    lifetime: Option<Duration>,
    credentials: Box<dyn Credentials>,
    /// What the log-ins of users that there are not are made of.
    secret: [u8; 32],
    hashing: Semaphore,
}

impl Authentication {
    /// # Errors
    /// If the system has no random bytes.
    pub(crate) fn new(
        mechanisms: Vec<Mechanism>,
        lifetime: Option<Duration>,
        broker: Arc<ottla_broker_core::broker::Broker>,
    ) -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self::of(mechanisms, lifetime, Box::new(broker), secret))
    }
}

impl Authentication {
    fn of(
        mechanisms: Vec<Mechanism>,
        lifetime: Option<Duration>,
        credentials: Box<dyn Credentials>,
        secret: [u8; 32],
    ) -> Self {
        Self { mechanisms, lifetime, credentials, secret, hashing: Semaphore::new(HASHED_AT_ONCE) }
    }

    /// Asks for a log-in by one mechanism, with one user: cheap to check, and the same every time.
    #[cfg(feature = "testing")]
    pub(crate) fn of_one_user(mechanism: Mechanism) -> Self {
        Self::of(vec![mechanism], None, Box::new(credentials::OneUser), [7; 32])
    }
}

enum State {
    /// Nothing was said yet.
    Start,
    /// A mechanism was agreed on.
    Chosen(Mechanism),
    /// A token is looked at.
    Checking,
    /// The first half of a SCRAM log-in is done.
    Half(Box<Scram>),
    /// It is known who the client is.
    Done,
}

/// What a token has come to.
pub(crate) enum Said {
    /// The first half of a SCRAM log-in.
    Half(Box<Scram>, String),
    /// Who the client is, and the answer.
    Whole(String, Mechanism, String),
}

/// A token that is looked at, and what comes of it in the end.
pub(crate) type Checking = BoxFuture<'static, Result<Said, Refused>>;

/// One client's log-in.
pub(crate) struct LogIn {
    authentication: Option<Arc<Authentication>>,
    state: State,
    /// The handshake was of version 0: tokens come in frames of their own, without any header.
    bare: bool,
    /// The last log-in, where log-ins do not last.
    session: Option<Session>,
    pub(crate) principal: Principal,
}

impl LogIn {
    /// Without an [`Authentication`] everybody is let in, as `principal`.
    pub(crate) fn new(authentication: Option<Arc<Authentication>>, principal: Principal) -> Self {
        let state = if authentication.is_some() { State::Start } else { State::Done };
        Self { authentication, state, bare: false, session: None, principal }
    }

    pub(crate) const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Whether it is the server that is to say something.
    pub(crate) const fn is_checking(&self) -> bool {
        matches!(self.state, State::Checking)
    }

    /// Whether nobody has logged in yet.
    pub(crate) const fn is_first(&self) -> bool {
        self.session.is_none()
    }

    /// Whether the next frame is a token and no request.
    pub(crate) const fn is_bare(&self) -> bool {
        self.bare && !self.is_done()
    }

    /// Agrees on a mechanism, or says why not: then the connection ends.
    pub(crate) fn handshake(
        &mut self,
        request: &SaslHandshakeRequest,
        version: i16,
        now: Moment,
    ) -> (SaslHandshakeResponse, Option<Refused>) {
        let offered = self.authentication.iter().flat_map(|authentication| &authentication.mechanisms);
        let mechanisms = offered.clone().map(|mechanism| Arc::from(mechanism.name())).collect();
        let chosen = offered.copied().find(|mechanism| mechanism.name() == &*request.mechanism);
        let may_log_in = match (&self.state, &self.session) {
            (State::Start, _) => Ok(()),
            (State::Done, Some(session)) => session.may_renew(chosen, version, now),
            _ => Err(Refused::State("a handshake comes once, and only where the server asks for it")),
        };
        let refused = match (may_log_in, chosen) {
            (Ok(()), Some(mechanism)) => {
                self.state = State::Chosen(mechanism);
                self.bare = version == 0;
                None
            }
            (Ok(()), None) => Some(Refused::Mechanism(request.mechanism.chars().take(64).collect())),
            (Err(refused), _) => Some(refused),
        };
        (SaslHandshakeResponse { error: refused.as_ref().map(Refused::code), mechanisms }, refused)
    }

    /// Takes a token. Until [`conclude`](Self::conclude) nothing else may be taken.
    pub(crate) fn token(&mut self, token: Bytes) -> Checking {
        let state = std::mem::replace(&mut self.state, State::Checking);
        let said = match (state, self.authentication.clone()) {
            (_, None) => Err(Refused::State("this server asks nobody who he is")),
            (State::Start | State::Checking, _) => Err(Refused::State("a handshake comes first")),
            (State::Done, _) => Err(Refused::State("it is known already who the client is")),
            (State::Chosen(Mechanism::Plain), Some(authentication)) => {
                return Box::pin(async move {
                    let Authentication { credentials, secret, hashing, .. } = &*authentication;
                    let user = plain::check(&token, &**credentials, secret, hashing).await?;
                    Ok(Said::Whole(user, Mechanism::Plain, String::new()))
                });
            }
            (State::Chosen(Mechanism::ScramSha256), Some(authentication)) => {
                begin(&authentication, ScramMechanism::Sha256, &token)
            }
            (State::Chosen(Mechanism::ScramSha512), Some(authentication)) => {
                begin(&authentication, ScramMechanism::Sha512, &token)
            }
            (State::Half(scram), _) => {
                let mechanism = match scram.mechanism() {
                    ScramMechanism::Sha256 => Mechanism::ScramSha256,
                    ScramMechanism::Sha512 => Mechanism::ScramSha512,
                };
                scram.finish(&token).map(|(user, answer)| Said::Whole(user, mechanism, answer))
            }
        };
        Box::pin(std::future::ready(said))
    }

    /// Goes on with what a token has come to: the answer.
    ///
    /// # Errors
    /// [`Refused`]: the connection ends.
    pub(crate) fn conclude(&mut self, said: Result<Said, Refused>, now: Moment) -> Result<Bytes, Refused> {
        match said? {
            Said::Half(scram, answer) => {
                self.state = State::Half(scram);
                Ok(Bytes::from(answer))
            }
            Said::Whole(user, mechanism, answer) => {
                if let Some(session) = &self.session {
                    session.check_user(&user)?;
                }
                let lifetime = self.authentication.as_ref().and_then(|authentication| authentication.lifetime);
                self.session = lifetime.map(|lifetime| Session::new(&user, mechanism, lifetime, now));
                self.state = State::Done;
                self.principal = Principal::user(&user);
                Ok(Bytes::from(answer))
            }
        }
    }

    /// [`conclude`](Self::conclude) as an answer to a request, and why the connection ends, if it does.
    pub(crate) fn answer(
        &mut self,
        said: Result<Said, Refused>,
        now: Moment,
    ) -> (SaslAuthenticateResponse, Option<Refused>) {
        match self.conclude(said, now) {
            Ok(token) => {
                // Only the last answer of a log-in says it.
                let session = self.session.as_ref().filter(|_| self.is_done());
                let session_lifetime_ms = session.map_or(0, |session| session.lifetime_ms());
                let token = Token(token);
                (SaslAuthenticateResponse { token, session_lifetime_ms, ..Default::default() }, None)
            }
            Err(refused) => {
                let response = SaslAuthenticateResponse {
                    error: Some(refused.code()),
                    error_message: Some(Arc::from(refused.to_string())),
                    ..SaslAuthenticateResponse::default()
                };
                (response, Some(refused))
            }
        }
    }

    /// Whether the log-in has not lasted until now.
    pub(crate) fn has_expired(&self, now: Moment) -> bool {
        self.session.as_ref().is_some_and(|session| session.has_expired(now))
    }
}

/// The first half of a SCRAM log-in.
fn begin(authentication: &Authentication, mechanism: ScramMechanism, token: &[u8]) -> Result<Said, Refused> {
    let mut nonce = [0; 24];
    getrandom::fill(&mut nonce).map_err(Refused::Randomness)?;
    let nonce = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, nonce);
    let (credentials, secret) = (&*authentication.credentials, &authentication.secret);
    let (scram, answer) = Scram::begin(mechanism, token, &nonce, credentials, secret)?;
    Ok(Said::Half(Box::new(scram), answer))
}
