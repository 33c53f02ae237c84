//! One connection: a task that reads, asks the broker and writes, all at once.
//!
//! ```text
//!  bytes ─► Reader ─► Incoming ─► its turn ─► dispatch ─► Pending (in order) ─► Outgoing ─► bytes
//!             │                                  │             │
//!             └ share of the budget              └ broker      └ polled together, taken in order
//! ```
//!
//! Requests are begun as they come and answered in their order. Two kinds wait for others of their connection:
//! see [`Turn`]. All waiting is in one `select!`, so that whatever is waited for (a long poll, the budget, the
//! other side) keeps nothing else from going on, and dropping the task drops all of it: what was appended
//! stays appended, and everything else only reads or gives up its answer.

mod ended;
mod outgoing;
mod reader;
#[cfg(test)]
mod tests;
mod timing;

use std::net::SocketAddr;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesOrdered;
use ottla_broker_core::env::BoxFuture;
use ottla_wire::{Encoded, Request, RequestHeader, decode_request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;

pub(crate) use ended::Ended;

use crate::authorizer::Principal;
use crate::dispatch::{Asked, Outcome, Turn, dispatch, turn_of};
use crate::shared::{Phase, Shared};
use outgoing::Outgoing;
use reader::{Frame, Read, Reader};
use timing::Timing;

/// Bytes that may wait to be written before another answer is taken.
const HIGH_WATER: usize = 1 << 20;

/// What became of a request.
struct Answered {
    turn: Turn,
    outcome: Result<Option<Encoded>, Ended>,
}

/// A request that is yet to be begun.
struct Incoming {
    header: RequestHeader,
    request: Request,
    turn: Turn,
    share: OwnedSemaphorePermit,
    /// The broker was asked for room, and has none yet.
    room: Option<BoxFuture<'static, ()>>,
}

struct Connection {
    shared: Arc<Shared>,
    peer: SocketAddr,
    principal: Principal,
    reader: Reader,
    outgoing: Outgoing,
    pending: FuturesOrdered<BoxFuture<'static, Answered>>,
    incoming: Option<Incoming>,
    /// Requests among the pending that others wait for.
    fetches: usize,
    alone: bool,
}

/// Serves one connection until it ends, and says why it did.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    peer: SocketAddr,
    from: impl AsyncRead + Unpin + Send,
    to: impl AsyncWrite + Unpin + Send,
) -> Ended {
    let reader = Reader::new(shared.limits.frame_bytes, Arc::clone(&shared.budget));
    let connection = Connection {
        shared,
        peer,
        principal: Principal::anonymous(),
        reader,
        outgoing: Outgoing::default(),
        pending: FuturesOrdered::new(),
        incoming: None,
        fetches: 0,
        alone: false,
    };
    match connection.run(from, to).await {
        Ok(never) => match never {},
        Err(ended) => ended,
    }
}

impl Connection {
    async fn run(
        mut self,
        mut from: impl AsyncRead + Unpin + Send,
        mut to: impl AsyncWrite + Unpin + Send,
    ) -> Result<std::convert::Infallible, Ended> {
        let mut phase = self.shared.phase.subscribe();
        let mut timing = Timing::new(self.shared.env.clone());
        loop {
            let now_in = *phase.borrow_and_update();
            let draining = match now_in {
                Phase::Serving => false,
                Phase::Draining => true,
                Phase::Cut => return Err(Ended::Cut),
            };
            if draining {
                // What has not begun is not begun any more: its client tries again elsewhere.
                self.incoming = None;
                if self.pending.is_empty() && self.outgoing.is_empty() {
                    return Err(Ended::Shutdown);
                }
            } else if self.is_its_turn() {
                self.begin();
                continue;
            }
            timing.look(self.states());
            let may_read =
                !draining && self.incoming.is_none() && self.pending.len() < self.shared.limits.requests_per_connection;
            let room = self.incoming.as_mut().and_then(|incoming| incoming.room.as_mut());
            let is_waiting_for_room = room.is_some();
            tokio::select! {
                biased;
                // The sender lives as long as the server; without one there is nobody to serve for.
                changed = phase.changed() => if changed.is_err() { return Err(Ended::Cut) },
                written = self.outgoing.write(&mut to), if !self.outgoing.is_empty() => {
                    self.shared.meters.sent.increment(u64::try_from(written?).unwrap_or(0));
                    timing.has_written();
                }
                Some(answered) = self.pending.next(), if !self.pending.is_empty() && self.outgoing.len() < HIGH_WATER => {
                    self.take(answered)?;
                    timing.is_active();
                }
                () = async { if let Some(room) = room { room.await } }, if is_waiting_for_room => {
                    if let Some(incoming) = &mut self.incoming {
                        incoming.room = None;
                    }
                }
                read = self.reader.read(&mut from, may_read), if may_read || self.reader.has_room() => {
                    match read? {
                        Read::Frame(frame) => {
                            self.receive(frame)?;
                            timing.has_received();
                        }
                        Read::Ahead => {}
                        // Whoever closes takes no answers.
                        Read::End => return Err(Ended::Goodbye),
                    }
                }
                ended = timing.passed() => if let Some(ended) = ended { return Err(ended) },
            }
            if self.reader.has_ended() && self.is_stuck() {
                return Err(Ended::Goodbye);
            }
        }
    }

