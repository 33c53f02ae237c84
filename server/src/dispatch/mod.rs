//! From requests to the broker, and from its answers to responses: one file a family of APIs.

mod metadata;
mod versions;

use std::net::SocketAddr;
use std::sync::Arc;

use ottla_broker_core::env::BoxFuture;
use ottla_wire::{ApiKey, Request, Response};

use crate::connection::Ended;
use crate::shared::Shared;

/// Who asks, and how.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) version: i16,
    #[expect(dead_code, reason = "groups tell it")]
    pub(crate) client_id: Option<Arc<str>>,
    #[expect(dead_code, reason = "groups tell it")]
    pub(crate) peer: SocketAddr,
}

/// What comes of a request.
pub(crate) enum Outcome {
    Answer(Response),
    /// The client wants no answer.
    Silence,
    /// The connection is closed, which is all that the client can be told.
    Close(Ended),
}

/// When a request may begin, among those of its connection. Kafka begins each when the one before is answered, so
/// that clients may rely on that order wherever it can be seen; where it cannot, requests go side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// At once: it only looks, or its order shows nowhere.
    Any,
    /// At once: it takes its place in the log in the very moment it begins.
    Append,
    /// When the fetch before it was answered: so one connection holds one fetch's records.
    Read,
    /// When all before it were answered; and those after it begin when this one was.
    Alone,
}

pub(crate) const fn turn_of(key: ApiKey) -> Turn {
    match key {
        ApiKey::ApiVersions => Turn::Any,
        ApiKey::Metadata => Turn::Alone,
    }
}

/// Whether requests of an API are served. Others are not advertised.
pub(crate) const fn is_served(key: ApiKey) -> bool {
    matches!(key, ApiKey::ApiVersions | ApiKey::Metadata)
}

/// Begins a request. What has to be in the order of the requests has happened when this returns.
pub(crate) fn dispatch(shared: &Arc<Shared>, asked: Asked, request: Request) -> BoxFuture<'static, Outcome> {
    let shared = Arc::clone(shared);
    match request {
        Request::ApiVersions(request) => now(versions::answer(&request)),
        Request::Metadata(request) => later(async move { metadata::answer(&shared, &asked, &request).await }),
        // `is_served` keeps them out.
        other => Box::pin(std::future::ready(Outcome::Close(Ended::NotServed(other.key())))),
    }
}

fn now(response: impl Into<Response>) -> BoxFuture<'static, Outcome> {
    Box::pin(std::future::ready(Outcome::Answer(response.into())))
}

fn later<R: Into<Response>>(answer: impl Future<Output = R> + Send + 'static) -> BoxFuture<'static, Outcome> {
    Box::pin(async move { Outcome::Answer(answer.await.into()) })
}
