//! One connection over a pipe in memory, on a paused clock.

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

use super::reader::{Frame, Read, Reader, SMALL};
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
    (client, tokio::spawn(serve(Arc::clone(shared), peer, from, to)))
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

/// A reader with its budget, and what it reads from.
fn reader(budget: usize) -> (Reader, Arc<tokio::sync::Semaphore>, DuplexStream, DuplexStream) {
    let budget = Arc::new(tokio::sync::Semaphore::new(budget));
    let (client, server) = tokio::io::duplex(1 << 20);
    (Reader::new(100 << 20, Arc::clone(&budget)), budget, client, server)
}

/// Reads all that has arrived.
async fn read_all(reader: &mut Reader, from: &mut DuplexStream) {
    loop {
        let read = Box::pin(reader.read(from, true));
        match futures::future::select(read, Box::pin(tokio::task::yield_now())).await {
            futures::future::Either::Left((Ok(Read::Ahead), _)) => {}
            futures::future::Either::Left(_) => panic!("no frame is whole"),
            futures::future::Either::Right(_) => return,
        }
    }
}

/// The next frame, once it is there.
async fn next(reader: &mut Reader, from: &mut DuplexStream) -> Frame {
    loop {
        match reader.read(from, true).await.unwrap() {
            Read::Frame(frame) => return frame,
            Read::Ahead => {}
            Read::End => panic!("no frame"),
        }
    }
}

#[tokio::test]
async fn who_announces_much_and_sends_little_holds_little() {
    let (mut reader, budget, mut client, mut server) = reader(256 << 20);
    let whole = budget.available_permits();
    client.write_all(&(100_i32 << 20).to_be_bytes()).await.unwrap();
    client.write_all(&[1; 1_000]).await.unwrap();
    read_all(&mut reader, &mut server).await;
    assert_eq!(reader.held(), 1_004);
    assert_eq!(budget.available_permits(), whole, "what was announced is not taken for it");

    // Only what comes makes room for more.
    let mut arrived = 1_004;
    for _ in 0..40 {
        client.write_all(&[1; 10_000]).await.unwrap();
        read_all(&mut reader, &mut server).await;
        arrived += 10_000;
        assert!(reader.held() <= arrived * 4, "{arrived} bytes came and {} are held", reader.held());
    }
}

#[tokio::test]
async fn a_frame_waits_until_the_budget_has_room() {
    let (mut reader, budget, mut client, mut server) = reader(1_000_000);
    let taken = Arc::clone(&budget).acquire_many_owned(990_000).await.unwrap();
    client.write_all(&20_000_i32.to_be_bytes()).await.unwrap();
    client.write_all(&[7; 20_000]).await.unwrap();
    read_all(&mut reader, &mut server).await;
    assert!(reader.held() <= SMALL + 4, "nothing is read beyond the part that needs no budget");
    assert_eq!(reader.under_way(), None, "the client is not late");
    drop(taken);
    let frame = next(&mut reader, &mut server).await;
    assert_eq!(frame.bytes.len(), 20_000);
    assert_eq!(budget.available_permits(), 980_000);
    drop(frame);
    assert_eq!(budget.available_permits(), 1_000_000);
}

#[tokio::test]
async fn frames_of_all_sizes_come_out_as_they_went_in() {
    let (mut reader, _budget, mut client, mut server) = reader(10 << 20);
    let sizes = [0, 1, 3, 1_000, SMALL - 5, SMALL - 4, SMALL - 3, SMALL, SMALL + 1, 100_000, 2, 300_000, 5];
    let mut bytes = Vec::new();
    for size in sizes {
        bytes.extend_from_slice(&i32::try_from(size).unwrap().to_be_bytes());
        bytes.extend((0..size).map(|at| u8::try_from((at + size) % 251).unwrap()));
    }
    for chunk in [1, 7, 4_096, SMALL, bytes.len()] {
        let write = async {
            for part in bytes.chunks(chunk) {
                client.write_all(part).await.unwrap();
            }
        };
        let read = async {
            for size in sizes {
                let frame = next(&mut reader, &mut server).await;
                assert_eq!(frame.bytes.len(), size);
                assert!(frame.bytes.iter().enumerate().all(|(at, byte)| usize::from(*byte) == (at + size) % 251));
            }
        };
        futures::future::join(write, read).await;
    }
    assert_eq!(reader.held(), 0, "an idle connection holds no buffer");
}
