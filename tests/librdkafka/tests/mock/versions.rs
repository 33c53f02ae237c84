//! Clusters that speak older versions.

use ottla_librdkafka::ours;
use rdkafka::types::RDKafkaApiKey as Api;

use super::*;

/// What the brokers of a release speak at most.
type Release = [(Api, i16); 12];

/// Kafka 2.1, the oldest that the brokers of today's clients have to be.
const KAFKA_2_1: Release = [
    (Api::Produce, 7),
    (Api::Fetch, 10),
    (Api::ListOffsets, 4),
    (Api::Metadata, 7),
    (Api::OffsetCommit, 6),
    (Api::OffsetFetch, 5),
    (Api::FindCoordinator, 2),
    (Api::JoinGroup, 3),
    (Api::Heartbeat, 2),
    (Api::LeaveGroup, 2),
    (Api::SyncGroup, 2),
    (Api::InitProducerId, 1),
];

/// Kafka 2.4, the first with flexible versions; but for those that the mock cluster misreads.
const KAFKA_2_4: Release = [
    (Api::Produce, 8),
    (Api::Fetch, 11),
    (Api::ListOffsets, 5),
    (Api::Metadata, 9),
    (Api::OffsetCommit, 8),
    (Api::OffsetFetch, 6),
    (Api::FindCoordinator, 3),
    (Api::JoinGroup, 5),
    (Api::Heartbeat, 4),
    (Api::LeaveGroup, 2),
    (Api::SyncGroup, 3),
    (Api::InitProducerId, 2),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_brokers_are_spoken_to_as_they_speak() {
    in_time(async {
        for release in [KAFKA_2_1, KAFKA_2_4] {
            let mock = mock(1);
            for (api, newest) in release {
                mock.apiversion(api, Some(0), Some(newest)).unwrap();
            }
            let client = client(&mock).await;
            let producer = client.producer().build().await.unwrap();
            ours::send(&producer, "t", 0, 0..100).await;
            assert_eq!(ours::numbers(&client, "t", 0).await, (0..100).collect::<Vec<_>>());
            for from in [0, 50] {
                let mut consumer = member(&client).build().await.unwrap();
                for expected in from..from + 50 {
                    let message = consumer.next().await.unwrap().unwrap();
                    assert_eq!(ours::number(message.value().map(|value| &value[..])), expected);
                    message.ack();
                }
                consumer.handle().shutdown(ours::PATIENCE).await.unwrap();
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_without_what_is_asked_for_is_told_so() {
    in_time(async {
        let mock = mock(1);
        mock.apiversion(Api::InitProducerId, None, None).unwrap();
        let client = client(&mock).await;
        let error = client.producer().build().await.unwrap_err();
        assert!(!error.is_retriable(), "{error}");
        let producer = client.producer().idempotent(false).build().await.unwrap();
        ours::send(&producer, "t", 0, 0..10).await;
        assert_eq!(ours::numbers(&client, "t", 0).await.len(), 10);
    })
    .await;
}
