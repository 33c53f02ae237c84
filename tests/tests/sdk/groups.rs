//! Groups as their administration shows them.

use std::collections::BTreeMap;

use ottla::{Admin, Client, Error, ErrorCode, GroupState, Offset, TopicName, TopicPartition};

use super::*;

fn of(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(TopicName::new(topic).unwrap(), partition)
}

async fn offsets(admin: &Admin, group: &str) -> BTreeMap<i32, i64> {
    let offsets = admin.group_offsets(group).await.unwrap();
    offsets.into_iter().map(|(of, committed)| (of.partition, committed.offset.0)).collect()
}

async fn names(admin: &Admin) -> Vec<String> {
    admin.list_groups().await.unwrap().into_iter().map(|group| group.group.to_string()).collect()
}

pub(super) async fn offsets_are_set_read_and_forgotten(place: &impl Place) {
    let client = client_with(place, "emails", 3).await;
    let admin = client.admin();
    assert_eq!(names(&admin).await, Vec::<String>::new());
    assert_eq!(offsets(&admin, "nobody").await, BTreeMap::new());
    admin.alter_group_offsets("a", [(of("emails", 0), Offset(5)), (of("emails", 2), Offset(7))]).await.unwrap();
    admin.alter_group_offsets("b", [(of("emails", 1), Offset(1))]).await.unwrap();
    assert_eq!(offsets(&admin, "a").await, BTreeMap::from([(0, 5), (2, 7)]));
    assert_eq!(names(&admin).await, ["a", "b"]);
    let group = admin.describe_group("a").await.unwrap();
    assert_eq!((group.state, group.members.len(), group.owners().len()), (GroupState::Empty, 0, 0));

    admin.delete_group_offsets("a", [of("emails", 0)]).await.unwrap();
    assert_eq!(offsets(&admin, "a").await, BTreeMap::from([(2, 7)]));
    admin.delete_group("a").await.unwrap();
    assert_eq!(names(&admin).await, ["b"]);
    admin.delete_topic("emails").await.unwrap();
    assert_eq!(names(&admin).await, Vec::<String>::new());
    client.close(PATIENCE).await.unwrap();
}

pub(super) async fn lag_is_counted(place: &impl Place) {
    let client = client_with(place, "emails", 2).await;
    let producer = client.producer().build().await.unwrap();
    produce(&producer, "emails", 0, 0..10).await;
    produce(&producer, "emails", 1, 0..4).await;
    let admin = client.admin();
    admin.alter_group_offsets("g", [(of("emails", 0), Offset(3)), (of("emails", 1), Offset(4))]).await.unwrap();
    let lag: Vec<_> = admin.group_lag("g").await.unwrap().into_values().map(|lag| lag.offsets()).collect();
    assert_eq!(lag, [7, 0]);
    client.close(PATIENCE).await.unwrap();
}

pub(super) async fn groups_outlive_a_restart(place: &impl Place) {
    let client = client_with(place, "emails", 1).await;
    for group in 0..100_i32 {
        let offset = Offset(i64::from(group));
        client.admin().alter_group_offsets(format!("g-{group}"), [(of("emails", 0), offset)]).await.unwrap();
    }
    client.close(PATIENCE).await.unwrap();
    let client: Client = place.connect().await;
    assert_eq!(names(&client.admin()).await.len(), 100);
    for group in 0..100_i32 {
        let expected = BTreeMap::from([(0, i64::from(group))]);
        assert_eq!(offsets(&client.admin(), &format!("g-{group}")).await, expected);
    }
    client.close(PATIENCE).await.unwrap();
}

pub(super) async fn groups_that_are_not_there_are_named(place: &impl Place) {
    let client = client_with(place, "emails", 1).await;
    let admin = client.admin();
    let errors = [
        admin.describe_group("nobody").await.unwrap_err(),
        admin.delete_group("nobody").await.unwrap_err(),
        admin.delete_group_offsets("nobody", [of("emails", 0)]).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kafka_code(), Some(ErrorCode::GroupIdNotFound), "{error}");
        assert!(error.to_string().contains("nobody"), "{error}");
    }
    let error = admin.alter_group_offsets("g", [(of("letters", 0), Offset(1))]).await.unwrap_err();
    assert_eq!(error.kafka_code(), Some(ErrorCode::UnknownTopicOrPartition));
    assert!(error.to_string().contains("letters"), "{error}");
    let error = admin.alter_group_offsets("g", [(of("emails", 0), Offset(-2))]).await.unwrap_err();
    assert_eq!(error.kafka_code(), Some(ErrorCode::InvalidRequest));
    let error = admin.list_groups().await;
    assert!(error.unwrap().is_empty(), "a refused commit makes no group");
    client.close(PATIENCE).await.unwrap();
    assert!(matches!(admin.list_groups().await.unwrap_err(), Error::Closed { .. }));
}
