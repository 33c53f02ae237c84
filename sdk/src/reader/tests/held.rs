//! What a consumer does to a partition that the application is slow with.

use std::future::poll_fn;
use std::time::Duration;

use super::*;

/// The offsets of the next batch, and its slot.
async fn batch_of(reader: &mut Reader) -> (usize, Vec<i64>) {
    let (slot, messages) = poll_fn(|cx| reader.engine.poll_batch(cx)).await.unwrap().unwrap();
    (slot, messages.map(|message| offset_of(&message.unwrap())).collect())
}

#[tokio::test(start_paused = true)]
async fn what_was_fetched_is_not_fetched_again_for_having_been_held() {
    let fake = Fake::new(&[&[1; 20], &[]]);
    let client = fake.client().await;
    let mut reader = client.reader().topic("t").build().await.unwrap();
    for expected in 0..20 {
        assert_eq!(batch_of(&mut reader).await, (0, vec![expected]));
        reader.engine.hold(0);
        assert!(futures::FutureExt::now_or_never(batch_of(&mut reader)).is_none());
        reader.engine.let_go(0);
    }
    let fetches = fake.lock().fetches;
    assert!(fetches <= 3, "{fetches} fetches for what one brought");
    assert_eq!(reader.buffered_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_keeps_its_share_and_no_more() {
    let size = batch(0, 1).size_in_bytes();
    let fake = Fake::new(&[&[1; 20], &[1; 20]]);
    let client = fake.client().await;
    // A share is five batches; a fetch may bring twenty.
    let mut reader = client.reader().topic("t").max_buffered_bytes(size * 40).build().await.unwrap();
    let mut seen = [Vec::new(), Vec::new()];
    for _ in 0..5 {
        let (slot, offsets) = batch_of(&mut reader).await;
        seen[slot].extend(offsets);
    }
    for slot in 0..2 {
        reader.engine.hold(slot);
    }
    assert!((1..=size * 10).contains(&reader.buffered_bytes()), "{} bytes are held", reader.buffered_bytes());
    // What was on its way is kept within the share, too.
    assert!(futures::FutureExt::now_or_never(batch_of(&mut reader)).is_none());
    assert!(reader.buffered_bytes() <= size * 10, "{} bytes are held", reader.buffered_bytes());
    let began = reader.engine.context.env.now();
    for slot in 0..2 {
        reader.engine.let_go(slot);
    }
    while seen.iter().any(|seen| seen.len() < 20) {
        let (slot, offsets) = batch_of(&mut reader).await;
        seen[slot].extend(offsets);
    }
    assert_eq!(seen, [(0..20).collect::<Vec<_>>(), (0..20).collect()]);
    assert_eq!(reader.engine.context.env.now(), began, "nobody waits for a fetch that brings nothing");
    assert_eq!(reader.buffered_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_held_is_asked_for_before_an_idle_fetch_is_over() {
    let fake = Fake::new(&[&[1; 20], &[]]);
    let client = fake.client().await;
    let size = batch(0, 1).size_in_bytes();
    let mut reader = client.reader().topic("t").max_buffered_bytes(size * 80).build().await.unwrap();
    assert_eq!(batch_of(&mut reader).await, (0, vec![0]));
    // The fetch in flight waits for the ends of both.
    assert!(reader.buffered_bytes() >= size * 19);
    reader.engine.hold(0);
    reader.engine.let_go(0);
    let began = reader.engine.context.env.now();
    for expected in 1..20 {
        assert_eq!(batch_of(&mut reader).await, (0, vec![expected]));
    }
    assert_eq!(reader.engine.context.env.now(), began);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_handed_over_although_the_log_goes_on_elsewhere() {
    let fake = Fake::new(&[&[1; 5]]);
    let client = fake.client().await;
    let mut reader = client.reader().topic("t").if_out_of_range(OutOfRange::Earliest).build().await.unwrap();
    assert_eq!(batch_of(&mut reader).await, (0, vec![0]));
    reader.engine.hold(0);
    fake.change(0, |partition| {
        partition.start = Offset(10);
        partition.batches = vec![batch(10, 1)];
    });
    // The fetch in flight is told that what it asks for is gone.
    assert!(tokio::time::timeout(Duration::from_secs(1), batch_of(&mut reader)).await.is_err());
    reader.engine.let_go(0);
    for expected in [1, 2, 3, 4, 10] {
        assert_eq!(batch_of(&mut reader).await, (0, vec![expected]));
    }
}