    /// Whether a request waits for answers that nobody takes any more. One that waits for the broker's room is not
    /// stuck: its client may have asked for no answer at all.
    fn is_stuck(&self) -> bool {
        self.incoming.as_ref().is_some_and(|incoming| incoming.room.is_none() && !self.may_begin(incoming.turn))
            || self.pending.len() >= self.shared.limits.requests_per_connection
    }

    /// Makes a request of a frame.
    fn receive(&mut self, frame: Frame) -> Result<(), Ended> {
        let Frame { bytes, share } = frame;
        self.shared.meters.received.increment(u64::try_from(bytes.len()).unwrap_or(0));
        match decode_request(&bytes) {
            Ok((header, request)) => {
                if !crate::dispatch::is_served(header.key) {
                    return Err(Ended::NotServed(header.key));
                }
                let turn = turn_of(header.key);
                let room = match turn {
                    Turn::Append => Some(self.shared.room(bytes.len())),
                    Turn::Any | Turn::Read | Turn::Alone => None,
                };
                self.incoming = Some(Incoming { header, request, turn, share, room });
                Ok(())
            }
            Err(error) => match error.answer() {
                Some(answer) => {
                    tracing::debug!(peer = %self.peer, %error, "a request is answered with an error");
                    let answered = Answered { turn: Turn::Any, outcome: Ok(Some(answer)) };
                    self.pending.push_back(Box::pin(std::future::ready(answered)));
                    Ok(())
                }
                None => Err(error.into()),
            },
        }
    }

    fn is_its_turn(&self) -> bool {
        let Some(incoming) = &self.incoming else { return false };
        incoming.room.is_none() && self.may_begin(incoming.turn)
    }

    fn may_begin(&self, turn: Turn) -> bool {
        if self.alone {
            return false;
        }
        match turn {
            Turn::Any | Turn::Append => true,
            Turn::Read => self.fetches == 0 && self.outgoing.len() < HIGH_WATER,
            Turn::Alone => self.pending.is_empty(),
        }
    }

    /// Hands the request to the broker.
    fn begin(&mut self) {
        let Some(Incoming { header, request, turn, share, .. }) = self.incoming.take() else { return };
        match turn {
            Turn::Read => self.fetches += 1,
            Turn::Alone => self.alone = true,
            Turn::Any | Turn::Append => {}
        }
        let RequestHeader { key, version, correlation_id, client_id } = header;
        self.shared.meters.request(key);
        let asked = Asked { version, client_id, peer: self.peer, principal: self.principal.clone() };
        let answer = dispatch(&self.shared, asked, request);
        self.pending.push_back(Box::pin(async move {
            let outcome = match answer.await {
                Outcome::Answer(response) => response.encode(correlation_id, version).map(Some).map_err(Ended::from),
                Outcome::Silence => Ok(None),
                Outcome::Close(ended) => Err(ended),
            };
            drop(share);
            Answered { turn, outcome }
        }));
    }

    fn take(&mut self, answered: Answered) -> Result<(), Ended> {
        match answered.turn {
            Turn::Read => self.fetches = self.fetches.saturating_sub(1),
            Turn::Alone => self.alone = false,
            Turn::Any | Turn::Append => {}
        }
        if let Some(frame) = answered.outcome? {
            self.outgoing.push(frame);
        }
        Ok(())
    }

    /// What there is to be late with.
    fn states(&self) -> timing::States<'_> {
        timing::States {
            limits: &self.shared.limits,
            // What we do not read is not late.
            receiving: if self.incoming.is_none() { self.reader.under_way() } else { None },
            sending: !self.outgoing.is_empty(),
            busy: !self.pending.is_empty() || self.incoming.is_some(),
        }
    }
}
