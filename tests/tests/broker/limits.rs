//! Odd and hostile requests: each gets an answer, and nothing grows or breaks.

use std::time::Duration;

use ottla_broker_core::api::{
    ErrorCode, FetchPartition, IsolationLevel, OffsetSpec, ProducePartition, ProducerIdentity,
};
use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::Env;
use ottla_broker_core::record::{Builder, BuilderOptions, Flags};
use ottla_broker_core::{Offset, ProducerEpoch, ProducerId};

use super::support::*;

fn identity(id: i64, epoch: i16) -> ProducerIdentity {
    ProducerIdentity { id: ProducerId(id), epoch: ProducerEpoch(epoch) }
}

#[tokio::test]
async fn odd_produce_requests_are_answered_entry_by_entry() {
    let broker = start(&memory()).await;
    create(&broker, "events", 1).await;
    let to = || partition("events", 0);
    let mut request = request(to(), batch(&["a"], None));
    request.partitions.clear();
    assert!(broker.produce(request.clone()).await.unwrap().is_empty());

    // The same partition again and again, and the same batch twice.
    let once = batch(&["b"], Some((identity(5, 0), 0)));
    let entries = [batch(&["a"], None), once.clone(), once, batch(&["c"], Some((identity(5, 0), 1)))];
    request.partitions = entries.into_iter().map(|batch| ProducePartition { partition: to(), batch }).collect();
    for (topic, number) in [("events", -1), ("events", 1), ("events", i32::MIN), ("events", i32::MAX), ("other", 0)] {
        let partition = partition(topic, number);
        request.partitions.push(ProducePartition { partition, batch: batch(&["x"], None) });
    }
    let answers = broker.produce(request).await.unwrap();
    let offsets: Vec<_> = answers[..4].iter().map(|answer| answer.as_ref().unwrap().base_offset.unwrap().0).collect();
    assert_eq!(offsets, [0, 1, 1, 2]);
    for refused in &answers[4..] {
        assert_eq!(refused.as_ref().unwrap_err().code, ErrorCode::UnknownTopicOrPartition);
    }
    assert_eq!(text(&read_all(&broker, to()).await), ["a", "b", "c"]);
}

