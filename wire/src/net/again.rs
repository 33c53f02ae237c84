//! A log-in that is renewed over a living connection (KIP-368): what is in flight stays so, and what waits is sent
//! afterwards.

use tokio::io::WriteHalf;

use super::ask::{Ask, Limits, Typed};
use super::backlog::Backlog;
use super::frames::write_all;
use super::handshake::Failure;
use super::options::Options;
use super::sign_in::{Asking, Session, sign_in};
use super::stream::BoxStream;
use crate::api::Api;
use crate::negotiate::ServerVersions;

/// Asks ahead of what waits. The answers come to whoever reads the connection meanwhile.
struct Ahead<'a> {
    backlog: &'a Backlog,
    options: &'a Options,
    stream: &'a mut WriteHalf<BoxStream>,
    versions: &'a ServerVersions,
}

impl Asking for Ahead<'_> {
    async fn ask<A: Api>(&mut self, version: i16, request: A::Request) -> Result<Option<A::Response>, Failure> {
        let limits = Limits::within(self.options.connect_timeout);
        let (job, answer) = Typed::<A>::new(limits, move |_| Ok(Ask { version, request, answered: true }));
        let failed = |error: super::error::Error| Failure::new(error.to_string());
        let chunks = self.backlog.take_ahead(Box::new(job), &self.options.client_id, self.versions).map_err(failed)?;
        write_all(self.stream, chunks).await.map_err(|error| Failure::new(error.to_string()))?;
        match answer.await {
            Ok(answer) => answer.map(|answer| answer.response).map_err(failed),
            Err(_) => Ok(None),
        }
    }
}

/// Says anew who the client is. While this waits, the connection must be read.
///
/// # Errors
/// Why the connection cannot go on.
pub(super) async fn renew(
    backlog: &Backlog,
    options: &Options,
    stream: &mut WriteHalf<BoxStream>,
    versions: &ServerVersions,
) -> Result<Option<Session>, String> {
    let Some(login) = &options.login else { return Ok(None) };
    let mut ahead = Ahead { backlog, options, stream, versions };
    // Seldom, and larger than all else that a connection does.
    match Box::pin(sign_in(&mut ahead, versions, login, &backlog.env)).await {
        Ok(session) => Ok(session),
        Err(Failure::Denied(reason)) => Err(format!("it does not let this client in any more: {reason}")),
        Err(Failure::Reason(reason) | Failure::Insecure(reason)) => Err(reason.to_string()),
        Err(Failure::NoHello) => Err("the broker ended it".to_owned()),
    }
}
