//! Each error names the thing and the remedy.

use std::collections::BTreeMap;

use ottla::{Error, Json, NewTopic, Offset, Raw, Record, producer};

use super::*;

pub(super) async fn unknown_things_are_named(place: &impl Place) {
    let client = client_with(place, "t", 2).await;
    let producer = client.producer().build().await.unwrap();
    let error = producer.send(Record::to("nope").value("v")).await.unwrap_err().to_string();
    assert!(error.contains("`nope` does not exist: create it"), "{error}");
    let error = producer.send(Record::to("t").partition(7).value("v")).await.unwrap_err().to_string();
    assert!(error.contains("`t` has no partition 7: it has 2"), "{error}");
    let error = client.reader().topic("nope").build().await.unwrap_err().to_string();
    assert!(error.contains("`nope` does not exist: create it"), "{error}");
    let error = client.admin().delete_topic("nope").await.unwrap_err().to_string();
    assert!(error.starts_with("cannot delete topic `nope`: "), "{error}");
    let error = client.admin().create_topic(NewTopic::new("no/slash")).await.unwrap_err().to_string();
    assert!(error.contains("`no/slash` is not a topic name: only ASCII letters"), "{error}");
    let error = client.admin().delete_records("t", 0, Offset(9)).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot delete the records of t-0 before offset 9: "), "{error}");
}

pub(super) async fn too_large_is_refused(place: &impl Place) {
    let client = place.connect().await;
    client.admin().create_topic(NewTopic::new("t").config("max.message.bytes", 1_000)).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    for size in [5_000, 5_000_000] {
        let error = producer.send(Record::to("t").value(vec![0; size])).await.unwrap_err();
        assert!(!error.may_have_been_written() && !error.is_retriable() && !error.is_fatal());
        assert_eq!(error.kafka_code(), Some(ottla::ErrorCode::MessageTooLarge), "{error}");
    }
    producer.send(Record::to("t").value("small")).await.unwrap();
}

pub(super) async fn an_encoder_that_fails_enqueues_nothing(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    let producer = client.producer().build().await.unwrap();
    // JSON has no keys that are lists.
    let typed = producer.typed(Raw, Json::<BTreeMap<Vec<u8>, u8>>::new());
    let bad = BTreeMap::from([(vec![1], 1)]);
    let error = typed.send("t", &"k".into(), &bad).await.unwrap_err();
    assert!(matches!(error, producer::Error::Encode { part: "value", .. }));
    assert!(error.to_string().contains("the value of a record for topic `t`"), "{error}");
    assert!(error.to_string().contains("key must be a string"), "{error}");
    assert_eq!(producer.unacked_bytes(), 0);
    assert!(values(&client, "t", 0, At::Earliest).await.is_empty());
    let any: Error = error.into();
    assert!(!any.is_retriable() && !any.may_have_been_written());
}

pub(super) async fn a_full_buffer_gives_the_record_back(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    let producer = client.producer().batch_bytes(2_000).max_unacked_bytes(4_000).build().await.unwrap();
    let permit = producer.reserve(3_900).await.unwrap();
    let refused = producer.try_enqueue(Record::to("t").value(vec![7; 500])).unwrap_err();
    assert!(refused.to_string().contains("4000 bytes (`max_unacked_bytes`)"), "{refused}");
    assert!(refused.error.is_retriable());
    drop(permit);
    producer.send(*refused.record).await.unwrap();
}
