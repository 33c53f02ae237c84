//! Errors, and brokers that go and come.

use ottla::{At, ErrorCode, Record};
use ottla_librdkafka::ours;
use rdkafka::mocking::MockCluster;
use rdkafka::types::RDKafkaApiKey as Api;
use rdkafka::types::RDKafkaRespErr as E;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retriable_refusal_of_a_batch_is_tried_again() {
    in_time(async {
        let mock = mock(1);
        let client = client(&mock).await;
        let producer = client.producer().batch_bytes(1_024).build().await.unwrap();
        let errors = [
            E::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            E::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
            E::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
            E::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            E::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
            E::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
            E::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
            E::RD_KAFKA_RESP_ERR__TRANSPORT,
        ];
        for (round, error) in (0..).zip(errors) {
            mock.request_errors(Api::Produce, &[error]);
            ours::send(&producer, "t", 0, round * 10..(round + 1) * 10).await;
        }
        let expected: Vec<_> = (0..10 * errors.len() as i64).collect();
        assert_eq!(ours::numbers(&client, "t", 0).await, expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_refusals_in_a_row_keep_the_order() {
    in_time(async {
        let mock = mock(1);
        let client = client(&mock).await;
        let producer = client.producer().batch_bytes(1_024).max_in_flight(5).build().await.unwrap();
        for _ in 0..5 {
            let errors = [E::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION; 7];
            mock.request_errors(Api::Produce, &errors);
        }
        ours::send(&producer, "t", 0, 0..2_000).await;
        assert_eq!(ours::numbers(&client, "t", 0).await, (0..2_000).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_final_refusal_is_told_and_the_producer_goes_on() {
    in_time(async {
        let mock = mock(1);
        let client = client(&mock).await;
        let producer = client.producer().build().await.unwrap();
        for (error, code) in [
            (E::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, ErrorCode::MessageTooLarge),
            (E::RD_KAFKA_RESP_ERR_INVALID_RECORD, ErrorCode::InvalidRecord),
            (E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ErrorCode::TopicAuthorizationFailed),
        ] {
            mock.request_errors(Api::Produce, &[error]);
            let refused = producer.send(Record::to("t").value("x")).await.unwrap_err();
            assert_eq!(refused.kafka_code(), Some(code), "{refused}");
            assert!(!refused.is_retriable() && !refused.may_have_been_written(), "{refused}");
        }
        producer.send(Record::to("t").value("0")).await.unwrap();
        assert_eq!(ours::numbers(&client, "t", 0).await, [0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_is_asked_for_until_there_is_one() {
    in_time(async {
        let mock = mock(1);
        let client = client(&mock).await;
        let errors =
            [E::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, E::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE];
        mock.request_errors(Api::InitProducerId, &errors);
        let producer = client.producer().build().await.unwrap();
        ours::send(&producer, "t", 0, 0..10).await;
        assert_eq!(ours::numbers(&client, "t", 0).await.len(), 10);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_outlives_errors_of_every_request_it_makes() {
    in_time(async {
        let mock = mock(1);
        let client = client(&mock).await;
        let producer = client.producer().build().await.unwrap();
        ours::send(&producer, "t", 0, 0..10).await;
        mock.request_errors(
            Api::ListOffsets,
            &[E::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, E::RD_KAFKA_RESP_ERR__TRANSPORT],
        );
        let follow = client.reader().partition("t", 0).start(At::Earliest).follow();
        let mut reader = follow.build().await.unwrap();
        for expected in 0..5 {
            let message = reader.next().await.unwrap().unwrap();
            assert_eq!(ours::number(message.value().map(|value| &value[..])), expected);
        }
        mock.request_errors(
            Api::Fetch,
            &[
                E::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                E::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                E::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
                E::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
                E::RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH,
                E::RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH,
                E::RD_KAFKA_RESP_ERR__TRANSPORT,
            ],
        );
        mock.request_errors(
            Api::Metadata,
            &[E::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, E::RD_KAFKA_RESP_ERR__TRANSPORT],
        );
        ours::send(&producer, "t", 0, 10..20).await;
        for expected in 5..20 {
            let message = reader.next().await.unwrap().unwrap();
            assert_eq!(ours::number(message.value().map(|value| &value[..])), expected);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_goes_and_comes_back_is_waited_for() {
    in_time(async {
        let mock = mock(1);
        mock.partition_leader("t", 0, Some(2)).unwrap();
        let client = client(&mock).await;
        let producer = client.producer().build().await.unwrap();
        let follow = client.reader().partition("t", 0).start(At::Earliest).follow();
        let mut reader = follow.build().await.unwrap();
        let mut expected = 0;
        for _ in 0..3 {
            ours::send(&producer, "t", 0, expected..expected + 10).await;
            for _ in 0..10 {
                let message = reader.next().await.unwrap().unwrap();
                assert_eq!(ours::number(message.value().map(|value| &value[..])), expected);
                expected += 1;
            }
            mock.broker_down(2).unwrap();
            let sent = producer.enqueue(Record::to("t").partition(0).value(expected.to_string())).await.unwrap();
            // Others tell of it meanwhile.
            client.admin().describe_topic("t").await.unwrap();
            mock.broker_up(2).unwrap();
            sent.await.unwrap();
            let message = reader.next().await.unwrap().unwrap();
            assert_eq!(ours::number(message.value().map(|value| &value[..])), expected);
            expected += 1;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_fails_over_to_another_broker() {
    in_time(async {
        let mock = mock(1);
        let client = client(&mock).await;
        let producer = client.producer().build().await.unwrap();
        let follow = client.reader().partition("t", 0).start(At::Earliest).follow();
        let mut reader = follow.build().await.unwrap();
        let mut expected = 0;
        for (down, leader) in [(3, 1), (1, 2), (2, 3)] {
            mock.partition_leader("t", 0, Some(leader)).unwrap();
            mock.broker_down(down).unwrap();
            ours::send(&producer, "t", 0, expected..expected + 10).await;
            for _ in 0..10 {
                let message = reader.next().await.unwrap().unwrap();
                assert_eq!(ours::number(message.value().map(|value| &value[..])), expected);
                expected += 1;
            }
            mock.broker_up(down).unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_which_one_bootstrap_broker_is_down_is_found() {
    in_time(async {
        let mock = MockCluster::new(3).unwrap();
        mock.create_topic("t", 1, 1).unwrap();
        mock.partition_leader("t", 0, Some(3)).unwrap();
        mock.broker_down(1).unwrap();
        let client = client(&mock).await;
        let producer = client.producer().build().await.unwrap();
        ours::send(&producer, "t", 0, 0..10).await;
        mock.broker_up(1).unwrap();
        mock.broker_down(2).unwrap();
        assert_eq!(ours::numbers(&client, "t", 0).await.len(), 10);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_topic_is_told() {
    in_time(async {
        let mock = mock(1);
        let client = client(&mock).await;
        mock.topic_error("gone", E::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
        let error = client.admin().describe_topic("gone").await.unwrap_err();
        assert_eq!(error.kafka_code(), Some(ErrorCode::UnknownTopicOrPartition), "{error}");
    })
    .await;
}
