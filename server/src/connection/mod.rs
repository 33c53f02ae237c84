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
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use ottla_broker_core::env::BoxFuture;
use ottla_broker_core::planted::is_planted;
use ottla_wire::{ApiKey, Encoded, Request, RequestHeader, Response, decode_request};
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use ended::Ended;

use crate::auth::{LogIn, Refused, Said};
use crate::authorizer::Principal;
use crate::budget::Share;
use crate::dispatch::{Asked, Outcome, Turn, dispatch, turn_of};
use crate::shared::{Phase, Shared};
use outgoing::Outgoing;
use reader::{Frame, Read, Reader};
use timing::Timing;

/// Bytes that may wait to be written before another answer is taken.
const HIGH_WATER: usize = 1 << 20;

/// What became of a request, or of a token.
enum Answered {
    Request {
        turn: Turn,
        outcome: Result<Option<Encoded>, Ended>,
    },
    /// Without a header if the token came without one.
    Token {
        header: Option<RequestHeader>,
        said: Result<Said, Refused>,
    },
}

/// A request that is yet to be begun.
struct Incoming {
    header: RequestHeader,
    request: Request,
    turn: Turn,
    share: Share,
    /// The broker was asked for room, and has none yet.
    room: Option<BoxFuture<'static, ()>>,
}

struct Connection {
    shared: Arc<Shared>,
    peer: SocketAddr,
    log_in: LogIn,
    /// Why the connection ends once all is written.
    closing: Option<Ended>,
    reader: Reader,
    outgoing: Outgoing,
    pending: FuturesOrdered<BoxFuture<'static, Answered>>,
    incoming: Option<Incoming>,
    /// Requests among the pending that others wait for.
    fetches: usize,
    alone: bool,
}

