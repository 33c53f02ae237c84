//! librdkafka's administrator.

use ottla_librdkafka::{Served, Storage, ours, theirs};
use rdkafka::admin::{AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::{on_every_storage, with_topic};

on_every_storage!(
    topics_are_made_grown_and_deleted,
    configurations_are_described_and_altered,
    records_are_deleted,
    groups_are_deleted,
);

async fn topics_are_made_grown_and_deleted(storage: Storage) {
    with_topic(storage, 1, async |served: &Served| {
        let (admin, options) = (theirs::admin(&served.address()), theirs::patient());
        let again = NewTopic::new("t", 1, TopicReplication::Fixed(1));
        let more = NewTopic::new("more", 3, TopicReplication::Fixed(1)).set("retention.ms", "1234567");
        let bad = NewTopic::new("bad", 1, TopicReplication::Fixed(1)).set("retention.ms", "soon");
        let name = NewTopic::new("no/topic", 1, TopicReplication::Fixed(1));
        let told = admin.create_topics([&again, &more, &bad, &name], &options).await.unwrap();
        assert_eq!(
            told,
            [
                Err(("t".to_owned(), RDKafkaErrorCode::TopicAlreadyExists)),
                Ok("more".to_owned()),
                Err(("bad".to_owned(), RDKafkaErrorCode::InvalidConfig)),
                Err(("no/topic".to_owned(), RDKafkaErrorCode::InvalidTopic)),
            ]
        );
        let dry = NewTopic::new("dry", 3, TopicReplication::Fixed(1));
        let told = admin.create_topics([&dry], &options.validate_only(true)).await.unwrap();
        assert_eq!(told, [Ok("dry".to_owned())]);
        let options = theirs::patient();
        let grown = [NewPartitions::new("more", 5), NewPartitions::new("t", 1)];
        let told = admin.create_partitions(&grown, &options).await.unwrap();
        assert_eq!(told, [Ok("more".to_owned()), Err(("t".to_owned(), RDKafkaErrorCode::InvalidPartitions))]);
        let metadata = admin.inner().fetch_metadata(None, theirs::PATIENCE).unwrap();
        let mut topics: Vec<_> =
            metadata.topics().iter().map(|topic| (topic.name().to_owned(), topic.partitions().len())).collect();
        topics.sort();
        assert_eq!(topics, [("more".to_owned(), 5), ("t".to_owned(), 1)]);
        let told = admin.delete_topics(&["more", "never"], &options).await.unwrap();
        assert_eq!(told, [Ok("more".to_owned()), Err(("never".to_owned(), RDKafkaErrorCode::UnknownTopicOrPartition))]);
    })
    .await;
}

async fn configurations_are_described_and_altered(storage: Storage) {
    with_topic(storage, 1, async |served: &Served| {
        let (admin, options) = (theirs::admin(&served.address()), theirs::patient());
        let value = async |name: &str| {
            let described = admin.describe_configs([&ResourceSpecifier::Topic("t")], &options).await.unwrap();
            let described = described.into_iter().next().unwrap().unwrap();
            let entry = described.get(name).unwrap();
            (entry.value.clone().unwrap(), entry.is_default)
        };
        assert!(value("retention.ms").await.1);
        let altered = AlterConfig::new(ResourceSpecifier::Topic("t")).set("retention.ms", "777000");
        for told in admin.alter_configs([&altered], &options).await.unwrap() {
            told.unwrap();
        }
        assert_eq!(value("retention.ms").await, ("777000".to_owned(), false));
        let broker = admin.describe_configs([&ResourceSpecifier::Broker(0)], &options).await.unwrap();
        assert!(broker.into_iter().next().unwrap().unwrap().get("num.partitions").is_some());
        let nowhere = admin.describe_configs([&ResourceSpecifier::Topic("never")], &options).await.unwrap();
        // The crate keeps the error to itself.
        assert!(nowhere.into_iter().next().unwrap().unwrap().entries.is_empty());
    })
    .await;
}

async fn records_are_deleted(storage: Storage) {
    with_topic(storage, 2, async |served: &Served| {
        let producer = theirs::producer(&served.address(), &[]);
        theirs::send(&producer, "t", 0, 0..100).await;
        theirs::send(&producer, "t", 1, 0..100).await;
        let mut before = TopicPartitionList::new();
        before.add_partition_offset("t", 0, Offset::Offset(40)).unwrap();
        before.add_partition_offset("t", 1, Offset::End).unwrap();
        let told = theirs::admin(&served.address()).delete_records(&before, &theirs::patient()).await.unwrap();
        let low: Vec<_> = told.elements().iter().map(|element| element.offset()).collect();
        assert_eq!(low, [Offset::Offset(40), Offset::Offset(100)]);
        let client = ours::client(&served.address()).await;
        assert_eq!(ours::numbers(&client, "t", 0).await, (40..100).collect::<Vec<_>>());
        assert_eq!(ours::numbers(&client, "t", 1).await, [0; 0]);
        let consumer = theirs::consumer(&served.address(), "g", &[]);
        assert_eq!(consumer.fetch_watermarks("t", 0, theirs::PATIENCE).unwrap(), (40, 100));
        assert_eq!(consumer.fetch_watermarks("t", 1, theirs::PATIENCE).unwrap(), (100, 100));
    })
    .await;
}

async fn groups_are_deleted(storage: Storage) {
    with_topic(storage, 1, async |served: &Served| {
        let consumer = theirs::consumer(&served.address(), "g", &[]);
        let mut commit = TopicPartitionList::new();
        commit.add_partition_offset("t", 0, Offset::Offset(5)).unwrap();
        consumer.commit(&commit, CommitMode::Sync).unwrap();
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition("t", 0);
        let found = consumer.committed_offsets(wanted.clone(), theirs::PATIENCE).unwrap();
        assert_eq!(found.elements()[0].offset(), Offset::Offset(5));
        let told = theirs::admin(&served.address()).delete_groups(&["g", "never"], &theirs::patient()).await.unwrap();
        assert_eq!(told, [Ok("g".to_owned()), Err(("never".to_owned(), RDKafkaErrorCode::GroupIdNotFound))]);
        let found = consumer.committed_offsets(wanted, theirs::PATIENCE).unwrap();
        assert_eq!(found.elements()[0].offset(), Offset::Invalid);
    })
    .await;
}
