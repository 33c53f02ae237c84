//! Where a group begins, goes and stands.

use ottla::consumer::{Error, IfNoOffset};
use ottla::{Commit, Offset};

use super::*;

pub(crate) async fn a_group_begins_where_it_is_told(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    let producer = client.producer().build().await.unwrap();
    produce(&producer, "t", 0, 0..10).await;
    for (group, at, expected) in [
        ("earliest", At::Earliest, 0),
        ("offset", At::Offset(Offset(4)), 4),
        ("tail", At::Tail(3), 7),
        ("time", At::Time(0), 0),
    ] {
        let mut consumer = quick(&client, group).if_no_offset(at).build().await.unwrap();
        assert_eq!(value(&consumer.next().await.unwrap().unwrap()), expected, "{group}");
    }
    // From the end: where that was is committed, so that a crash before the first message misses nothing.
    let mut latest = quick(&client, "latest").if_no_offset(At::Latest).build().await.unwrap();
    let handle = latest.handle();
    while handle.position(&tp("t", 0)).is_none() {
        assert!(latest.try_next().unwrap().is_none());
        tokio::task::yield_now().await;
    }
    handle.commit().await.unwrap();
    assert_eq!(committed(&handle, 1).await, [10]);
    // Again and again: a seek that met the partition on its way from the background task was lost.
    for round in 0..64 {
        let group = format!("fails-{round}");
        let mut fails = quick(&client, &group).if_no_offset(IfNoOffset::Fail).build().await.unwrap();
        let error = fails.next().await.unwrap_err();
        assert!(matches!(&error, Error::NoOffset { partition, .. } if *partition == tp("t", 0)), "{error}");
        fails.handle().seek(&tp("t", 0), At::Offset(Offset(9))).unwrap();
        assert_eq!(value(&fails.next().await.unwrap().unwrap()), 9);
    }
}

pub(crate) async fn pause_resume_seek_position_and_lag(place: &impl Place) {
    let client = client_with(place, "t", 2).await;
    let producer = client.producer().build().await.unwrap();
    produce(&producer, "t", 0, 0..10).await;
    let mut consumer = quick(&client, "g").build().await.unwrap();
    let handle = consumer.handle();
    let first = consumer.next().await.unwrap().unwrap();
    assert_eq!((value(&first), handle.position(&tp("t", 0)), handle.lag(&tp("t", 0))), (0, Some(Offset(1)), Some(9)));
    handle.pause(&tp("t", 0)).unwrap();
    produce(&producer, "t", 1, 0..1).await;
    let other = consumer.next().await.unwrap().unwrap();
    assert_eq!(other.partition(), 1, "the other partition goes on");
    assert!(consumer.try_next().unwrap().is_none());
    handle.resume(&tp("t", 0)).unwrap();
    assert_eq!(value(&consumer.next().await.unwrap().unwrap()), 1, "nothing was lost by the pause");
    // Back, and what was handed over before no longer counts.
    handle.seek(&tp("t", 0), At::Offset(Offset(7))).unwrap();
    assert_eq!(first.ack(), ottla::consumer::Acked::Revoked);
    let message = consumer.next().await.unwrap().unwrap();
    assert_eq!(value(&message), 7);
    message.ack();
    handle.commit().await.unwrap();
    assert_eq!(committed(&handle, 2).await, [8, 0]);
    handle.seek(&tp("t", 0), At::Earliest).unwrap();
    for expected in 0..3 {
        let message = consumer.next().await.unwrap().unwrap();
        assert_eq!(value(&message), expected);
        message.ack();
    }
    handle.commit().await.unwrap();
    assert_eq!(committed(&handle, 2).await, [3, 0], "the commit follows the replay");
    let timestamp = consumer.next().await.unwrap().unwrap().timestamp_ms();
    let times = handle.offsets_for_times([(tp("t", 0), timestamp), (tp("t", 0), i64::MAX)]).await.unwrap();
    assert!(times[0].is_some_and(|offset| offset <= Offset(3)) && times[1].is_none(), "{times:?}");
    let error = handle.seek(&tp("t", 9), At::Earliest).unwrap_err();
    assert!(matches!(&error, Error::NotAssigned { .. }) && error.to_string().contains("t-9"), "{error}");
    assert!(matches!(handle.seek(&tp("t", 0), At::Offset(Offset(-1))), Err(Error::Invalid { .. })));
    let negative = handle.commit_offsets([(tp("t", 0), Offset(-2), String::new())]).await;
    assert!(matches!(negative, Err(Error::Invalid { .. })), "{negative:?}");
    handle.commit_offsets([(tp("t", 0), Offset(5), "a note".to_owned())]).await.unwrap();
    let answers = handle.committed([tp("t", 0)]).await.unwrap();
    let answer = answers[0].clone().unwrap();
    assert_eq!((answer.offset, &*answer.metadata), (Offset(5), "a note"));
}

