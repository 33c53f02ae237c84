//! Shutdown, close, drop, and being busy for too long.

use ottla::consumer::membership::Trouble;
use ottla::consumer::{Error, Left};

use super::*;

pub(crate) async fn next_ends_after_shutdown_and_close(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    for by_client in [false, true] {
        let mut consumer = quick(&client, "g").build().await.unwrap();
        let handle = consumer.handle();
        let waits = tokio::spawn(async move {
            let ended = consumer.next().await.unwrap().is_none();
            (ended, consumer)
        });
        balanced(&[&handle], 1).await;
        if by_client {
            client.close(PATIENCE).await.unwrap();
        } else {
            handle.shutdown(PATIENCE).await.unwrap();
        }
        let waits = tokio::time::timeout(PATIENCE / 4, waits);
        let (ended, mut consumer) = waits.await.expect("next hangs after the end").unwrap();
        assert!(ended && handle.is_shut_down());
        assert!(consumer.next().await.unwrap().is_none() && consumer.next_batch().await.unwrap().is_none());
        // Once more gives the same answer.
        assert!(handle.shutdown(PATIENCE).await.is_ok());
        assert!(matches!(handle.commit().await, Err(Error::Closed { .. })));
    }
    assert!(matches!(client.consumer("g").topics(["t"]).build().await, Err(ottla::Error::Closed { .. })));
}

/// Never returns from a revocation.
#[derive(Debug)]
struct Hangs(mpsc::UnboundedSender<()>);

#[async_trait]
impl RebalanceListener for Hangs {
    async fn revoked(&self, _: &[TopicPartition], _: &Committer) {
        let _ = self.0.send(());
        std::future::pending().await
    }
}

pub(crate) async fn a_hung_listener_or_handler_does_not_hang_the_end(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    let producer = client.producer().build().await.unwrap();
    produce(&producer, "t", 0, 0..2).await;
    let (send, mut hung) = mpsc::unbounded_channel();
    let mut consumer = quick(&client, "g").on_rebalance(Hangs(send)).build().await.unwrap();
    let handle = consumer.handle();
    // The handler has a message and never gives the consumer back.
    let (got, handling) = tokio::sync::oneshot::channel();
    let handler = tokio::spawn(async move {
        let message = consumer.next().await.unwrap().unwrap();
        got.send(()).unwrap();
        std::future::pending::<()>().await;
        drop((message, consumer));
    });
    handling.await.unwrap();
    let error = handle.shutdown(Duration::from_millis(50)).await.unwrap_err();
    hung.recv().await.unwrap();
    assert!(matches!(&error, Error::NotClosed { .. }), "{error}");
    assert!(error.to_string().contains("t-0 (1 not acknowledged)"), "{error}");
    handler.abort();
    // And the group does not wait for its session.
    let mut next = quick(&client, "g").build().await.unwrap();
    assert_eq!(value(&next.next().await.unwrap().unwrap()), 0);
}

pub(crate) async fn dropping_a_consumer_commits_and_leaves_and_leaves_no_task(place: &impl Place) {
    let counting = super::super::lifecycle::Counting::default();
    let env = ottla::Env::system().with_spawner(Arc::new(counting.clone()));
    let client = place.builder().await.env(env).connect().await.unwrap();
    client.admin().ensure_topic(NewTopic::new("t").partitions(300)).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    produce(&producer, "t", 0, 0..5).await;
    let mut consumer = quick(&client, "g").build().await.unwrap();
    for _ in 0..3 {
        consumer.next().await.unwrap().unwrap().ack();
    }
    let before = counting.running();
    drop(consumer);
    while counting.running() >= before {
        tokio::task::yield_now().await;
    }
    let mut next = quick(&client, "g").build().await.unwrap();
    assert_eq!(value(&next.next().await.unwrap().unwrap()), 3);
    drop((client, producer, next));
    while counting.running() > 0 {
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn being_busy_for_too_long_is_said_and_mended(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    let producer = client.producer().build().await.unwrap();
    produce(&producer, "t", 0, 0..10).await;
    let (listener, mut heard) = notes();
    let builder = quick(&client, "g").max_poll_interval(Duration::from_millis(150)).on_rebalance(listener);
    let mut consumer = builder.build().await.unwrap();
    let message = consumer.next().await.unwrap().unwrap();
    assert!(matches!(heard.recv().await, Some(Heard::Assigned(_))));
    // Busy: the listener hears of it without a poll.
    assert_eq!(heard.recv().await, Some(Heard::Lost(vec![tp("t", 0)])));
    assert_eq!(message.ack(), ottla::consumer::Acked::Revoked);
    let error = consumer.next().await.unwrap_err();
    assert!(matches!(&error, Error::Membership { trouble: Trouble::PollInterval { .. }, .. }), "{error}");
    assert!(error.to_string().contains("max_poll_interval") && !error.is_fatal(), "{error}");
    // The next call rejoins, and what was not acknowledged comes again.
    assert_eq!(value(&consumer.next().await.unwrap().unwrap()), 0);
}

pub(crate) async fn what_was_left_is_reported(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    let consumer = quick(&client, "g").build().await.unwrap();
    let left: Left = consumer.handle().shutdown(PATIENCE).await.unwrap();
    assert_eq!(left.unacked(), 0);
}

pub(crate) async fn nothing_blocks_a_runtime_of_one_thread(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    let producer = client.producer().build().await.unwrap();
    produce(&producer, "t", 0, 0..10).await;
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let mut consumer = quick(&client, "g").build().await.unwrap();
            let handle = consumer.handle();
            // Metadata and seeks.
            let first = consumer.next().await.unwrap().unwrap();
            let (admin, partition) = (client.admin(), tp("t", 0));
            let (topics, sought) = tokio::join!(admin.list_topics(), async { handle.seek(&partition, At::Earliest) });
            topics.unwrap();
            sought.unwrap();
            drop(first);
            for _ in 0..10 {
                consumer.next().await.unwrap().unwrap().ack();
                // All of them go on at once, on the one thread that there is.
                let partition = tp("t", 0);
                let (committed, answers, _) =
                    tokio::join!(handle.commit(), handle.committed([partition.clone()]), async {
                        handle.position(&partition)
                    },);
                committed.unwrap();
                answers.unwrap();
            }
            let left = handle.shutdown(PATIENCE).await.unwrap();
            assert_eq!(left.partitions[0].committed, Some(ottla::Offset(10)));
            client.close(PATIENCE).await.unwrap();
        });
    });
    tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
}
