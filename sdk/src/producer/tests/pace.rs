//! How long a record waits where answers take long, and that it gathers where they do not.

use std::collections::BTreeMap;

use futures::future::join_all;
use ottla_broker_core::api::ErrorCode;

use super::fake::Pace;
use super::*;

const MS: Duration = Duration::from_millis(1);

/// One record each millisecond, to the partitions in turn: how long each took from `enqueue` to its answer.
async fn trickle(fake: &Fake, producer: &Producer, partitions: i32, count: i32) -> Vec<Duration> {
    let mut waits = Vec::new();
    for n in 0..count {
        let (begun, env) = (fake.env.now(), fake.env.clone());
        let delivery = producer.try_enqueue(record(n).partition(n % partitions)).unwrap();
        // Each reads the clock as soon as its answer is there.
        #[expect(clippy::disallowed_methods, reason = "tasks of the test itself, each with its own end")]
        waits.push(tokio::spawn(async move {
            delivery.await.unwrap();
            env.now().since(begun)
        }));
        fake.env.sleep(MS).await;
    }
    // What came before the first answers does not know how long those take.
    join_all(waits).await.into_iter().skip(400).map(Result::unwrap).collect()
}

fn quantile(waits: &[Duration], q: f64) -> Duration {
    let mut sorted = waits.to_vec();
    sorted.sort();
    sorted[((sorted.len() - 1) as f64 * q) as usize]
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_long_is_not_waited_for() {
    for takes in [50, 100, 400] {
        let fake = Fake::new(1).topic("t", 1);
        let producer = warm(fake.builder()).await;
        fake.pace(Pace::Takes(MS * takes));
        let waits = trickle(&fake, &producer, 1, 3_000).await;
        // Each batch goes a fifth of an answer after the one before it. Timers and the sender's pace: 3 ms.
        let slowest = quantile(&waits[1_000..], 1.0);
        assert!(slowest <= MS * (takes + takes / 5 + 3), "{slowest:?} of answers that take {takes} ms");
        assert!(fake.most_in_flight() <= 5);
        let batches = fake.requests().len() as u32;
        assert!(batches <= 3_000 / (takes / 5) + 10, "{batches} batches are no gathering at all");
        assert_eq!(fake.log("t", 0), numbers(3_000));
    }
}

#[tokio::test(start_paused = true)]
async fn a_fast_answer_is_gathered_for() {
    for takes in [2, 5, 10] {
        let fake = Fake::new(2).topic("t", 1);
        let producer = warm(fake.builder()).await;
        fake.pace(Pace::Takes(MS * takes));
        trickle(&fake, &producer, 1, 1_000).await;
        assert_eq!(fake.most_in_flight(), 1);
        let batches = fake.requests().len() as u32;
        assert!(batches <= 1_000 / takes + 1, "{batches} batches while answers take {takes} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_storage_writes_next_is_gathered_until_then() {
    let (slot, write) = (MS * 100, MS * 50);
    for partitions in [1, 40] {
        let fake = Fake::new(3).topic("t", partitions as usize);
        let producer = warm(fake.builder()).await;
        fake.pace(Pace::Slots { slot, write, told: true });
        let waits = trickle(&fake, &producer, partitions, 3_000).await;
        // As if each record were submitted as it comes: half a slot and the write, and a slot and the write.
        let (p50, most) = (quantile(&waits, 0.5), quantile(&waits, 1.0));
        assert!(p50 <= slot / 2 + write + MS * 2, "{p50:?} at the median, over {partitions} partitions");
        assert!(most <= slot + write + MS * 3, "{most:?} at the most, over {partitions} partitions");
        assert!(fake.most_in_flight() <= 5 * partitions as usize);
        let mut sent = BTreeMap::<_, u32>::new();
        fake.requests().into_iter().flatten().for_each(|(partition, ..)| *sent.entry(partition).or_default() += 1);
        let batches = sent.into_values().max().unwrap();
        assert!(batches <= 5 * 31, "{batches} batches of one partition in 30 slots");
    }
}

#[tokio::test(start_paused = true)]
async fn slots_that_nobody_tells_of_are_not_waited_for_twice() {
    let (slot, write) = (MS * 100, MS * 50);
    let fake = Fake::new(4).topic("t", 1);
    let producer = warm(fake.builder()).await;
    fake.pace(Pace::Slots { slot, write, told: false });
    let waits = trickle(&fake, &producer, 1, 4_000).await;
    // Gathering until the answer makes it two slots.
    let most = quantile(&waits[1_000..], 1.0);
    assert!(most <= slot + write + slot / 4, "{most:?}");
    assert!(fake.most_in_flight() <= 5);
}

#[tokio::test(start_paused = true)]
async fn who_has_little_room_left_gathers() {
    let fake = Fake::new(5).topic("t", 1);
    let producer = warm(fake.builder().batch_bytes(16 << 10).max_unacked_bytes(32 << 10)).await;
    fake.pace(Pace::Takes(MS * 100));
    producer.send(record("first")).await.unwrap();
    let room = 32 << 10;
    let mut deliveries = Vec::new();
    while producer.unacked_bytes() < room / 2 {
        deliveries.push(producer.try_enqueue(Record::to("t").value(vec![b'x'; 500])).unwrap());
        fake.env.sleep(MS).await;
    }
    let before = fake.requests().len();
    assert!(before > 2, "with room, batches went beside each other");
    deliveries.push(producer.try_enqueue(record("last")).unwrap());
    fake.env.sleep(MS * 30).await;
    assert_eq!(fake.requests().len(), before);
    for delivery in deliveries {
        delivery.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn order_holds_where_batches_that_are_not_full_go_beside_each_other() {
    for seed in 0..30 {
        let fake = Fake::new(seed).topic("t", 2);
        let producer = warm(fake.builder()).await;
        let told = fake.env.random_below(2) == 0;
        fake.pace(match fake.env.random_below(2) {
            0 => Pace::Takes(MS * (30 + fake.env.random_below(200) as u32)),
            _ => Pace::Slots { slot: MS * 60, write: MS * (10 + fake.env.random_below(200) as u32), told },
        });
        let troubles = (0..60).map(|_| match fake.env.random_below(8) {
            0 => Act::LoseAnswer,
            1 => Act::LoseRequest,
            2 => Act::Say(ErrorCode::NotEnoughReplicas),
            3 => Act::WriteAndSay(ErrorCode::NotEnoughReplicasAfterAppend),
            _ => Act::Apply,
        });
        fake.script(troubles.collect::<Vec<_>>());
        let waits = trickle(&fake, &producer, 2, 1_500).await;
        assert_eq!(waits.len(), 1_100);
        for partition in 0..2 {
            let expected: Vec<_> = numbers(1_500).into_iter().skip(partition).step_by(2).collect();
            assert_eq!(fake.log("t", partition as i32), expected, "seed {seed}");
        }
        assert!(fake.most_in_flight() <= 10, "five for each of two partitions");
        assert!(fake.most_in_flight() > 2, "seed {seed}: nothing went beside anything");
    }
}

/// One record is on its way and one more gathers; how long it does once the answer has come. `waits` waits for it.
async fn after_the_answer(seed: u64, waits: impl AsyncFnOnce(&Producer, Delivery)) -> Duration {
    let fake = Fake::new(seed).topic("t", 1);
    let producer = warm(fake.builder()).await;
    // The first batch of all goes alone.
    producer.send(record("first")).await.unwrap();
    fake.env.sleep(MS * 10).await;
    fake.script([Act::Hold(Box::new(Act::Apply))]);
    let begun = fake.env.now();
    let ahead = producer.try_enqueue(record("ahead")).unwrap();
    settle().await;
    let behind = producer.try_enqueue(record("behind")).unwrap();
    let released = async {
        settle().await;
        assert_eq!(fake.requests().len(), 2, "it gathers");
        fake.release_all();
        drop(ahead);
    };
    futures::future::join(waits(&producer, behind), released).await;
    while fake.requests().len() < 3 {
        fake.env.sleep(MS / 10).await;
    }
    fake.env.now().since(begun)
}

#[tokio::test(start_paused = true)]
async fn what_somebody_waits_for_goes_with_the_answer_before_it() {
    let awaited = after_the_answer(6, async |_, behind| drop(behind.await.unwrap())).await;
    assert_eq!(awaited, Duration::ZERO, "a delivery is waited for");
    let flushed = after_the_answer(7, async |producer, behind| {
        drop(behind);
        producer.flush().await.unwrap();
    });
    assert_eq!(flushed.await, Duration::ZERO, "somebody flushes");
}

/// Where answers are fast, batches would else be as small as they are fast, and each costs more than a record.
#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_keeps_the_senders_pace() {
    let took = after_the_answer(8, async |_, behind| drop(behind)).await;
    assert!((MS..=MS * 3).contains(&took), "{took:?}");
}
