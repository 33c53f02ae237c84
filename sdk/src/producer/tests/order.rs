//! Order and exactly once (invariant 3), over retries with five in flight.

use std::collections::BTreeMap;

use ottla_broker_core::api::ErrorCode;

use super::*;

/// Batches of about three records each, so that a few records are many batches.
fn small(fake: &Fake) -> ProducerBuilder {
    fake.builder().batch_bytes(1_024)
}

fn large(n: usize) -> Record {
    Record::to("t").value(format!("{n:0>300}"))
}

fn large_numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{n:0>300}")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_does_not_double_a_batch() {
    for act in [Act::LoseAnswer, Act::WriteAndSay(ErrorCode::NotEnoughReplicasAfterAppend), Act::LoseRequest] {
        let fake = Fake::new(1).topic("t", 1);
        let producer = warm(fake.builder()).await;
        fake.script([act]);
        let sent = producer.send(record("a")).await.unwrap();
        assert_eq!(sent.offset.map(|offset| offset.0), Some(0));
        producer.send(record("b")).await.unwrap();
        assert_eq!(fake.log("t", 0), ["a", "b"]);
        let sequences: Vec<_> = fake.requests().iter().map(|request| request[0].1).collect();
        assert_eq!(sequences, [0, 0, 1], "a retry has the sequence of the first attempt");
    }
}

#[tokio::test(start_paused = true)]
async fn five_in_flight_keep_their_order_when_the_first_fails() {
    let fake = Fake::new(2).topic("t", 1);
    let producer = warm(small(&fake)).await;
    producer.send(large(0)).await.unwrap();
    let hold = |act| Act::Hold(Box::new(act));
    fake.script([hold(Act::LoseRequest)].into_iter().chain((0..4).map(|_| hold(Act::Apply))));
    let deliveries: Vec<_> = (1..31).map(|n| producer.try_enqueue(large(n)).unwrap()).collect();
    settle().await;
    assert_eq!(fake.held(), 5, "never more than five");
    // The later four were refused, having come before the first; their answers come first, too.
    for nth in (0..5).rev() {
        fake.release(nth);
        settle().await;
    }
    for (n, delivery) in (1..).zip(deliveries) {
        assert_eq!(delivery.await.unwrap().offset.map(|offset| offset.0), Some(n));
    }
    assert_eq!(fake.log("t", 0), large_numbers(31));
    assert_eq!(fake.inits(), 1, "no new epoch for what a retry mends");
}

#[tokio::test(start_paused = true)]
async fn nothing_follows_the_first_batch_before_its_acknowledgement() {
    let fake = Fake::new(3).topic("t", 1);
    let producer = warm(small(&fake)).await;
    fake.script([Act::Hold(Box::new(Act::Apply))]);
    let deliveries: Vec<_> = (0..30).map(|n| producer.try_enqueue(large(n)).unwrap()).collect();
    settle().await;
    // A leader that knows nothing of the producer would take the second for the first.
    assert_eq!((fake.held(), fake.log("t", 0).len()), (1, 3), "one batch of three records");
    fake.release(0);
    for (n, delivery) in (0..).zip(deliveries) {
        assert_eq!(delivery.await.unwrap().offset.map(|offset| offset.0), Some(n));
    }
    assert_eq!(fake.log("t", 0), large_numbers(30));
}

#[tokio::test(start_paused = true)]
async fn order_by_key_holds_over_any_mix_of_troubles() {
    for seed in 0..60 {
        let fake = Fake::new(seed).topic("t", 3);
        let producer = warm(small(&fake)).await;
        let troubles = (0..120).map(|_| {
            let act = match fake.env.random_below(10) {
                0 => Act::LoseAnswer,
                1 => Act::LoseRequest,
                2 => Act::Say(ErrorCode::NotLeaderOrFollower),
                3 => Act::Say(ErrorCode::NotEnoughReplicas),
                4 => Act::WriteAndSay(ErrorCode::NotEnoughReplicasAfterAppend),
                _ => Act::Apply,
            };
            if fake.env.random_below(3) == 0 { Act::Hold(Box::new(act)) } else { act }
        });
        fake.script(troubles.collect::<Vec<_>>());
        let deliveries: Vec<_> = (0..200)
            .map(|n| {
                let record = Record::to("t").key(format!("{}", n % 7)).value(format!("{}:{n:0>100}", n % 7));
                producer.try_enqueue(record).unwrap()
            })
            .collect();
        let releasing = async {
            loop {
                fake.env.sleep(Duration::from_millis(20)).await;
                while fake.held() > 0 {
                    fake.release(fake.env.random_below(fake.held() as u64) as usize);
                    settle().await;
                }
            }
        };
        let all = futures::future::join_all(deliveries);
        tokio::select! { biased; () = releasing => {}, answers = all => {
            for answer in answers { answer.unwrap(); }
        } }
        let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for value in (0..3).flat_map(|partition| fake.log("t", partition)) {
            by_key.entry(value[..1].to_owned()).or_default().push(value);
        }
        for key in 0..7 {
            let expected: Vec<_> = (0..200).filter(|n| n % 7 == key).map(|n| format!("{key}:{n:0>100}")).collect();
            assert_eq!(by_key[&key.to_string()], expected, "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_epoch_waits_until_every_sent_batch_has_a_definite_fate() {
    let fake = Fake::new(3).topic("t", 1);
    let producer = warm(small(&fake)).await;
    // The third is refused for good while the second, which was written, has had no answer yet.
    fake.script([Act::Apply, Act::Hold(Box::new(Act::LoseAnswer)), Act::Say(ErrorCode::InvalidTimestamp)]);
    let deliveries: Vec<_> = (0..12).map(|n| producer.try_enqueue(large(n)).unwrap()).collect();
    settle().await;
    fake.env.sleep(Duration::from_millis(10)).await;
    assert_eq!(fake.inits(), 1);
    fake.release_all();
    let answers = futures::future::join_all(deliveries).await;
    let acknowledged: Vec<_> = large_numbers(12)
        .into_iter()
        .zip(&answers)
        .filter(|(_, answer)| answer.is_ok())
        .map(|(value, _)| value)
        .collect();
    assert!(answers.iter().any(|answer| matches!(answer, Err(Error::Refused { .. }))));
    assert_eq!(fake.log("t", 0), acknowledged, "in order, none twice, and none that was refused");
    assert_eq!(fake.inits(), 2);
    assert_eq!(fake.epochs("t", 0).last(), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn without_sequences_one_batch_is_in_flight() {
    let fake = Fake::new(4).topic("t", 1);
    let producer = warm(small(&fake).idempotent(false)).await;
    fake.script([Act::Hold(Box::new(Act::LoseRequest))]);
    let deliveries: Vec<_> = (0..12).map(|n| producer.try_enqueue(large(n)).unwrap()).collect();
    settle().await;
    assert_eq!(fake.requests().len(), 1);
    fake.release_all();
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    assert_eq!(fake.log("t", 0), large_numbers(12));
    assert_eq!(fake.inits(), 0);
}
