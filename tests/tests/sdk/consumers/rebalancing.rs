//! Members come and go.

use std::collections::BTreeMap;

use super::*;

pub(crate) async fn members_share_and_the_log_is_replayed(place: &impl Place) {
    let client = client_with(place, "t", 3).await;
    let producer = client.producer().build().await.unwrap();
    let seen = Seen::new();
    let mut handles = Vec::new();
    let mut running = Vec::new();
    for who in 0..2 {
        let consumer = quick(&client, "analytics").build().await.unwrap();
        handles.push(consumer.handle());
        running.push(run(who, consumer, &seen));
    }
    balanced(&[&handles[0], &handles[1]], 3).await;
    let mut expected = Vec::new();
    for (partition, round) in (0..3).flat_map(|partition| (0..100).map(move |round| (partition, round))) {
        send(&producer, partition, round).await;
        expected.push((partition, round));
    }
    seen.until(|all| all.len() >= 300).await;
    // A third joins: one each.
    let consumer = quick(&client, "analytics").build().await.unwrap();
    handles.push(consumer.handle());
    running.push(run(2, consumer, &seen));
    balanced(&[&handles[0], &handles[1], &handles[2]], 3).await;
    for (partition, round) in (0..3).flat_map(|partition| (100..200).map(move |round| (partition, round))) {
        send(&producer, partition, round).await;
        expected.push((partition, round));
    }
    seen.until(|all| all.len() >= 600).await;
    // One leaves: its share goes to the others.
    handles[0].shutdown(PATIENCE).await.unwrap();
    balanced(&[&handles[1], &handles[2]], 3).await;
    for (partition, round) in (0..3).flat_map(|partition| (200..300).map(move |round| (partition, round))) {
        send(&producer, partition, round).await;
        expected.push((partition, round));
    }
    seen.until(|all| all.len() >= 900).await;
    let mut all: Vec<_> = seen.all().into_iter().map(|(_, partition, value)| (partition, value)).collect();
    // Nobody crashed, so each came exactly once, and in order.
    let mut last = BTreeMap::new();
    for (partition, value) in &all {
        assert!(last.insert(*partition, *value).is_none_or(|before| before < *value));
    }
    all.sort_unstable();
    expected.sort_unstable();
    assert_eq!(all, expected);
    // Replay: everything comes again.
    for handle in &handles[1..] {
        handle.seek_all(At::Earliest).unwrap();
    }
    seen.until(|all| all.len() >= 1_800).await;
    for handle in &handles[1..] {
        let left = handle.shutdown(PATIENCE).await.unwrap();
        assert_eq!(left.unacked(), 0);
    }
    for running in running {
        running.await.unwrap();
    }
    assert_eq!(committed(&handles[2], 3).await, [300; 3]);
}

pub(crate) async fn cooperative_rebalances_do_not_interrupt_what_stays(place: &impl Place) {
    let client = client_with(place, "t", 4).await;
    let (notes_of_first, mut heard) = notes();
    let mut first = quick(&client, "g").on_rebalance(notes_of_first).build().await.unwrap();
    let producer = client.producer().build().await.unwrap();
    // A message of every partition is out and not acknowledged.
    let mut out = BTreeMap::new();
    for partition in 0..4 {
        send(&producer, partition, 7).await;
    }
    while out.len() < 4 {
        let message = first.next().await.unwrap().unwrap();
        out.insert(message.partition(), message);
    }
    let Some(Heard::Assigned(all)) = heard.recv().await else { panic!("it was assigned") };
    assert_eq!(all.len(), 4);
    let first_handle = first.handle();
    let running = tokio::spawn(async move { while first.next().await.unwrap().is_some() {} });
    let second = quick(&client, "g").build().await.unwrap();
    let second_handle = second.handle();
    // Only what moved was revoked, and acks of what stayed still count.
    let Some(Heard::Revoked(moved)) = heard.recv().await else { panic!("something was revoked") };
    assert_eq!(moved.len(), 2, "{moved:?}");
    balanced(&[&first_handle, &second_handle], 4).await;
    let kept = first_handle.assignment();
    for (partition, message) in out {
        let answer = message.ack();
        if kept.contains(&tp("t", partition)) {
            assert_eq!(answer, ottla::consumer::Acked::Counted, "t-{partition} stayed where it was");
        } else {
            assert_eq!(answer, ottla::consumer::Acked::Revoked, "t-{partition} moved");
        }
    }
    first_handle.commit().await.unwrap();
    let offsets = committed(&first_handle, 4).await;
    for partition in 0..4 {
        let expected = i64::from(kept.contains(&tp("t", partition)));
        assert_eq!(offsets[partition as usize], expected, "{offsets:?}");
    }
    drop(second);
    first_handle.shutdown(PATIENCE).await.unwrap();
    running.await.unwrap();
}

