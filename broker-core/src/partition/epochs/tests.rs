//! The history against a list of each record's epoch.

use proptest::prelude::*;

use super::EpochHistory;
use crate::ids::{LeaderEpoch, Offset};
use crate::record::Reader;

/// A log as the epoch of each of its records, from offset 0.
fn log() -> impl Strategy<Value = Vec<i32>> {
    prop::collection::vec(0..3_i32, 0..30).prop_map(|steps| {
        steps
            .iter()
            .scan(0, |epoch, step| {
                *epoch += step;
                Some(*epoch)
            })
            .collect()
    })
}

fn history(log: &[i32], start: usize) -> EpochHistory {
    let mut history = EpochHistory::default();
    for (offset, &epoch) in log.iter().enumerate().skip(start) {
        history.assign(LeaderEpoch(epoch), Offset(i64::try_from(offset).unwrap()));
    }
    history
}

proptest! {
    #[test]
    fn ends_and_owners_are_those_of_the_records(log in log(), ask in 0..60_i32) {
        let history = history(&log, 0);
        let end = Offset(i64::try_from(log.len()).unwrap());
        for (offset, &epoch) in log.iter().enumerate() {
            prop_assert_eq!(history.at(Offset(i64::try_from(offset).unwrap())), Some(LeaderEpoch(epoch)));
        }
        let found = history.end_for(LeaderEpoch(ask), end);
        let upto = log.iter().take_while(|&&epoch| epoch <= ask).count();
        prop_assert_eq!(found.end, Offset(i64::try_from(upto).unwrap()));
        let owner = upto.checked_sub(1).map(|last| LeaderEpoch(log[last]));
        prop_assert_eq!(found.epoch, owner);
    }

    #[test]
    fn truncated_and_trimmed_it_is_that_of_what_is_left(log in log(), at in any::<prop::sample::Index>()) {
        let cut = at.index(log.len() + 1);
        let offset = Offset(i64::try_from(cut).unwrap());
        let mut truncated = history(&log, 0);
        truncated.truncate(offset);
        prop_assert_eq!(&truncated, &history(&log[..cut], 0));
        let mut trimmed = history(&log, 0);
        trimmed.trim(offset);
        if cut < log.len() {
            prop_assert_eq!(&trimmed, &history(&log, cut));
        }
        // A base and the rest of the log give the same.
        let mut rebuilt = history(&log, 0).up_to(offset);
        for (at, &epoch) in log.iter().enumerate().skip(cut) {
            rebuilt.assign(LeaderEpoch(epoch), Offset(i64::try_from(at).unwrap()));
        }
        prop_assert_eq!(&rebuilt, &trimmed);
    }

    #[test]
    fn bytes_give_it_back(log in log()) {
        let history = history(&log, 0);
        let mut bytes = Vec::new();
        history.encode(&mut bytes);
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(EpochHistory::decode(&mut reader), Ok(history));
        prop_assert!(reader.is_empty());
        for cut in 0..bytes.len() {
            prop_assert!(EpochHistory::decode(&mut Reader::new(&bytes[..cut])).is_err());
        }
    }
}

#[test]
fn hostile_histories_are_refused() {
    let entry = |epoch: i32, start: i64| [&epoch.to_be_bytes()[..], &start.to_be_bytes()].concat();
    let count = |n: u32| n.to_be_bytes().to_vec();
    for bytes in [
        count(u32::MAX),
        [count(2), entry(1, 0), entry(1, 5)].concat(),
        [count(2), entry(1, 5), entry(2, 5)].concat(),
        [count(1), entry(-1, 5)].concat(),
        [count(1), entry(1, -5)].concat(),
    ] {
        assert!(EpochHistory::decode(&mut Reader::new(&bytes)).is_err());
    }
}
