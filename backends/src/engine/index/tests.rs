//! The index against a plain list of batches.

use ottla_broker_core::Offset;
use proptest::prelude::*;

use super::{EXTENT_BYTES, Index};
use crate::engine::Extent;

#[derive(Clone, Debug)]
enum Step {
    /// So many offsets and bytes, after so many that are skipped; behind the last one, or elsewhere.
    Push {
        skip: i64,
        count: i64,
        bytes: u32,
        apart: bool,
    },
    Trim(i64),
    Truncate(usize),
    Clear,
    /// What lies in files of this parity moves to a new file, in one piece for each stretch.
    Move(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..2_i64, 1..5_i64, prop_oneof![1..2_000_u32, 30_000..90_000_u32], any::<bool>())
            .prop_map(|(skip, count, bytes, apart)| Step::Push { skip, count, bytes, apart }),
        2 => (0..20_i64).prop_map(Step::Trim),
        2 => (0..6_usize).prop_map(Step::Truncate),
        1 => Just(Step::Clear),
        1 => (0..2_u64).prop_map(Step::Move),
    ];
    proptest::collection::vec(step, 1..80)
}

proptest! {
    #[test]
    fn every_batch_is_found_and_no_extent_overlaps(steps in steps()) {
        let mut index = Index::default();
        // The batches of the log, each where it lies.
        let mut model: Vec<Extent> = Vec::new();
        let (mut start, mut end, mut file, mut position) = (0, 0, 0, 0);
        for step in steps {
            match step {
                Step::Push { skip, count, bytes, apart } => {
                    if apart {
                        (file, position) = (file + 1, 4_096);
                    }
                    let base = end + skip;
                    let batch = Extent { base: Offset(base), next: Offset(base + count), file, position, bytes, max_timestamp: base };
                    (position, end) = (position + u64::from(bytes), base + count);
                    index.push(batch);
                    model.push(batch);
                }
                Step::Trim(forward) => {
                    start = (start + forward).min(end);
                    index.trim(Offset(start));
                    model.retain(|batch| batch.next.0 > start);
                }
                Step::Truncate(batches) => {
                    for _ in 0..batches {
                        if let Some(last) = model.pop_if(|last| last.base.0 >= start) {
                            end = last.base.0;
                        }
                    }
                    index.truncate(Offset(end));
                    // A chunk's header comes before what is written next.
                    position += 64;
                }
                Step::Clear => {
                    (index, start) = ({ index.clear(); index }, end);
                    model.clear();
                }
                Step::Move(parity) => {
                    let is_victim = |file: u64| file % 2 == parity;
                    let old: Vec<_> = index.extents().copied().collect();
                    file += 2;
                    let target = file + u64::from(is_victim(file));
                    let mut at = 4_096;
                    let mut moved = Index::default();
                    let mut all = Vec::new();
                    for extent in &old {
                        if !is_victim(extent.file) {
                            all.extend(std::mem::take(&mut moved).extents.into_iter());
                            continue;
                        }
                        for batch in model.iter_mut().filter(|batch| {
                            batch.file == extent.file && batch.base >= extent.base && batch.next <= extent.next
                        }) {
                            (batch.file, batch.position) = (target, at);
                            at += u64::from(batch.bytes);
                            moved.push(*batch);
                        }
                    }
                    all.extend(moved.extents.into_iter());
                    index.replace(all, is_victim, Offset(start));
                    (file, position) = (target, at);
                }
            }
            let extents: Vec<_> = index.extents().copied().collect();
            for pair in extents.windows(2) {
                prop_assert!(pair[0].next <= pair[1].base, "{:?}", extents);
            }
            for extent in &extents {
                let batches = model.iter().filter(|batch| batch.file == extent.file
                    && batch.position >= extent.position
                    && batch.position + u64::from(batch.bytes) <= extent.position + u64::from(extent.bytes));
                let batches = batches.count();
                prop_assert!(extent.bytes <= EXTENT_BYTES || batches <= 1, "an extent is small or one batch");
            }
            for batch in &model {
                for offset in batch.base.0..batch.next.0 {
                    let found = index.from(Offset(offset)).next().copied();
                    let found = found.expect("an offset of the log is somewhere");
                    prop_assert!(found.base <= batch.base && batch.next <= found.next, "{offset}: {found:?}");
                    prop_assert!(found.file == batch.file && found.position <= batch.position);
                    prop_assert!(found.max_timestamp >= batch.max_timestamp);
                }
            }
            prop_assert_eq!(index.from(Offset(end)).count(), 0);
        }
    }
}
