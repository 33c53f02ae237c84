//! Random calls against the simplest reader that there is: an offset for each partition.

use proptest::prelude::*;

use super::fake::{Fake, tp};
use super::*;

#[derive(Clone, Debug)]
enum Call {
    Next,
    TryNext,
    Batch,
    Seek(i32, i64),
    SeekTail(i32, u64),
    Pause(i32),
    Resume(i32),
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        6 => Just(Call::Next),
        4 => Just(Call::TryNext),
        2 => Just(Call::Batch),
        1 => (0..3, 0..30_i64).prop_map(|(partition, offset)| Call::Seek(partition, offset)),
        1 => (0..3, 0..30_u64).prop_map(|(partition, n)| Call::SeekTail(partition, n)),
        1 => (0..3).prop_map(Call::Pause),
        1 => (0..3).prop_map(Call::Resume),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn calls_agree_with_an_offset_a_partition(
        sizes in prop::collection::vec(prop::collection::vec(1..6_i64, 0..6), 3),
        calls in prop::collection::vec(call(), 0..60),
        batches in 1..4_usize,
        bound in 1..2_000_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(check(&sizes, &calls, batches, bound));
    }
}

async fn check(sizes: &[Vec<i64>], calls: &[Call], batches: usize, bound: usize) {
    let fake = Fake::new(&sizes.iter().map(Vec::as_slice).collect::<Vec<_>>());
    fake.lock().batches = Some(batches);
    let ends: Vec<i64> = sizes.iter().map(|sizes| sizes.iter().sum()).collect();
    let client = fake.client().await;
    let mut reader = client.reader().topic("t").to_end().max_buffered_bytes(bound).build().await.unwrap();
    let mut next = [0_i64; 3];
    let mut paused = [false; 3];
    for call in calls {
        match *call {
            Call::Seek(partition, offset) => {
                let p = partition as usize;
                next[p] = offset.min(ends[p]);
                reader.seek(&tp(partition), At::Offset(Offset(next[p]))).unwrap();
            }
            Call::SeekTail(partition, n) => {
                let p = partition as usize;
                next[p] = (ends[p] - n as i64).max(0);
                reader.seek(&tp(partition), At::Tail(n)).unwrap();
            }
            Call::Pause(partition) => {
                reader.pause(&tp(partition)).unwrap();
                paused[partition as usize] = true;
            }
            Call::Resume(partition) => {
                reader.resume(&tp(partition)).unwrap();
                paused[partition as usize] = false;
            }
            // With everything paused or read, a call would wait for ever: it is only tried.
            Call::Next | Call::Batch if (0..3).all(|p| paused[p] || next[p] >= ends[p]) => {
                assert!(reader.try_next().unwrap().is_none());
            }
            Call::Next | Call::TryNext => {
                let message =
                    if matches!(call, Call::Next) { reader.next().await.unwrap() } else { reader.try_next().unwrap() };
                if let Some(message) = message {
                    take(&mut next, &paused, &message);
                } else {
                    assert!(matches!(call, Call::TryNext));
                }
            }
            Call::Batch => {
                for message in reader.next_batch().await.unwrap().unwrap() {
                    take(&mut next, &paused, &message.unwrap());
                }
            }
        }
    }
    for partition in 0..3 {
        reader.resume(&tp(partition)).unwrap();
    }
    while let Some(message) = reader.next().await.unwrap() {
        take(&mut next, &[false; 3], &message);
    }
    assert_eq!(next.as_slice(), ends);
}

fn take(next: &mut [i64; 3], paused: &[bool; 3], message: &Message) {
    let p = message.partition() as usize;
    assert!(!paused[p], "a message of a paused partition");
    assert_eq!(offset_of(message), next[p]);
    next[p] += 1;
}