pub(crate) async fn offsets_of_the_application_need_no_group(place: &impl Place) {
    let client = client_with(place, "t", 2).await;
    let producer = client.producer().build().await.unwrap();
    produce(&producer, "t", 1, 0..10).await;
    let builder = client.consumer("mine").assign([("t", 1)]).commit(Commit::Application);
    let mut consumer = builder.build().await.unwrap();
    let handle = consumer.handle();
    while handle.assignment().is_empty() {
        tokio::task::yield_now().await;
    }
    handle.seek(&tp("t", 1), At::Offset(Offset(6))).unwrap();
    for expected in 6..10 {
        let message = consumer.next().await.unwrap().unwrap();
        assert_eq!((value(&message), message.partition()), (expected, 1));
    }
    assert!(matches!(handle.commit().await, Err(Error::NotKept { .. })));
    handle.shutdown(PATIENCE).await.unwrap();
    assert!(consumer.next().await.unwrap().is_none());
    assert_eq!(committed(&handle, 2).await, [0, 0]);
    // Without membership offsets may be kept in the group's name.
    let mut simple = client.consumer("simple").assign([("t", 1)]).build().await.unwrap();
    for _ in 0..3 {
        simple.next().await.unwrap().unwrap().ack();
    }
    simple.handle().shutdown(PATIENCE).await.unwrap();
    let mut again = client.consumer("simple").assign([("t", 1)]).build().await.unwrap();
    assert_eq!(value(&again.next().await.unwrap().unwrap()), 3);
}

pub(crate) async fn wrong_settings_are_named(place: &impl Place) {
    let client = client_with(place, "t", 1).await;
    let errors = [
        (client.consumer("g").build().await, "call `topics(..)`"),
        (client.consumer("").topics(["t"]).build().await, "its name is empty"),
        (client.consumer("g").topics(["nowhere"]).build().await, "cannot consume topic `nowhere`"),
        (client.consumer("g").assign([("t", 7)]).build().await, "there is no t-7"),
        (client.consumer("g").topics(["t"]).max_unacked(0).build().await, "`max_unacked` is 1 to"),
        (client.consumer("g").topics(["t"]).session_timeout(Duration::ZERO).build().await, "`session_timeout`"),
        (client.consumer("g").topics(["t"]).assign([("t", 0)]).build().await, "does not go with"),
    ];
    for (built, expected) in errors {
        let error = built.unwrap_err();
        assert!(error.to_string().contains(expected) && error.is_fatal(), "{error}");
    }
    // The group does not take such a session time-out, and next says so rather than wait.
    let mut consumer = quick(&client, "g").session_timeout(Duration::from_secs(40_000)).build().await.unwrap();
    let error = consumer.next().await.unwrap_err();
    assert!(error.is_fatal() && error.kafka_code() == Some(ottla::ErrorCode::InvalidSessionTimeout), "{error}");
    assert!(consumer.next().await.unwrap().is_none());
}
