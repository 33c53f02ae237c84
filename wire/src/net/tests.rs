//! Connections to a broker that does what a test says.

mod hostile;
mod life;
mod sessions;
mod speaking;
#[cfg(feature = "tls")]
mod tls;
mod unsent;

use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::env::{BoxFuture, Env};

use super::scripted::{HandClock, Scripted};
use super::{Answer, Ask, Error, Limits, Link, Options};
use crate::api::Api;
use crate::messages::{Heartbeat, HeartbeatRequest, HeartbeatResponse, Metadata, MetadataRequest, MetadataResponse};

const LIMIT: Duration = Duration::from_secs(5);

fn clocked() -> (Env, HandClock) {
    let clock = HandClock::default();
    (Env::seeded(1).with_clock(Arc::new(clock.clone())), clock)
}

fn link(broker: &Scripted, env: &Env) -> Arc<Link> {
    link_with(broker, Options::default(), env)
}

fn link_with(broker: &Scripted, options: Options, env: &Env) -> Arc<Link> {
    Link::new(broker.address().clone(), Arc::new(options), env)
}

fn ask<A: Api>(link: &Arc<Link>, limits: Limits, request: A::Request) -> BoxFuture<'static, Result<Answer<A>, Error>>
where
    A::Request: Send + 'static,
{
    link.ask::<A>(limits, |versions| Ok(Ask { version: versions.newest::<A>()?, request, answered: true }))
}

fn metadata(link: &Arc<Link>) -> BoxFuture<'static, Result<Answer<Metadata>, Error>> {
    ask(link, Limits::within(LIMIT), MetadataRequest::default())
}

fn heartbeat(link: &Arc<Link>, limit: Duration) -> BoxFuture<'static, Result<Answer<Heartbeat>, Error>> {
    ask(link, Limits::within(limit), HeartbeatRequest::default())
}

/// An answer that is told from others.
fn throttled(throttle_time_ms: i32) -> MetadataResponse {
    MetadataResponse { throttle_time_ms, ..MetadataResponse::default() }
}

fn throttle_of(answer: Result<Answer<Metadata>, Error>) -> i32 {
    answer.unwrap().response.unwrap().throttle_time_ms
}

fn beat(throttle_time_ms: i32) -> HeartbeatResponse {
    HeartbeatResponse { throttle_time_ms, ..HeartbeatResponse::default() }
}
