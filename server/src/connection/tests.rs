//! One connection over a pipe in memory, on a paused clock.

mod memory;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::Env;
use ottla_wire::messages::{ApiVersions, ApiVersionsRequest};
use ottla_wire::{Progress, encode_request, next_frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use super::{Ended, serve};
use crate::limits::Limits;
use crate::shared::Shared;

async fn shared(limits: Limits) -> Arc<Shared> {
    let broker = Broker::start(BrokerConfig::default(), ottla_backends::memory::backend(), Env::seeded(1));
    Shared::of(broker.await.unwrap(), limits)
}

/// A connection and the client's side of it.
#[expect(clippy::disallowed_methods, reason = "tests run tasks of their own")]
fn connect(shared: &Arc<Shared>, pipe: usize) -> (DuplexStream, JoinHandle<Ended>) {
    let (client, server) = tokio::io::duplex(pipe);
    let (from, to) = tokio::io::split(server);
    let peer = "192.0.2.1:1".parse().unwrap();
    (client, tokio::spawn(serve(Arc::clone(shared), peer, crate::Principal::anonymous(), from, to)))
}

fn api_versions() -> Vec<u8> {
    encode_request::<ApiVersions>(1, None, 0, &ApiVersionsRequest::default()).unwrap().to_bytes().to_vec()
}

#[tokio::test(start_paused = true)]
async fn who_does_nothing_is_closed_and_who_does_something_is_not() {
    let shared = shared(Limits { idle: Duration::from_secs(100), ..Limits::default() }).await;
    let (mut client, ended) = connect(&shared, 64 << 10);
    let mut answers = BytesMut::new();
    for _ in 0..5 {
        shared.env.sleep(Duration::from_secs(90)).await;
        client.write_all(&api_versions()).await.unwrap();
        while !matches!(next_frame(&mut answers, 1 << 20), Ok(Progress::Frame(_))) {
            assert!(client.read_buf(&mut answers).await.unwrap() > 0, "closed although it asks");
        }
    }
    let since = shared.env.now();
    assert_eq!(ended.await.unwrap().name(), "idle");
    assert_eq!(shared.env.now().since(since).as_secs(), 100);
}

#[tokio::test(start_paused = true)]
async fn who_sends_a_byte_a_second_is_closed() {
    let shared = shared(Limits { receive: Duration::from_secs(30), ..Limits::default() }).await;
    let (mut client, ended) = connect(&shared, 64 << 10);
    let since = shared.env.now();
    // 20,000 bytes are announced.
    for byte in [0, 0, 78, 32].into_iter().chain(std::iter::repeat(0)) {
        if client.write_all(&[byte]).await.is_err() {
            break;
        }
        shared.env.sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(ended.await.unwrap().name(), "slow_sender");
    assert!(shared.env.now().since(since) < Duration::from_secs(33));
}

#[tokio::test(start_paused = true)]
async fn who_sends_slowly_but_steadily_is_served() {
    let shared = shared(Limits::default()).await;
    let (mut client, _ended) = connect(&shared, 64 << 10);
    // Each request takes a while, and none too long.
    for _ in 0..4 {
        for part in api_versions().chunks(3) {
            client.write_all(part).await.unwrap();
            shared.env.sleep(Duration::from_secs(4)).await;
        }
        let mut answer = [0; 4];
        client.read_exact(&mut answer).await.unwrap();
        let mut rest = vec![0; u32::from_be_bytes(answer) as usize];
        client.read_exact(&mut rest).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_takes_no_answers_is_closed_and_no_longer_read() {
    let limits = Limits { send: Duration::from_secs(30), requests_per_connection: 4, ..Limits::default() };
    let shared = shared(limits).await;
    let (mut client, ended) = connect(&shared, 256);
    let mut sent = 0;
    while client.write_all(&api_versions()).await.is_ok() {
        sent += 1;
    }
    assert_eq!(ended.await.unwrap().name(), "slow_receiver");
    // What is read ahead and what waits are bounded, so that in the end the client could not write.
    assert!(sent < 20_000, "{sent} requests were taken");
}

#[tokio::test(start_paused = true)]
async fn who_takes_a_byte_a_second_is_closed() {
    let shared = shared(Limits::default()).await;
    let (mut client, ended) = connect(&shared, 8);
    let since = shared.env.now();
    client.write_all(&api_versions()).await.unwrap();
    let mut byte = [0];
    while client.read(&mut byte).await.is_ok_and(|read| read > 0) {
        shared.env.sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(ended.await.unwrap().name(), "slow_receiver");
    assert!(shared.env.now().since(since) < Limits::default().send * 2);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_say_who_it_is_is_closed() {
    let broker = Broker::start(BrokerConfig::default(), ottla_backends::memory::backend(), Env::seeded(1));
    let limits = Limits { authentication: Duration::from_secs(20), ..Limits::default() };
    let shared = Shared::asking(broker.await.unwrap(), limits, &[crate::Mechanism::Plain]);
    let (mut client, ended) = connect(&shared, 64 << 10);
    let since = shared.env.now();
    // What may be asked before does not put it off.
    while client.write_all(&api_versions()).await.is_ok() {
        shared.env.sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(ended.await.unwrap().name(), "not_logged_in");
    assert!(shared.env.now().since(since) < Duration::from_secs(22));
}

#[tokio::test(start_paused = true)]
async fn a_cut_ends_what_waits() {
    let shared = shared(Limits::default()).await;
    let (_client, ended) = connect(&shared, 64);
    tokio::task::yield_now().await;
    shared.phase.send_replace(crate::shared::Phase::Cut);
    assert_eq!(ended.await.unwrap().name(), "cut");
}
