//! One connection: reads requests, lets each run its course, and ends as the plan says.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::pending;
use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::answer::{Answer, Refusal};
use super::chunked;
use super::faults::Fault;
use super::handle::{Prepared, handle};
use super::pause::Hold;
use super::plan::Plan;
use super::request::{Kind, Request};
use super::server::Shared;

type Body = UnsyncBoxBody<Bytes, Ended>;

/// The connection ends without, or in the middle of, an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection ends here")]
struct Ended;

/// What the client gets to see.
#[derive(Debug)]
enum Outcome {
    Answer(Answer),
    /// The answer up to so many bytes of its body, then the end; with a reset or without.
    Cut(Answer, usize, bool),
    Reset,
    /// The end in good order, without an answer.
    Closed,
}

/// A socket that ends with a reset when it was told to.
struct Socket {
    stream: TcpStream,
    resets: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.resets.load(Ordering::Relaxed) {
            // A socket that cannot be set ends in the ordinary way, which is an end too.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Serves a connection until either side ends it.
pub(super) async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let resets = Arc::new(AtomicBool::new(false));
    let socket = TokioIo::new(Socket { stream, resets: resets.clone() });
    let service = service_fn(|request| respond(shared.clone(), resets.clone(), request));
    // An error here is a client that went away, or an end that was planned.
    let _ = http1::Builder::new().serve_connection(socket, service).await;
}

async fn respond(
    shared: Arc<Shared>,
    resets: Arc<AtomicBool>,
    request: hyper::Request<Incoming>,
) -> Result<Response<Body>, Ended> {
    let request = match arrive(&shared, request).await {
        Ok(request) => request,
        Err(refusal) => {
            shared.counter.arrived(Kind::Other, 0, None, false);
            let answer = Answer::from(refusal);
            shared.counter.ended(Kind::Other, Some((answer.status.as_u16(), answer.body.len())));
            return Ok(answer.into_response(whole));
        }
    };
    let plan = shared.faults.plan(&request);
    shared.counter.arrived(request.kind, request.body.len(), plan.fault, plan.is_slow);
    let (sender, receiver) = oneshot::channel();
    // A task of its own: what has arrived is carried out, also if the client goes away meanwhile.
    tokio::spawn(run(shared, request, plan, sender));
    match receiver.await {
        Ok(Outcome::Answer(answer)) => Ok(answer.into_response(whole)),
        Ok(Outcome::Cut(mut answer, sent, with_reset)) => {
            resets.store(with_reset, Ordering::Relaxed);
            answer = answer.with_length();
            Ok(answer.into_response(|body| cut(&body, sent)))
        }
        Ok(Outcome::Reset) => {
            resets.store(true, Ordering::Relaxed);
            Err(Ended)
        }
        Ok(Outcome::Closed) => Err(Ended),
        Err(_) => pending().await,
    }
}

/// Reads all of a request.
async fn arrive(shared: &Shared, request: hyper::Request<Incoming>) -> Result<Request, Refusal> {
    let (parts, body) = request.into_parts();
    let mut request = Request::new(parts)?;
    let body = Limited::new(body, shared.options.max_body_bytes).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            return Refusal::bad("EntityTooLarge", format!("more than {} bytes", shared.options.max_body_bytes));
        }
        Refusal::bad("IncompleteBody", error.to_string())
    })?;
    request.body = body.to_bytes();
    if request.header("x-amz-decoded-content-length").is_some() {
        request.body = chunked::decode(&request.body)?;
    }
    if request.client.is_empty() {
        let message = "the request has no credentials";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "AccessDenied", message));
    }
    Ok(request)
}