#[tokio::test]
async fn producers_at_the_ends_of_their_ranges_are_kept_in_order() {
    let broker = start(&memory()).await;
    create(&broker, "events", 1).await;
    let send = async |id, epoch, sequence| {
        let sent = batch(&["x"], Some((identity(id, epoch), sequence)));
        produce(&broker, partition("events", 0), sent).await.map(|appended| appended.base_offset.unwrap().0)
    };
    assert_eq!(send(i64::MAX, i16::MAX, i32::MAX).await, Ok(0));
    assert_eq!(send(i64::MAX, i16::MAX, 0).await, Ok(1), "0 follows the greatest");
    assert_eq!(send(i64::MAX, i16::MAX, i32::MAX).await, Ok(0), "a duplicate");
    assert_eq!(send(i64::MAX, i16::MAX, 2).await.unwrap_err().code, ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(send(i64::MAX, i16::MAX - 1, 1).await.unwrap_err().code, ErrorCode::InvalidProducerEpoch);
    for (epoch, sequence) in [(-1, 0), (i16::MIN, 0), (0, -1), (0, i32::MIN)] {
        assert_eq!(send(3, epoch, sequence).await.unwrap_err().code, ErrorCode::InvalidRecord, "{epoch} {sequence}");
    }
    assert_eq!(send(3, 0, 0).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn odd_fetches_are_answered_at_once() {
    let broker = start(&memory()).await;
    create(&broker, "events", 2).await;
    for value in ["a", "b"] {
        produce(&broker, partition("events", 0), batch(&[value], None)).await.unwrap();
    }
    let (env, day) = (Env::system(), Duration::from_hours(24));
    let began = env.now();
    for offset in [-1, i64::MIN, 3, i64::MAX, i64::MAX - 1] {
        let request = fetch_request(vec![wanted(partition("events", 0), offset)], day);
        let refused = broker.fetch(request).await.unwrap().remove(0).unwrap_err();
        assert_eq!(refused.code, ErrorCode::OffsetOutOfRange, "{offset}");
    }
    // One batch however small the limits, and no wait for more than they let in.
    for (of_partition, of_all) in [(0, 0), (0, 1 << 20), (1 << 20, 0), (1, 1)] {
        let mut request = fetch_request(
            vec![FetchPartition { max_bytes: of_partition, ..wanted(partition("events", 0), 0) }],
            if of_all <= 1 { day } else { Duration::ZERO },
        );
        (request.min_bytes, request.max_bytes) = (usize::MAX, of_all);
        let fetched = broker.fetch(request).await.unwrap().remove(0).unwrap();
        assert_eq!(fetched.batches.len(), 1, "{of_partition} {of_all}");
    }
    // The same partition twice, from two places.
    let twice = vec![wanted(partition("events", 0), 0), wanted(partition("events", 0), 1)];
    let fetched = broker.fetch(fetch_request(twice, day)).await.unwrap();
    assert_eq!(fetched.iter().map(|fetched| fetched.as_ref().unwrap().batches.len()).collect::<Vec<_>>(), [2, 1]);
    let none = broker.fetch(fetch_request(vec![], day)).await.unwrap();
    assert!(none.is_empty());
    assert_eq!(env.now(), began, "nobody waited");
    // A wait without end is one that ends with the first record.
    let waiting = broker.fetch(fetch_request(vec![wanted(partition("events", 1), 0)], Duration::MAX));
    let (fetched, _) = tokio::join!(waiting, async {
        env.sleep(day).await;
        produce(&broker, partition("events", 1), batch(&["late"], None)).await.unwrap()
    });
    assert_eq!(fetched.unwrap().remove(0).unwrap().batches.len(), 1);
}

#[tokio::test]
async fn odd_offsets_and_times_are_answered() {
    let broker = start(&memory()).await;
    create(&broker, "events", 1).await;
    let to = || partition("events", 0);
    let now = Env::system().wall_ms();
    let mut builder = Builder::new(BuilderOptions::default());
    for timestamp in [now - 2, 0, now - 1] {
        builder.append(timestamp, None, Some(b"x"), &[]).unwrap();
    }
    produce(&broker, to(), builder.finish(None, Flags::default()).unwrap()).await.unwrap();
    let look_up = async |spec| {
        let listed = broker.list_offsets(IsolationLevel::ReadCommitted, vec![(to(), spec)]).await.unwrap().remove(0);
        listed.unwrap().offset.map(|offset| offset.0)
    };
    assert_eq!(look_up(OffsetSpec::Timestamp(i64::MIN)).await, Some(0));
    assert_eq!(look_up(OffsetSpec::Timestamp(-1)).await, Some(0));
    assert_eq!(look_up(OffsetSpec::Timestamp(now - 1)).await, Some(2));
    assert_eq!(look_up(OffsetSpec::Timestamp(now)).await, None);
    assert_eq!(look_up(OffsetSpec::Timestamp(i64::MAX)).await, None);
    let delete = async |before| broker.delete_records(vec![(to(), Offset(before))]).await.unwrap().remove(0);
    for before in [i64::MIN, -1, 4, i64::MAX - 1] {
        assert_eq!(delete(before).await.unwrap_err().code, ErrorCode::OffsetOutOfRange, "{before}");
    }
    assert_eq!(delete(1).await.unwrap().low_watermark, Offset(1));
    // The batch straddles the start: what lies before it is not found by its time.
    assert_eq!(look_up(OffsetSpec::Timestamp(i64::MIN)).await, Some(1));
    assert_eq!(look_up(OffsetSpec::Timestamp(now - 2)).await, Some(2));
    assert_eq!(delete(Offset::MAX.0).await.unwrap().low_watermark, Offset(3));
    assert_eq!(look_up(OffsetSpec::Timestamp(i64::MIN)).await, None);

    let timed = |timestamp| {
        let mut builder = Builder::new(BuilderOptions::default());
        builder.append(timestamp, None, Some(b"x"), &[]).unwrap();
        builder.finish(None, Flags::default()).unwrap()
    };
    assert_eq!(produce(&broker, to(), timed(i64::MAX)).await.unwrap_err().code, ErrorCode::InvalidTimestamp);
    produce(&broker, to(), timed(i64::MIN)).await.unwrap();
    assert_eq!(look_up(OffsetSpec::MaxTimestamp).await, None, "a time before 1970 is no greatest one");
}

#[tokio::test]
async fn made_up_producer_ids_do_not_fill_the_memory() {
    let memory = memory();
    let (env, clock) = Clockwork::env(1, Env::system().wall_ms());
    let config = BrokerConfig::default().with("producer.id.limit", 16).unwrap();
    let mut broker = Broker::start(config.clone(), memory.backend(), env.clone()).await.unwrap();
    create(&broker, "events", 2).await;
    let mut sequence = 0;
    for id in 100..400 {
        clock.advance(Duration::from_millis(1));
        produce(&broker, partition("events", 0), batch(&["made up"], Some((identity(id, 0), 7)))).await.unwrap();
        if id % 4 == 0 {
            // An honest one in between, which is in use and so is not forgotten: its retry is known.
            let sent = batch(&["honest"], Some((identity(1, 0), sequence)));
            let first = produce(&broker, partition("events", 0), sent.clone()).await.unwrap();
            assert_eq!(produce(&broker, partition("events", 0), sent).await.unwrap().base_offset, first.base_offset);
            sequence += 1;
        }
        // Another partition has its share, however full the first.
        if id % 50 == 0 {
            produce(
                &broker,
                partition("events", 1),
                batch(&["x"], Some((identity(2, 0), i32::try_from(id / 50 - 2).unwrap()))),
            )
            .await
            .unwrap();
        }
        assert!(broker.remembered_producers() <= 16 + 2, "{}", broker.remembered_producers());
    }
    // What is rebuilt from the log is bounded too.
    drop(broker);
    memory.logs.crash(&ottla_backends::memory::Keep::All);
    broker = Broker::start(config, memory.reopen().backend(), env).await.unwrap();
    assert!((2..=16 + 2).contains(&broker.remembered_producers()), "{}", broker.remembered_producers());
    // Gone with its topic.
    broker.delete_topics(vec![name("events")]).await.unwrap().remove(0).unwrap();
    assert_eq!(broker.remembered_producers(), 0);
}
