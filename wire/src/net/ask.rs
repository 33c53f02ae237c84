//! What is asked, and what came of it.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::address::Address;
use super::error::Error;
use crate::api::{Api, ApiKey, decode_response};
use crate::codec::{DecodeError, Encoded};
use crate::negotiate::{NoCommonVersion, ServerVersions};
use crate::request::encode_request;

/// A request, ready for one broker: made when its versions are known.
#[derive(Debug)]
pub struct Ask<A: Api> {
    /// In which version.
    pub version: i16,
    /// What.
    pub request: A::Request,
    /// Whether the broker answers. It does, but for a Produce that wants no acknowledgement.
    pub answered: bool,
}

/// What came of a request.
#[derive(Debug)]
pub struct Answer<A: Api> {
    /// In which version it was asked.
    pub version: i16,
    /// What was asked: answers are taken apart in its order.
    pub request: A::Request,
    /// What the broker said; `None` to a request that it does not answer, once that is on its way.
    pub response: Option<A::Response>,
}

/// What a request may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long it may take, from now to the answer.
    pub time: Duration,
    /// About how many bytes it has, for [`Link::ready`](super::Link::ready).
    pub bytes: usize,
    /// Whether it is sent even if nobody waits for the answer any more.
    pub kept: bool,
}

impl Limits {
    /// A small request that is left out if nobody waits for it any more.
    #[must_use]
    pub const fn within(time: Duration) -> Self {
        Self { time, bytes: 0, kept: false }
    }
}

/// What a connection does with a request, whatever it asks.
pub(super) trait Job: Send {
    fn api(&self) -> ApiKey;

    fn limits(&self) -> Limits;

    /// Whether nobody waits for the answer any more.
    fn is_dropped(&self) -> bool;

    /// The frame, and whether it is answered. Called once.
    fn encode(
        &mut self,
        address: &Address,
        correlation_id: i32,
        client_id: &str,
        versions: &ServerVersions,
    ) -> Result<(Encoded, bool), Error>;

    /// Takes the answer's frame, or that there is none to be expected. An error ends the connection.
    fn answered(self: Box<Self>, address: &Address, frame: Option<Bytes>) -> Result<(), DecodeError>;

    fn failed(self: Box<Self>, error: Error);
}

type Prepare<A> = Box<dyn FnOnce(&ServerVersions) -> Result<Ask<A>, NoCommonVersion> + Send>;

enum Stage<A: Api> {
    Waiting(Prepare<A>),
    Sent { version: i16, request: A::Request },
    Gone,
}

/// A request of one API with the one who waits for the answer.
pub(super) struct Typed<A: Api> {
    stage: Stage<A>,
    limits: Limits,
    reply: oneshot::Sender<Result<Answer<A>, Error>>,
}

impl<A: Api> Typed<A> {
    pub(super) fn new(
        limits: Limits,
        prepare: impl FnOnce(&ServerVersions) -> Result<Ask<A>, NoCommonVersion> + Send + 'static,
    ) -> (Self, oneshot::Receiver<Result<Answer<A>, Error>>) {
        let (reply, answer) = oneshot::channel();
        (Self { stage: Stage::Waiting(Box::new(prepare)), limits, reply }, answer)
    }

    fn reply(self, result: Result<Answer<A>, Error>) {
        // Whoever dropped the receiver has given up the answer.
        drop(self.reply.send(result));
    }
}

impl<A: Api> Job for Typed<A> {
    fn api(&self) -> ApiKey {
        A::KEY
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn is_dropped(&self) -> bool {
        self.reply.is_closed() && !self.limits.kept
    }

    fn encode(
        &mut self,
        address: &Address,
        correlation_id: i32,
        client_id: &str,
        versions: &ServerVersions,
    ) -> Result<(Encoded, bool), Error> {
        let Stage::Waiting(prepare) = std::mem::replace(&mut self.stage, Stage::Gone) else {
            return Err(Error::Closed { address: address.clone(), api: A::KEY });
        };
        let Ask { version, request, answered } =
            prepare(versions).map_err(|source| Error::NoCommonVersion { address: address.clone(), source })?;
        let encoded = encode_request::<A>(correlation_id, Some(client_id), version, &request)
            .map_err(|source| Error::Unsayable { address: address.clone(), api: A::KEY, source })?;
        self.stage = Stage::Sent { version, request };
        Ok((encoded, answered))
    }

    fn answered(mut self: Box<Self>, address: &Address, frame: Option<Bytes>) -> Result<(), DecodeError> {
        let Stage::Sent { version, request } = std::mem::replace(&mut self.stage, Stage::Gone) else {
            return Ok(());
        };
        let response = match frame.map(|frame| decode_response::<A>(version, &frame)).transpose() {
            Ok(decoded) => decoded.map(|(_, response)| response),
            Err(source) => {
                let error = Error::Malformed { address: address.clone(), api: A::KEY, source: source.clone() };
                self.reply(Err(error));
                return Err(source);
            }
        };
        self.reply(Ok(Answer { version, request, response }));
        Ok(())
    }

    fn failed(self: Box<Self>, error: Error) {
        self.reply(Err(error));
    }
}