pub(crate) async fn new_topics_and_partitions_are_discovered(place: &impl Place) {
    let client = client_with(place, "orders.eu", 1).await;
    let mut consumer = client
        .consumer("g")
        .pattern("orders.*")
        .heartbeat_interval(Duration::from_millis(20))
        .metadata_refresh(Duration::from_millis(20))
        .build()
        .await
        .unwrap();
    let handle = consumer.handle();
    for (topic, partitions, partition) in [("orders.eu", 1, 0), ("orders.us", 2, 1), ("orders.eu", 3, 2)] {
        match client.admin().create_topic(NewTopic::new(topic).partitions(partitions)).await {
            Ok(_) => {}
            Err(_) if partitions > 1 => client.admin().add_partitions(topic, partitions).await.unwrap(),
            Err(_) => {}
        }
        // A new one, which asks anew how many partitions there are.
        let producer = client.producer().build().await.unwrap();
        producer.send(Record::to(topic).partition(partition).value("7")).await.unwrap();
        let message = consumer.next().await.unwrap().unwrap();
        assert_eq!((message.topic().as_str(), message.partition()), (topic, partition));
        message.ack();
    }
    assert_eq!(handle.assignment().len(), 5);
}

pub(crate) async fn a_static_member_comes_back_without_a_rebalance(place: &impl Place) {
    let client = client_with(place, "t", 2).await;
    let (listener, mut heard) = notes();
    let other = quick(&client, "g").group_instance_id("other").on_rebalance(listener).build().await.unwrap();
    let other_handle = other.handle();
    let running = run(0, other, &Seen::new());
    let member = |client: &Client| quick(client, "g").group_instance_id("one").build();
    let one = member(&client).await.unwrap();
    let handle = one.handle();
    balanced(&[&handle, &other_handle], 2).await;
    let share = handle.assignment();
    let kept = other_handle.assignment();
    until_heard(&mut heard, &kept).await;
    let generation = client.admin().describe_group("g").await.unwrap().generation;
    handle.shutdown(PATIENCE).await.unwrap();
    drop(one);
    let one = member(&client).await.unwrap();
    balanced(&[&one.handle(), &other_handle], 2).await;
    assert_eq!(one.handle().assignment(), share);
    // A rebalance in which nothing moves would be heard of by nobody.
    assert_eq!(client.admin().describe_group("g").await.unwrap().generation, generation);
    other_handle.shutdown(PATIENCE).await.unwrap();
    running.await.unwrap();
    // Its own end is all that it heard of since: nothing that was on its way then is missed.
    let since: Vec<_> = std::iter::from_fn(|| heard.try_recv().ok()).collect();
    assert_eq!(since, [Heard::Revoked(kept)], "the other one heard nothing of it");
}

pub(crate) async fn each_partition_has_a_stream_until_it_is_revoked(place: &impl Place) {
    let client = client_with(place, "t", 2).await;
    let producer = client.producer().build().await.unwrap();
    for partition in 0..2 {
        produce(&producer, "t", partition, 0..300).await;
    }
    let mut partitions = quick(&client, "g").build().await.unwrap().partitions();
    let handle = partitions.handle();
    let mut first = partitions.next().await.unwrap().unwrap();
    let mut second = partitions.next().await.unwrap().unwrap();
    // The first is not read at all, and the second goes on all the same.
    for expected in 0..300 {
        let message = second.next().await.unwrap().unwrap();
        assert_eq!((value(&message), message.topic_partition()), (expected, second.topic_partition()));
        message.ack();
    }
    handle.seek(first.topic_partition(), At::Offset(ottla::Offset(200))).unwrap();
    for expected in 200..300 {
        let message = first.next().await.unwrap().unwrap();
        assert_eq!(value(&message), expected, "nothing from before the seek");
        message.ack();
    }
    handle.commit().await.unwrap();
    assert_eq!(committed(&handle, 2).await, [300; 2]);
    // Another member takes one of them: its stream ends, the other stays.
    let other = quick(&client, "g").build().await.unwrap();
    balanced(&[&handle, &other.handle()], 2).await;
    let kept = handle.assignment().remove(0);
    let (mut kept, mut moved) = if *first.topic_partition() == kept { (first, second) } else { (second, first) };
    assert!(moved.next().await.unwrap().is_none());
    send(&producer, kept.topic_partition().partition, 300).await;
    assert_eq!(value(&kept.next().await.unwrap().unwrap()), 300);
    handle.shutdown(PATIENCE).await.unwrap();
    assert!(kept.next().await.unwrap().is_none() && partitions.next().await.unwrap().is_none());
}
