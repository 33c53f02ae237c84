//! The course of a request, whichever way it came: its plan, its effect, and what its client gets to see.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use hyper::StatusCode;
use hyper::http::request::Parts;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::answer::{Answer, Refusal};
use super::chunked;
use super::faults::Fault;
use super::handle::{Prepared, handle};
use super::pause::Hold;
use super::plan::Plan;
use super::request::{Kind, Request};
use super::server::Shared;

/// What the client gets to see.
#[derive(Debug)]
pub(super) enum Outcome {
    Answer(Answer),
    /// The answer up to so many bytes of its body, then the end; with a reset or without.
    Cut(Answer, usize, bool),
    Reset,
    /// The end in good order, without an answer.
    Closed,
}

/// A request of which all bytes have arrived.
pub(super) fn request(parts: Parts, body: Bytes) -> Result<Request, Refusal> {
    let mut request = Request::new(parts)?;
    request.body = body;
    if request.header("x-amz-decoded-content-length").is_some() {
        request.body = chunked::decode(&request.body)?;
    }
    if request.client.is_empty() {
        let message = "the request has no credentials";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "AccessDenied", message));
    }
    Ok(request)
}

/// What comes of a request; `None` is no answer, ever.
pub(super) async fn exchange(shared: &Arc<Shared>, arrived: Result<Request, Refusal>) -> Option<Outcome> {
    let request = match arrived {
        Ok(request) => request,
        Err(refusal) => {
            shared.counter.arrived(Kind::Other, 0, None, false);
            let answer = Answer::from(refusal);
            shared.counter.ended(Kind::Other, Some((answer.status.as_u16(), answer.body.len())));
            return Some(Outcome::Answer(answer));
        }
    };
    let plan = shared.faults.plan(&request);
    shared.counter.arrived(request.kind, request.body.len(), plan.fault, plan.is_slow);
    let (sender, receiver) = oneshot::channel();
    // A task of its own: what has arrived is carried out, also if the client goes away meanwhile.
    tokio::spawn(run(Arc::clone(shared), request, plan, sender));
    receiver.await.ok()
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
