//! Where reading begins, ends and goes on.

use super::fake::{Fake, tp};
use super::*;

#[tokio::test(start_paused = true)]
async fn starts_and_ends_are_where_they_were_asked_for() {
    let fake = Fake::new(&[&[4, 4, 4]]);
    fake.change(0, |partition| partition.start = Offset(2));
    let client = fake.client().await;
    let at = |offset| At::Offset(Offset(offset));
    // The timestamp of offset n is 10 n.
    for (start, end, expected) in [
        (At::Earliest, At::Latest, 2..12),
        (at(5), At::Latest, 5..12),
        (at(5), at(6), 5..6),
        (At::Time(41), at(7), 5..7),
        (At::Time(40), At::Time(60), 4..6),
        (At::Time(1_000), At::Latest, 12..12),
        (At::Tail(3), At::Latest, 9..12),
        (At::Tail(1_000), At::Latest, 2..12),
        (At::Tail(u64::MAX), At::Tail(1), 2..11),
        (At::Latest, At::Latest, 12..12),
        (at(9), at(3), 9..9),
    ] {
        let mut reader = client.reader().topic("t").start(start).until(end).build().await.unwrap();
        assert_eq!(rest(&mut reader, 1).await, [expected.collect::<Vec<_>>()], "{start:?} {end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn partitions_have_places_of_their_own() {
    let fake = Fake::new(&[&[5], &[5], &[5]]);
    let client = fake.client().await;
    let reader =
        client.reader().partition("t", 0).start_at("t", 2, At::Tail(1)).until_at("t", 0, At::Offset(Offset(2)));
    let mut reader = reader.build().await.unwrap();
    assert_eq!(rest(&mut reader, 3).await, [vec![0, 1], vec![], vec![4]]);
}

#[tokio::test(start_paused = true)]
async fn after_a_seek_nothing_old_comes() {
    let fake = Fake::new(&[&[3, 3, 3, 3], &[3, 3]]);
    let client = fake.client().await;
    let mut reader = client.reader().topic("t").to_end().build().await.unwrap();
    for _ in 0..5 {
        reader.next().await.unwrap().unwrap();
    }
    // In the middle of one batch with others buffered: back, then forward.
    reader.seek(&tp(0), At::Offset(Offset(1))).unwrap();
    reader.seek(&tp(1), At::Tail(2)).unwrap();
    assert_eq!(reader.position(&tp(0)), Some(Offset(1)));
    assert_eq!(reader.position(&tp(1)), None, "it is looked up by the next call");
    assert_eq!(rest(&mut reader, 2).await, [(1..12).collect::<Vec<_>>(), vec![4, 5]]);
    // What had ended goes on after a seek.
    reader.seek_all(At::Offset(Offset(5))).unwrap();
    assert_eq!(rest(&mut reader, 2).await, [(5..12).collect::<Vec<_>>(), vec![5]]);
    let error = reader.seek(&tp(9), At::Earliest).unwrap_err();
    assert!(error.to_string().starts_with("t-9 is not read by this reader"), "{error}");
    assert!(reader.seek(&tp(0), At::Offset(Offset(-1))).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_paused_partition_keeps_its_place_and_takes_no_room() {
    let fake = Fake::new(&[&[3, 3], &[3, 3]]);
    let client = fake.client().await;
    let mut reader = client.reader().topic("t").build().await.unwrap();
    let first = reader.next().await.unwrap().unwrap();
    let (paused, other) = (tp(first.partition()), tp(1 - first.partition()));
    reader.pause(&paused).unwrap();
    assert_eq!(reader.position(&paused), Some(Offset(1)));
    for expected in 0..6 {
        let message = reader.next().await.unwrap().unwrap();
        assert_eq!((message.topic_partition(), offset_of(&message)), (&other, expected));
    }
    assert_eq!(reader.buffered_bytes(), 0);
    assert!(reader.try_next().unwrap().is_none());
    reader.resume(&paused).unwrap();
    for expected in 1..6 {
        let message = reader.next().await.unwrap().unwrap();
        assert_eq!((message.topic_partition(), offset_of(&message)), (&paused, expected));
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_refused_by_name() {
    let fake = Fake::new(&[&[1]]);
    let client = fake.client().await;
    let refusal = async |builder: Builder| builder.build().await.unwrap_err().to_string();
    assert!(refusal(client.reader()).await.contains("call `topic(..)`"));
    assert!(refusal(client.reader().topic("no such")).await.contains("`no such` is not a topic name"));
    assert!(refusal(client.reader().topic("nope")).await.contains("`nope` does not exist: create it"));
    assert!(refusal(client.reader().partition("t", 1)).await.contains("has 1 partitions, numbered from 0"));
    assert!(refusal(client.reader().topic("t").start(At::Offset(Offset(-2)))).await.contains("At::Earliest"));
    assert!(refusal(client.reader().topic("t").max_buffered_bytes(0)).await.contains("max_buffered_bytes"));
}