/// Serves one connection until it ends, and says why it did. The client is `principal` unless it has to log in.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    peer: SocketAddr,
    principal: Principal,
    from: impl AsyncRead + Unpin + Send,
    to: impl AsyncWrite + Unpin + Send,
) -> Ended {
    let log_in = LogIn::new(shared.authentication.clone(), principal);
    let limits = &shared.limits;
    let limit = if log_in.is_done() { limits.frame_bytes } else { limits.unauthenticated_frame_bytes };
    let reader = Reader::new(limit, Arc::clone(&shared.budget));
    let connection = Connection {
        shared,
        peer,
        log_in,
        closing: None,
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
            if self.pending.is_empty()
                && self.outgoing.is_empty()
                && let Some(ended) = self.closing.take()
            {
                return Err(ended);
            }
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
            let is_full = self.pending.len() >= self.shared.limits.requests_per_connection;
            let is_between = self.incoming.is_none() && !self.log_in.is_checking();
            let may_read = !draining && is_between && self.closing.is_none() && !is_full;
            if let Some(late) = timing.look(self.states(may_read)) {
                return Err(late);
            }
            // A token may have its turn among all connections' tokens: it is not to rest on it.
            let may_answer = self.outgoing.len() < HIGH_WATER || self.log_in.is_checking();
            let room = self.incoming.as_mut().and_then(|incoming| incoming.room.as_mut());
            let is_waiting_for_room = room.is_some();
            tokio::select! {
                biased;
                // The sender lives as long as the server; without one there is nobody to serve for.
                changed = phase.changed() => if changed.is_err() { return Err(Ended::Cut) },
                written = self.outgoing.write(&mut to), if !self.outgoing.is_empty() => {
                    let written = written?;
                    self.shared.meters.sent.increment(u64::try_from(written).unwrap_or(0));
                    timing.has_written(written);
                }
                Some(answered) = self.pending.next(), if !self.pending.is_empty() && may_answer => {
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
                () = timing.passed() => {}
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
        let now = self.shared.env.now();
        if self.log_in.is_bare() {
            self.check_token(None, bytes);
            return Ok(());
        }
        match decode_request(&bytes) {
            Ok((header, Request::SaslHandshake(request))) => {
                let (response, refused) = self.log_in.handshake(&request, header.version, now);
                let answer = Response::from(response).encode(header.correlation_id, header.version)?;
                let delay = if refused.is_some() { self.shared.limits.refusal } else { Duration::ZERO };
                self.answer_after(delay, answer);
                self.closing = refused.map(Ended::Refused);
                Ok(())
            }
            Ok((header, Request::SaslAuthenticate(request))) => {
                self.check_token(Some(header), request.token.0);
                Ok(())
            }
            Ok((header, _)) if self.must_log_in_first(header.key) => Err(Ended::NotLoggedIn(header.key)),
            // Not by a timer: whoever asks nothing harms nobody, and whoever is late may still log in.
            Ok((header, _)) if self.log_in.has_expired(now) => Err(Ended::Expired(header.key)),
            Ok((header, request)) => {
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
                    self.answer_after(Duration::ZERO, answer);
                    Ok(())
                }
                None => Err(error.into()),
            },
        }
    }

    /// An answer that is there, after those that are yet to come.
    fn answer_after(&mut self, delay: Duration, answer: Encoded) {
        let env = self.shared.env.clone();
        self.pending.push_back(Box::pin(async move {
            if !delay.is_zero() {
                env.sleep(delay).await;
            }
            Answered::Request { turn: Turn::Any, outcome: Ok(Some(answer)) }
        }));
    }

    /// Looks at a token. Its answer comes after those before it, and nothing else is read until then.
    fn check_token(&mut self, header: Option<RequestHeader>, token: Bytes) {
        let checking = self.log_in.token(token);
        let (env, delay) = (self.shared.env.clone(), self.shared.limits.refusal);
        self.pending.push_back(Box::pin(async move {
            let said = checking.await;
            if said.is_err() && !is_planted("refused-without-delay") {
                env.sleep(delay).await;
            }
            Answered::Token { header, said }
        }));
    }

    /// Goes on with the log-in.
    fn log_in(&mut self, header: Option<RequestHeader>, said: Result<Said, Refused>) -> Result<(), Ended> {
        let now = self.shared.env.now();
        let answer = match header {
            Some(header) => {
                let (response, refused) = self.log_in.answer(said, now);
                self.closing = refused.map(Ended::Refused);
                Response::from(response).encode(header.correlation_id, header.version)?
            }
            // As it follows a handshake of version 0. A refusal has no words there.
            None => {
                let answer = self.log_in.conclude(said, now).map_err(Ended::Refused)?;
                let len = i32::try_from(answer.len()).unwrap_or(i32::MAX).to_be_bytes();
                Encoded { head: Bytes::from([&len[..], &answer].concat()), rest: Vec::new() }
            }
        };
        self.outgoing.push(answer);
        if self.log_in.is_done() {
            self.reader.set_limit(self.shared.limits.frame_bytes);
            tracing::debug!(peer = %self.peer, principal = %self.log_in.principal, "the client has logged in");
        }
        Ok(())
    }

    fn must_log_in_first(&self, key: ApiKey) -> bool {
        !self.log_in.is_done() && key != ApiKey::ApiVersions && !is_planted("served-before-log-in")
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
        let asked = Asked { version, client_id, peer: self.peer, principal: self.log_in.principal.clone() };
        let answer = dispatch(&self.shared, asked, request);
        self.pending.push_back(Box::pin(async move {
            let outcome = match answer.await {
                Outcome::Answer(response) => response.encode(correlation_id, version).map(Some).map_err(Ended::from),
                Outcome::Silence => Ok(None),
                Outcome::Close(ended) => Err(ended),
            };
            drop(share);
            Answered::Request { turn, outcome }
        }));
    }

    fn take(&mut self, answered: Answered) -> Result<(), Ended> {
        let (turn, outcome) = match answered {
            Answered::Request { turn, outcome } => (turn, outcome),
            Answered::Token { header, said } => return self.log_in(header, said),
        };
        match turn {
            Turn::Read => self.fetches = self.fetches.saturating_sub(1),
            Turn::Alone => self.alone = false,
            Turn::Any | Turn::Append => {}
        }
        if let Some(frame) = outcome? {
            self.outgoing.push(frame);
        }
        Ok(())
    }

    /// What there is to be late with.
    fn states(&self, may_read: bool) -> timing::States<'_> {
        // It is the server that is late then.
        let is_waiting = self.reader.is_waiting() && !is_planted("budget-waiter-is-late");
        timing::States {
            limits: &self.shared.limits,
            // What we do not read is not late.
            receiving: if may_read || is_planted("unread-is-late") { self.reader.under_way() } else { None },
            sending: !self.outgoing.is_empty(),
            busy: !self.pending.is_empty() || self.incoming.is_some() || is_waiting,
            // A token may only come after the answer before it, which waits for those before that.
            logging_in: !self.log_in.is_done()
                && !self.log_in.is_checking()
                && !is_waiting
                && (self.log_in.is_first() || self.pending.is_empty() || is_planted("renewal-late-behind-a-poll")),
        }
    }
}
