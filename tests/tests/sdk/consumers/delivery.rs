//! What comes again, and what does not.

use ottla::Commit;
use ottla::consumer::{Acked, OnDecodeError};
use ottla::{Json, Raw};

use super::*;

pub(crate) async fn at_least_once_is_the_default_and_repeats_what_was_not_acked(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    let producer = client.producer().build().await.unwrap();
    produce(&producer, "t", 0, 0..10).await;
    let builder = || client.consumer("g").topics(["t"]);
    let mut consumer = builder().build().await.unwrap();
    for expected in 0..4 {
        let message = consumer.next().await.unwrap().unwrap();
        assert_eq!(value(&message), expected);
        message.ack();
    }
    // Handed over, and not handled: nothing may commit these.
    let fourth = consumer.next().await.unwrap().unwrap();
    let fifth = consumer.next().await.unwrap().unwrap();
    consumer.handle().commit().await.unwrap();
    assert_eq!(committed(&consumer.handle(), 1).await, [4]);
    // A hole holds the commit back.
    fifth.ack();
    consumer.handle().commit().await.unwrap();
    assert_eq!(committed(&consumer.handle(), 1).await, [4]);
    drop(fourth);
    let left = consumer.handle().shutdown(PATIENCE).await.unwrap();
    assert_eq!(left.partitions.len(), 1);
    assert_eq!(left.partitions[0].committed, Some(ottla::Offset(4)));
    assert_eq!(left.unacked(), 2);
    let mut again = builder().build().await.unwrap();
    assert_eq!(value(&again.next().await.unwrap().unwrap()), 4);
}

/// Runs a member in a runtime of its own and kills the runtime once it has handed over `count` messages.
async fn crash(client: &Client, commit: Commit, count: i64) {
    let client = client.clone();
    let (send, receive) = tokio::sync::oneshot::channel();
    let (kill, killed) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let builder = client.consumer("g").topics(["t"]).commit(commit);
            let mut consumer = builder.session_timeout(Duration::from_secs(6)).build().await.unwrap();
            for expected in 0..count {
                assert_eq!(value(&consumer.next().await.unwrap().unwrap()), expected);
            }
            // Leaked, so that nothing is said: this is a crash.
            std::mem::forget(consumer);
            send.send(()).unwrap();
        });
        killed.recv().unwrap();
        runtime.shutdown_background();
    });
    receive.await.unwrap();
    kill.send(()).unwrap();
    thread.join().unwrap();
}

pub(crate) async fn a_crash_repeats_or_skips_as_promised(place: &impl Place) {
    for (commit, first) in [(Commit::OnAck { every: Duration::from_millis(5) }, 0), (Commit::BeforeHandover, 6)] {
        let topic = "t";
        let client = place.connect().await;
        let _ = client.admin().delete_topic(topic).await;
        client.admin().create_topic(NewTopic::new(topic)).await.unwrap();
        let producer = client.producer().build().await.unwrap();
        // Two batches.
        produce(&producer, topic, 0, 0..3).await;
        produce(&producer, topic, 0, 3..6).await;
        crash(&client, commit, 6).await;
        produce(&producer, topic, 0, 6..7).await;
        let mut next = client.consumer("g").topics([topic]).commit(commit).build().await.unwrap();
        assert_eq!(value(&next.next().await.unwrap().unwrap()), first, "{commit:?}");
        next.handle().shutdown(PATIENCE).await.unwrap();
        let error = client.close(PATIENCE).await.unwrap_err().to_string();
        assert!(error.contains("its background task ended with its runtime"), "{error}");
        begin_anew(place).await;
    }
}

/// Waits until the group has forgotten the crashed member, and has it begin at 0 again.
async fn begin_anew(place: &impl Place) {
    let client = place.connect().await;
    let consumer = quick(&client, "g").build().await.unwrap();
    let handle = consumer.handle();
    balanced(&[&handle], 1).await;
    handle.commit_offsets([(tp("t", 0), ottla::Offset(0), String::new())]).await.unwrap();
    handle.shutdown(PATIENCE).await.unwrap();
    client.close(PATIENCE).await.unwrap();
}

pub(crate) async fn revoking_commits_first_and_late_acks_are_revoked(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    let producer = client.producer().build().await.unwrap();
    produce(&producer, "t", 0, 0..10).await;
    // The clock never strikes: only the revocation commits.
    let never = Commit::OnAck { every: Duration::from_secs(3_600) };
    let mut zombie = quick(&client, "g").commit(never).build().await.unwrap();
    let mut out = Vec::new();
    for _ in 0..6 {
        out.push(zombie.next().await.unwrap().unwrap());
    }
    let late = out.split_off(4);
    for message in out {
        assert_eq!(message.ack(), Acked::Counted);
    }
    let handle = zombie.handle();
    handle.shutdown(PATIENCE).await.unwrap();
    for message in late {
        assert_eq!(message.ack(), Acked::Revoked, "the assignment is over");
    }
    assert!(handle.commit().await.unwrap_err().is_fatal());
    let mut next = quick(&client, "g").build().await.unwrap();
    assert_eq!(value(&next.next().await.unwrap().unwrap()), 4);
}

