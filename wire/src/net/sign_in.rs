//! Who the client is, said to a broker: for the first time, or again over a living connection (KIP-368).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_broker_core::env::{Env, Moment};
use ottla_broker_core::planted::is_planted;

use super::handshake::Failure;
use super::login::{Login, Mechanism, Scram};
use crate::api::Api;
use crate::messages::{
    SaslAuthenticate, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshake, SaslHandshakeRequest, Token,
};
use crate::negotiate::ServerVersions;
use crate::version::Versions;

/// A way to ask a broker one thing after the other.
pub(super) trait Asking {
    /// The answer; `None` if the broker ended the connection instead.
    fn ask<A: Api>(
        &mut self,
        version: i16,
        request: A::Request,
    ) -> impl Future<Output = Result<Option<A::Response>, Failure>> + Send;
}

/// A log-in that does not last as long as its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// When to log in again. Earlier than the broker wants it: what is sent before it is still on its way then.
    renew_at: Moment,
}

impl Session {
    /// Renewed after 85 to 95 of 100 parts of its life, by chance, so that many clients do not come at once: as Kafka's own
    /// clients do. The life is counted from before the broker could begin to.
    fn new(began: Moment, lifetime_ms: i64, env: &Env) -> Option<Self> {
        let lifetime_ms = u64::try_from(lifetime_ms).ok().filter(|ms| *ms > 0)?;
        if is_planted("log-in-not-renewed") {
            return None;
        }
        let parts = 850 + env.random_below(101);
        let life = Duration::from_millis(lifetime_ms / 1_000 * parts + lifetime_ms % 1_000 * parts / 1_000);
        Some(Self { renew_at: began + life })
    }

    pub(super) fn is_over(&self, env: &Env) -> bool {
        env.now() >= self.renew_at
    }
}

/// Says who the client is, and hears for how long. Tokens are framed as SaslAuthenticate (KIP-152), which brokers have since
/// 1.0.
pub(super) async fn sign_in(
    asking: &mut (impl Asking + Send),
    versions: &ServerVersions,
    login: &Login,
    env: &Env,
) -> Result<Option<Session>, Failure> {
    let name = login.mechanism.name();
    let without = |error| Failure::denied(format!("it takes no log-in: {error}"));
    let version = versions.newest_of::<SaslHandshake>(Versions::new(1, 1)).map_err(without)?;
    let request = SaslHandshakeRequest { mechanism: Arc::from(name) };
    let answer = asking.ask::<SaslHandshake>(version, request).await?;
    let answer = answer.ok_or_else(|| Failure::denied(format!("it ended the connection when {name} was proposed")))?;
    if let Some(code) = answer.error {
        let all = answer.mechanisms.join(", ");
        return Err(Failure::denied(format!("{name} was proposed: {code}; it takes {all}")));
    }
    let version = versions.newest::<SaslAuthenticate>().map_err(without)?;
    let mechanism = match login.mechanism {
        Mechanism::Plain => {
            let began = env.now();
            let said = say(asking, version, login.plain()).await?;
            return Ok(Session::new(began, said.session_lifetime_ms, env));
        }
        Mechanism::Scram(mechanism) => mechanism,
    };
    let nonce = format!("{}{}", env.uuid().simple(), env.uuid().simple());
    let scram = Scram::new(login, mechanism, &nonce);
    let said = say(asking, version, scram.first().into_bytes()).await?;
    let (second, expected) = scram.second(&said.token.0).map_err(Failure::denied)?;
    let began = env.now();
    let said = say(asking, version, second.into_bytes()).await?;
    if !expected.is(&said.token.0) {
        return Err(Failure::denied("it does not know the password itself: it is not the broker that it claims to be"));
    }
    Ok(Session::new(began, said.session_lifetime_ms, env))
}

/// Says a token, and hears the broker's.
async fn say(
    asking: &mut (impl Asking + Send),
    version: i16,
    token: Vec<u8>,
) -> Result<SaslAuthenticateResponse, Failure> {
    let request = SaslAuthenticateRequest { token: Token(Bytes::from(token)) };
    let answer = asking.ask::<SaslAuthenticate>(version, request).await?;
    let answer = answer.ok_or_else(|| Failure::denied("it ended the connection instead of an answer"))?;
    match answer.error {
        None => Ok(answer),
        Some(code) => {
            let words = answer.error_message.as_deref().unwrap_or(code.text());
            Err(Failure::denied(format!("{words} [{}]", code.name())))
        }
    }
}
