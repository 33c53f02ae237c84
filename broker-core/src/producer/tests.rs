//! The rules of dedup, against a model that keeps everything.

use std::time::Duration;

use proptest::prelude::*;

use super::state::{Decision, KEPT_BATCHES, Kept, Sequenced};
use super::table::Producers;
use super::{decode, encode};
use crate::ids::{Offset, ProducerEpoch, ProducerId};
use crate::record::{Reader, sequence_after};

fn batch(epoch: i16, base_sequence: i32, n: i32, offset: i64) -> Sequenced {
    Sequenced {
        producer: ProducerId(1),
        epoch: ProducerEpoch(epoch),
        base_sequence,
        last_offset_delta: n - 1,
        base_offset: Offset(offset),
        timestamp_ms: offset * 10,
    }
}

/// Everything of a small world: each start of the sequence (the wrap among them), sizes, epochs and
/// number of batches before; each batch that could come next.
#[test]
fn every_next_batch_gets_the_decision_of_the_rules() {
    for start in [0, 1, i32::MAX - 3, i32::MAX - 1, i32::MAX] {
        for count in 1..=7_usize {
            let mut producers = Producers::default();
            let mut written: Vec<(i32, i32, i64)> = Vec::new();
            let (mut sequence, mut offset) = (start, 0_i64);
            for i in 0..count {
                let n = i32::try_from(i % 3).unwrap() + 1;
                let next = batch(4, sequence, n, offset);
                assert_eq!(producers.decide(&next), Decision::Accept, "{start} {count} {i}");
                producers.record(&next, 0);
                written.push((sequence, n, offset));
                sequence = sequence_after(sequence, n);
                offset += i64::from(n);
            }
            let candidates =
                (-12..12).map(|delta: i64| i32::try_from((i64::from(sequence) + delta).rem_euclid(1 << 31)).unwrap());
            for base in candidates.chain([0]) {
                for n in 1..=5 {
                    let decide = |epoch| producers.decide(&batch(epoch, base, n, 99));
                    let remembered = &written[count.saturating_sub(KEPT_BATCHES)..];
                    let original = remembered.iter().find(|&&(first, size, _)| (first, size) == (base, n));
                    let expected = match original {
                        Some(&(_, _, at)) => Decision::Duplicate(Kept {
                            base_offset: Offset(at),
                            timestamp_ms: at * 10,
                            base_sequence: base,
                            last_offset_delta: n - 1,
                        }),
                        None if base == sequence => Decision::Accept,
                        None => Decision::OutOfOrder { expected: sequence },
                    };
                    assert_eq!(decide(4), expected, "start {start}, {count} before, then {n} from {base}");
                    assert_eq!(decide(3), Decision::Fenced { current: ProducerEpoch(4) });
                    let bumped = if base == 0 { Decision::Accept } else { Decision::OutOfOrder { expected: 0 } };
                    assert_eq!(decide(5), bumped);
                }
            }
        }
    }
}

#[test]
fn a_new_epoch_forgets_the_old_ones_batches() {
    let mut producers = Producers::default();
    producers.record(&batch(0, 0, 1, 0), 0);
    producers.record(&batch(1, 0, 1, 1), 0);
    let Decision::Duplicate(original) = producers.decide(&batch(1, 0, 1, 9)) else { panic!("not a duplicate") };
    assert_eq!(original.base_offset, Offset(1));
    assert_eq!(producers.get(ProducerId(1)).unwrap().kept().len(), 1);
}

#[test]
fn expiry_is_by_when_a_producer_was_last_seen_and_a_clock_that_jumps_back_expires_nobody() {
    let mut producers = Producers::default();
    for id in 0..3 {
        let first = Sequenced { producer: ProducerId(id), ..batch(0, 0, 1, id) };
        producers.record(&first, 1_000 + id);
    }
    assert_eq!(producers.expire(0, Duration::from_millis(5)), 0);
    assert_eq!(producers.expire(1_006, Duration::from_millis(5)), 2);
    assert_eq!(producers.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [2]);
    assert_eq!(producers.expire(i64::MAX, Duration::MAX), 0);
}

#[test]
fn a_decoder_trusts_no_count() {
    for hostile in [&[0xff; 4][..], &[0, 0, 0, 1], &[], &[0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1]] {
        assert!(decode(&mut Reader::new(hostile)).is_err());
    }
}

fn log() -> impl Strategy<Value = Vec<(i64, bool, i32)>> {
    prop::collection::vec((0..5_i64, prop::bool::weighted(0.1), 1..4_i32), 0..80)
}

/// The batches of a log, as its headers name them.
fn headers(log: &[(i64, bool, i32)]) -> Vec<Sequenced> {
    let mut next = [(0_i16, i32::MAX - 2); 5];
    let mut offset = 0;
    let of = |&(producer, bump, n): &(i64, bool, i32)| {
        let (epoch, sequence) = &mut next[usize::try_from(producer).unwrap()];
        if bump {
            (*epoch, *sequence) = (*epoch + 1, 0);
        }
        let header = Sequenced { producer: ProducerId(producer), ..batch(*epoch, *sequence, n, offset) };
        *sequence = sequence_after(*sequence, n);
        offset += i64::from(n);
        header
    };
    log.iter().map(of).collect()
}

proptest! {
    #[test]
    fn bytes_give_back_the_table(log in log()) {
        let mut producers = Producers::default();
        headers(&log).iter().for_each(|header| producers.record(header, 5));
        let mut bytes = Vec::new();
        encode(&producers, &mut bytes);
        let mut reader = Reader::new(&bytes);
        let decoded = decode(&mut reader).unwrap();
        prop_assert!(reader.is_empty());
        prop_assert_eq!(&decoded, &producers);
        prop_assert!(decoded.iter().all(|(_, producer)| producer.last_seen_ms() == 5));
        for cut in 0..bytes.len() {
            prop_assert!(decode(&mut Reader::new(&bytes[..cut])).is_err());
        }
    }

    #[test]
    fn damage_is_an_error_or_a_table_and_never_a_panic(log in log(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut producers = Producers::default();
        headers(&log).iter().for_each(|header| producers.record(header, 5));
        let mut bytes = Vec::new();
        encode(&producers, &mut bytes);
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(decoded) = decode(&mut Reader::new(&bytes)) {
            prop_assert!(decoded.len() <= bytes.len());
        }
    }

    /// A base anywhere in the log and a replay of what follows it, or of all of it: the same state.
    #[test]
    fn a_base_and_the_log_after_it_equal_the_whole_log(log in log(), at in any::<prop::sample::Index>()) {
        let headers = headers(&log);
        let mut whole = Producers::default();
        headers.iter().for_each(|header| whole.record(header, 0));
        let from = at.index(headers.len() + 1);
        let start = headers.get(from).map_or(Offset::MAX, |header| header.base_offset);
        let mut from_base = whole.up_to(start);
        headers[from..].iter().for_each(|header| from_base.record(header, 0));
        prop_assert_eq!(&from_base, &whole);
        headers.iter().for_each(|header| from_base.record(header, 0));
        prop_assert_eq!(&from_base, &whole);
    }
}
