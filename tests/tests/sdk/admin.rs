//! Topics and configs.

use ottla::{Error, ErrorCode, NewTopic, Offset, OffsetSpec, Record};

use super::*;

pub(super) async fn topics_are_made_described_and_deleted(place: &impl Place) {
    let admin = place.connect().await.admin();
    let id = admin.create_topic(NewTopic::new("b").partitions(3)).await.unwrap();
    admin.create_topic(NewTopic::new("a")).await.unwrap();
    let topics = admin.list_topics().await.unwrap();
    assert_eq!(topics.iter().map(|topic| topic.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let topic = admin.describe_topic("b").await.unwrap();
    assert_eq!((topic.id, topic.partitions.len()), (id, 3));
    let error = admin.create_topic(NewTopic::new("b")).await.unwrap_err();
    assert_eq!(error.kafka_code(), Some(ErrorCode::TopicAlreadyExists));
    admin.delete_topic("b").await.unwrap();
    let error = admin.describe_topic("b").await.unwrap_err();
    assert_eq!(error.kafka_code(), Some(ErrorCode::UnknownTopicOrPartition));
    assert_ne!(admin.create_topic(NewTopic::new("b")).await.unwrap(), id, "another topic of the same name");
}

pub(super) async fn ensure_is_idempotent_and_not_silent(place: &impl Place) {
    let admin = place.connect().await.admin();
    let topic = || NewTopic::new("t").partitions(3).retention(Duration::from_secs(3_600));
    admin.ensure_topic(topic()).await.unwrap();
    admin.ensure_topic(topic()).await.unwrap();
    admin.ensure_topic(NewTopic::new("t").partitions(2)).await.unwrap();
    let error = admin.ensure_topic(topic().partitions(4)).await.unwrap_err();
    assert!(matches!(error, Error::TopicDiffers { .. }));
    assert!(error.to_string().contains("it has 3 partitions and not 4"), "{error}");
    let error = admin.ensure_topic(topic().retention(Duration::from_secs(1))).await.unwrap_err().to_string();
    assert!(
        error.contains("its `retention.ms` is 3600000 and not 1000: ask for that, or call `alter_configs`"),
        "{error}"
    );
}

pub(super) async fn partitions_are_added_and_followed(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    let builder = client.reader().topic("t").metadata_refresh(Duration::from_millis(20));
    let mut reader = builder.build().await.unwrap();
    client.admin().add_partitions("t", 3).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    producer.send(Record::to("t").partition(2).value("7")).await.unwrap();
    let message = reader.next().await.unwrap().unwrap();
    assert_eq!((message.partition(), number(&message)), (2, 7));
    let error = client.admin().add_partitions("t", 2).await.unwrap_err();
    assert_eq!(error.kafka_code(), Some(ErrorCode::InvalidPartitions));
    assert!(error.to_string().starts_with("cannot raise topic `t` to 2 partitions: "), "{error}");
}

pub(super) async fn configs_are_described_and_altered(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    let admin = client.admin();
    let value = async |name: &str| {
        let configs = admin.describe_configs("t").await.unwrap();
        configs.into_iter().find(|entry| entry.name == name).unwrap().value
    };
    assert_eq!(value("retention.ms").await, "604800000");
    admin.alter_configs("t", [("retention.ms", Some("5000")), ("max.message.bytes", Some("2000"))]).await.unwrap();
    assert_eq!((value("retention.ms").await, value("max.message.bytes").await), ("5000".into(), "2000".into()));
    admin.alter_configs("t", [("retention.ms", None::<&str>)]).await.unwrap();
    assert_eq!(value("retention.ms").await, "604800000");
    let error = admin.alter_configs("t", [("retention.sm", Some("1"))]).await.unwrap_err();
    assert_eq!(error.kafka_code(), Some(ErrorCode::InvalidConfig));
    assert!(error.to_string().contains("did you mean `retention.ms`?"), "{error}");
    let error = admin.create_topic(NewTopic::new("c").config("cleanup.policy", "compact")).await.unwrap_err();
    assert!(error.to_string().contains("compact"), "{error}");
}

pub(super) async fn offsets_are_looked_up(place: &impl Place) {
    let client = client_with(place, "t", 2).await;
    let producer = client.producer().build().await.unwrap();
    for n in 0..10_i64 {
        let record = Record::to("t").partition(1).value(n.to_string()).timestamp_ms(1_700_000_000_000 + n);
        producer.send(record).await.unwrap();
    }
    client.admin().delete_records("t", 1, Offset(3)).await.unwrap();
    let offset = async |spec| client.admin().offsets("t", spec).await.unwrap()[&1];
    assert_eq!(offset(OffsetSpec::Earliest).await, Some(Offset(3)));
    assert_eq!(offset(OffsetSpec::Latest).await, Some(Offset(10)));
    assert_eq!(offset(OffsetSpec::Timestamp(1_700_000_000_005)).await, Some(Offset(5)));
    assert_eq!(offset(OffsetSpec::Timestamp(1_700_000_000_010)).await, None);
}
