//! The newest batches, within a budget; never at the cost of what is not durable.

use std::sync::Arc;

use ottla_broker_core::Offset;
use ottla_broker_core::log::{Bounds, TrimBase};
use proptest::prelude::*;

use super::{FEW, cost};
use crate::engine::testing::{EPOCH, batch, core, extent, log};
use crate::engine::{Applied, Core, Log};

fn append(core: &Core, log: &Arc<Log>, base: i64) {
    drop(log.append(core, EPOCH, batch(base, 100)).unwrap());
}

/// What the writer does once a batch is on the medium.
fn made_durable(core: &Core, log: &Arc<Log>, base: i64) {
    log.apply(core, [Applied::Batch(extent(&batch(base, 100), 1, base as u64 * 1_000))]);
    core.tail.durable(log, log.bounds().durable_end);
}

#[test]
fn the_oldest_go_first_whatever_log_they_are_of() {
    let size = cost(&batch(0, 100));
    let core = core(3 * size);
    let (one, two) = (log(&core, 1), log(&core, 2));
    for offset in 0..2 {
        for log in [&one, &two] {
            append(&core, log, offset);
            made_durable(&core, log, offset);
        }
    }
    assert_eq!(core.tail.used(), 3 * size);
    assert!(!one.holds(Offset(1)), "the oldest of all went");
    assert!(two.holds(Offset(1)));
}

#[test]
fn what_is_not_durable_stays_also_after_a_reset_to_lower_offsets() {
    let core = core(0);
    let log = log(&core, 1);
    append(&core, &log, 100);
    log.apply(&core, [Applied::Batch(extent(&batch(100, 100), 1, 0))]);
    // The entry of before says that all up to 101 is durable.
    drop(log.reset(&core, EPOCH, Offset(0), &TrimBase::default()).unwrap().unwrap());
    log.apply(&core, [Applied::Reset(Offset(0), TrimBase::default())]);
    append(&core, &log, 0);
    core.tail.durable(&log, Offset(101));
    assert_eq!(core.tail.used(), cost(&batch(0, 100)), "it is nowhere else");
    made_durable(&core, &log, 0);
    assert_eq!(core.tail.used(), 0);
}

#[test]
fn what_was_trimmed_leaves_nothing_behind() {
    let core = core(1 << 20);
    let log = log(&core, 1);
    let rounds = FEW as i64 * 4;
    for offset in 0..rounds {
        append(&core, &log, offset);
        made_durable(&core, &log, offset);
        log.apply(&core, [Applied::Trim(Offset(offset + 1), TrimBase::default())]);
    }
    assert_eq!(core.tail.used(), 0);
    let entries = core.tail.lock().entries.len();
    assert!(entries <= FEW + 1, "{entries} entries for batches that are gone");
}

proptest! {
    /// After any appends of any logs, made durable in their order: the budget holds but for what is not durable, and what
    /// is in memory is a suffix of each log.
    #[test]
    fn the_budget_holds_but_for_what_is_not_durable(
        steps in proptest::collection::vec((0..3_i32, any::<bool>()), 1..200),
        budget in 0..20_usize,
    ) {
        let size = cost(&batch(0, 100));
        let core = core(budget * size);
        let logs: Vec<_> = (0..3).map(|partition| log(&core, partition)).collect();
        for (which, writes) in steps {
            let log = &logs[which as usize];
            let Bounds { durable_end, end, .. } = log.bounds();
            if writes && durable_end < end {
                made_durable(&core, log, durable_end.0);
            } else {
                append(&core, log, end.0);
            }
            let waiting: usize = logs.iter().map(|log| (log.bounds().end.0 - log.bounds().durable_end.0) as usize).sum();
            prop_assert!(core.tail.used() <= budget.max(waiting) * size + waiting * size);
            if writes && core.tail.used() > budget * size {
                // Only what is not durable is left once something became so.
                let durable = logs.iter().filter(|log| log.holds(log.bounds().durable_end)).count();
                prop_assert!(durable == 0 || waiting > 0);
            }
            for log in &logs {
                let waits = (log.bounds().end.0 - log.bounds().durable_end.0) as usize;
                let here = log.find(log.bounds().durable_end, log.bounds().end, usize::MAX).unwrap();
                let crate::engine::log::Found::Here(batches) = here else { panic!("what is not durable is in memory") };
                prop_assert_eq!(batches.len(), waits);
            }
        }
    }
}
