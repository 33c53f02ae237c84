//! Groups with members as the SDK's admin shows them.

use ottla::{Client, ErrorCode, GroupState, Record};
use ottla_broker_core::Offset;

use super::support::*;

#[tokio::test(start_paused = true)]
async fn members_and_what_they_own_are_described() {
    let (_, _, broker, _keeper) = fresh("g").await;
    let client = Client::embedded(&broker).await.unwrap();
    let admin = client.admin();
    let (first, second) = pair(&broker, "g").await;
    let group = admin.describe_group("g").await.unwrap();
    assert_eq!((group.state, &*group.assignor), (GroupState::Stable, "range"));
    let owners: Vec<_> = group.owners().into_iter().map(|(of, owner)| (of.partition, owner)).collect();
    assert_eq!(owners, [(0, first.member.clone()), (1, first.member.clone()), (2, second.member.clone())]);
    for member in &group.members {
        assert_eq!(member.subscription.as_ref().unwrap().topics, [name("emails")]);
        assert_eq!(&*member.client_id, "test");
    }

    // Offsets of a group at work are its members' business.
    let refused = admin.alter_group_offsets("g", [(partition("emails", 0), Offset(1))]).await.unwrap_err();
    assert_eq!(refused.kafka_code(), Some(ErrorCode::UnknownMemberId));
    assert!(refused.to_string().contains("group g has members"), "{refused}");
    let refused = admin.delete_group_offsets("g", [partition("emails", 0)]).await.unwrap_err();
    assert_eq!(refused.kafka_code(), Some(ErrorCode::GroupSubscribedToTopic));
    assert_eq!(admin.delete_group("g").await.unwrap_err().kafka_code(), Some(ErrorCode::NonEmptyGroup));

    let producer = client.producer().build().await.unwrap();
    for n in 0..10 {
        producer.send(Record::to("emails").partition(0).value(format!("{n}"))).await.unwrap();
    }
    broker.offset_commit(commit("g", Some(&first), partition("emails", 0), 4)).await.unwrap().remove(0).unwrap();
    let lag = admin.group_lag("g").await.unwrap();
    assert_eq!(lag.len(), 1);
    let lag = lag[&partition("emails", 0)];
    assert_eq!((lag.committed, lag.end, lag.offsets()), (Offset(4), Offset(10), 6));
    client.close(LIMIT).await.unwrap();
}