/// The course of a request. Dropping the sender leaves the client waiting.
async fn run(shared: Arc<Shared>, request: Request, plan: Plan, sender: oneshot::Sender<Outcome>) {
    shared.faults.pauses.pass(&request.client, Hold::Before).await;
    sleep(plan.before).await;
    let kind = request.kind;
    let failed = |code, message| Answer::from(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, code, message));
    let internal_error = || failed("InternalError", "We encountered an internal error. Please try again.");
    let answer = match plan.fault {
        Some(Fault::ResetBefore) => None,
        Some(Fault::Late) => {
            shared.counter.ended(kind, None);
            let _ = sender.send(Outcome::Reset);
            return effect_late(&shared, &request, &plan).await;
        }
        Some(Fault::Unanswered) => {
            shared.counter.ended(kind, None);
            return effect_late(&shared, &request, &plan).await;
        }
        Some(Fault::InternalError) => Some(internal_error()),
        Some(Fault::SlowDown) => {
            let message = "Please reduce your request rate.";
            Some(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", message).into())
        }
        Some(Fault::Conflict) => {
            let message = "The conditional request cannot succeed due to a conflicting operation.";
            Some(Refusal::new(StatusCode::CONFLICT, "ConditionalRequestConflict", message).into())
        }
        Some(Fault::InternalErrorAfter) => {
            effect(&shared, &request);
            Some(internal_error())
        }
        Some(Fault::ResetAfter | Fault::ClosedAfter) => {
            effect(&shared, &request);
            None
        }
        Some(Fault::Truncated) | None => Some(effect(&shared, &request)),
    };
    shared.faults.pauses.pass(&request.client, Hold::After).await;
    let bytes_out = answer.as_ref().map_or(0, |answer| answer.body.len());
    sleep(plan.after.saturating_add(plan.latency.transfer(bytes_out))).await;
    let outcome = match answer {
        None if plan.fault == Some(Fault::ClosedAfter) => Outcome::Closed,
        None => Outcome::Reset,
        Some(answer) if plan.fault == Some(Fault::Truncated) && !answer.body.is_empty() => {
            // One byte is missing at least.
            let sent = (bytes_out as f64 * plan.cut) as usize;
            Outcome::Cut(answer, sent.min(bytes_out - 1), plan.cut_resets)
        }
        Some(answer) => Outcome::Answer(answer),
    };
    shared.counter.ended(
        kind,
        match &outcome {
            Outcome::Answer(answer) => Some((answer.status.as_u16(), answer.body.len())),
            Outcome::Cut(answer, sent, _) => Some((answer.status.as_u16(), *sent)),
            Outcome::Reset | Outcome::Closed => None,
        },
    );
    // A client that went away does not hear it.
    let _ = sender.send(outcome);
}

async fn effect_late(shared: &Shared, request: &Request, plan: &Plan) {
    sleep(plan.late).await;
    effect(shared, request);
    shared.counter.landed_late();
}

fn effect(shared: &Shared, request: &Request) -> Answer {
    let answer = Prepared::new(request).and_then(|prepared| {
        let mut store = shared.store.lock().unwrap_or_else(PoisonError::into_inner);
        handle(&mut store, request, prepared, shared.options.min_part_bytes)
    });
    let mut answer = answer.unwrap_or_else(Answer::from);
    if request.kind == Kind::Head {
        answer.body = Bytes::new();
    }
    answer
}

impl Answer {
    /// Says the length of the whole body, also if less of it will be sent.
    fn with_length(self) -> Self {
        let length = self.body.len().to_string();
        self.with(CONTENT_LENGTH, length)
    }
}

fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// The first bytes of a body, then its end.
fn cut(body: &Bytes, sent: usize) -> Body {
    let first = body.get(..sent).map(|part| body.slice_ref(part)).unwrap_or_default();
    let frames = stream::unfold(Some(first), |first| async move {
        match first {
            Some(first) if !first.is_empty() => Some((Ok(Frame::data(first)), Some(Bytes::new()))),
            _ => {
                // What was sent so far leaves before the connection ends.
                yield_now().await;
                Some((Err(Ended), None))
            }
        }
    });
    StreamBody::new(frames).boxed_unsync()
}