pub(crate) async fn unacked_messages_hold_their_partition_back_and_say_why(place: &impl Place) {
    let client = client_with(place, "t", 2).await;
    let producer = client.producer().build().await.unwrap();
    produce(&producer, "t", 0, 0..20).await;
    let mut consumer = quick(&client, "g").max_unacked(5).build().await.unwrap();
    let handle = consumer.handle();
    let mut out = Vec::new();
    for expected in 0..5 {
        let message = consumer.next().await.unwrap().unwrap();
        assert_eq!(value(&message), expected);
        out.push(message);
    }
    // The other partition goes on.
    produce(&producer, "t", 1, 0..1).await;
    let other = consumer.next().await.unwrap().unwrap();
    assert_eq!(other.partition(), 1);
    other.ack();
    assert!(consumer.try_next().unwrap().is_none());
    let why = handle.held_back(&tp("t", 0)).expect("it is held back").to_string();
    assert!(why.contains("offset 0") && why.contains("`max_unacked` is 5"), "{why}");
    // An ack elsewhere wakes the waiting call, and nothing is missing or doubled.
    let waits = tokio::spawn(async move {
        let mut values = Vec::new();
        while values.len() < 15 {
            let message = consumer.next().await.unwrap().unwrap();
            values.push(value(&message));
            message.ack();
        }
        values
    });
    for message in out {
        message.ack();
    }
    assert_eq!(waits.await.unwrap(), (5..20).collect::<Vec<_>>());
}

pub(crate) async fn whole_batches_are_acked_at_once(place: &impl Place) {
    let client = client_with(place, "t", 3).await;
    let producer = client.producer().build().await.unwrap();
    for partition in 0..3 {
        produce(&producer, "t", partition, 0..500).await;
    }
    let mut consumer = quick(&client, "g").max_unacked(70).build().await.unwrap();
    let mut counts = [0_i64; 3];
    while counts.iter().sum::<i64>() < 1_500 {
        let mut batch = consumer.next_batch().await.unwrap().unwrap();
        let mut size = 0;
        for message in &mut batch {
            let message = message.unwrap();
            let count = &mut counts[message.partition() as usize];
            assert_eq!(number(&message), *count);
            *count += 1;
            size += 1;
        }
        assert!(size <= 70);
        let acked = batch.ack();
        assert_eq!((acked.counted, acked.revoked), (size, 0));
    }
    consumer.handle().commit().await.unwrap();
    assert_eq!(committed(&consumer.handle(), 3).await, [500; 3]);
}

pub(crate) async fn what_cannot_be_decoded_fails_is_skipped_or_goes_to_another_topic(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    client.admin().create_topic(NewTopic::new("dead")).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    for value in ["1", "bad", "3"] {
        producer.send(Record::to("t").key("k").value(value).header("h", "v")).await.unwrap();
    }
    let typed = |group: &str| quick(&client, group).typed(Raw, Json::<i64>::new());
    let mut consumer = typed("fails").build().await.unwrap();
    consumer.next().await.unwrap().unwrap().ack();
    let error = consumer.next().await.unwrap_err();
    assert!(error.to_string().contains("offset 1 of t-0"), "{error}");
    let third = consumer.next().await.unwrap().unwrap();
    assert_eq!(third.value(), Some(&3));
    third.ack();
    consumer.handle().commit().await.unwrap();
    assert_eq!(committed(&consumer.handle(), 1).await, [1], "the commit stays before the bad record");
    for (group, policy) in [("skips", OnDecodeError::Skip), ("buries", OnDecodeError::dead_letter(&producer, "dead"))] {
        let mut consumer = typed(group).on_decode_error(policy).build().await.unwrap();
        for expected in [1, 3] {
            let message = consumer.next().await.unwrap().unwrap();
            assert_eq!(message.value(), Some(&expected));
            message.ack();
        }
        consumer.handle().commit().await.unwrap();
        assert_eq!(committed(&consumer.handle(), 1).await, [3], "{group}");
    }
    let mut dead = client.reader().topic("dead").to_end().build().await.unwrap();
    let letter = dead.next().await.unwrap().unwrap();
    assert_eq!((letter.key().unwrap().as_ref(), letter.value().unwrap().as_ref()), (&b"k"[..], &b"bad"[..]));
    let headers: Vec<_> = letter.headers().iter().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(headers, ["h", "ottla.source", "ottla.error"]);
    assert!(dead.next().await.unwrap().is_none());
}
