//! The orderly end.

use std::time::Duration;

use ottla_server::{Limits, Unfinished};
use ottla_wire::messages::{Fetch, Produce};
use tokio::net::TcpStream;

use crate::support::{TOPIC, fetch, produce, values, world, world_with};

#[tokio::test]
async fn a_poll_that_waits_is_answered_with_what_there_is() {
    let world = world().await;
    let mut client = world.client().await;
    let poll = client.send::<Fetch>(12, &fetch(0, Duration::from_secs(3_600))).await;
    // Another request of the same connection is being read only after the poll was.
    let mut other = world.client().await;
    other.produce(1, "so that the server runs").await;
    let (number, read) = client.receive::<Fetch>(12).await;
    assert_eq!((number, values(read).len()), (poll, 1));
    let poll = client.send::<Fetch>(12, &fetch(1, Duration::from_secs(3_600))).await;
    // The answer to a later request shows that the poll was begun: its batch ends up behind it.
    other.produce(1, "more").await;
    assert_eq!(client.receive::<Fetch>(12).await.0, poll);

    let poll = client.send::<Fetch>(12, &fetch(2, Duration::from_secs(3_600))).await;
    begun(&world).await;
    let address = world.server.address();
    world.server.shutdown(Duration::from_secs(5)).await.unwrap();
    let (number, read) = client.receive::<Fetch>(12).await;
    assert_eq!((number, values(read).len()), (poll, 0));
    assert_eq!(client.frame().await, None);
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    world.broker.close(Duration::from_secs(10)).await.unwrap();
}

/// Gives the server its turns: what has arrived on loopback is read by then.
async fn begun(world: &crate::support::World) {
    for _ in 0..3 {
        let mut client = world.client().await;
        client.fetch(&fetch(0, Duration::ZERO)).await;
    }
}

#[tokio::test]
async fn who_does_not_take_the_answer_is_cut_off() {
    let world = world().await;
    let mut client = world.client().await;
    let text = "x".repeat(900_000);
    for _ in 0..24 {
        client.produce(1, &text).await;
    }
    // More than loopback's buffers hold, and nobody reads it.
    let mut request = fetch(0, Duration::ZERO);
    request.topics[0].partitions[0].max_bytes = 50 << 20;
    client.send::<Fetch>(12, &request).await;
    begun(&world).await;
    let cut = world.server.shutdown(Duration::from_millis(1)).await;
    assert_eq!(cut, Err(Unfinished { connections: 1 }));
    world.broker.close(Duration::from_secs(10)).await.unwrap();
}

/// Requests that came too late are left unread, and no answer to those before them is lost over it: the system keeps one
/// that the client has yet to take only if the connection is not torn down.
#[tokio::test]
async fn what_was_not_read_tears_no_connection_down() {
    let world = world_with(Limits::default()).await;
    let mut client = world.client().await;
    let text = "x".repeat(900_000);
    client.produce(1, &text).await;
    // More than there is, which is more than has arrived when the server is done with it.
    let mut request = fetch(0, Duration::from_secs(3_600));
    (request.min_bytes, request.topics[0].partitions[0].max_bytes) = (50 << 20, 50 << 20);
    let poll = client.send::<Fetch>(12, &request).await;
    // It waits for the first, and what follows it is not read.
    client.send::<Fetch>(12, &fetch(0, Duration::ZERO)).await;
    client.send::<Produce>(9, &produce(1, TOPIC, &text)).await;
    begun(&world).await;
    let shutdown = world.server.shutdown(Duration::from_secs(5));
    let hear = async {
        let (number, read) = client.receive::<Fetch>(12).await;
        assert_eq!((number, values(read).len()), (poll, 1));
        assert_eq!(client.frame().await, None);
        drop(client);
    };
    assert_eq!(futures::future::join(shutdown, hear).await.0, Ok(()));
    world.broker.close(Duration::from_secs(10)).await.unwrap();
}
