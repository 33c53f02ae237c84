//! Every crash that a load by seed can meet: what was acknowledged is there, and nothing that was never submitted.
//!
//! `OTTLA_CRASH_STATES` sets how many are tried, over all tests here; the default is some 5,000.

pub(super) mod check;
pub(super) mod model;
pub(super) mod workload;

use std::panic::{AssertUnwindSafe, catch_unwind};

use check::{goes_on, recovered, stays};
use workload::Workload;

use crate::disk::Level;
use crate::disk::files::crash::{Choice, State};

/// Tests among which the states are divided.
const TESTS: usize = 5;

fn states() -> usize {
    let wanted = std::env::var("OTTLA_CRASH_STATES").ok().and_then(|states| states.parse().ok());
    wanted.unwrap_or(5_000_usize).div_ceil(TESTS)
}

/// Crashes a load in so many ways, evenly over its time.
fn crash(seed: u64, level: Level) {
    let wanted = states();
    let mut tried = 0;
    for round in 0.. {
        let load = Workload::run(seed + 1_000 * round, level, 500);
        let trace = load.files.trace();
        let all: Vec<State> = trace.states(2).collect();
        let most = (wanted - tried).min(1_000);
        let stride = (all.len() / most).max(1);
        for (index, state) in all.iter().step_by(stride).take(most).enumerate() {
            let outcome = catch_unwind(AssertUnwindSafe(|| try_one(&load, &trace, *state, index, level)));
            if let Err(panic) = outcome {
                eprintln!("seed {}, level {level:?}, state {state:?} (number {index})", seed + 1_000 * round);
                std::panic::resume_unwind(panic);
            }
            tried += 1;
        }
        if tried >= wanted {
            break;
        }
    }
    println!("crash states recovered at level {level:?}, seed {seed}: {tried}");
}

fn try_one(load: &Workload, trace: &crate::disk::files::crash::Trace, state: State, index: usize, level: Level) {
    let noted = trace.acked_before(state.point);
    let acknowledged = match level {
        Level::Fsync => &noted[..],
        // The process may die, and no more.
        Level::Os if state.choice == Choice::ALL => &noted[..],
        Level::Os => &[],
    };
    let image = trace.crash(state);
    let (storage, seen) = recovered(&image, level, &load.history, acknowledged);
    match index % 4 {
        0 => stays(&image, level, &seen),
        1 => goes_on(&image, level, &storage, seen),
        2 => {
            // Recovery is cut short, too.
            let again = image.trace();
            let states: Vec<State> = again.states(1).collect();
            let state = states[index.wrapping_mul(7919) % states.len()];
            recovered(&again.crash(state), level, &load.history, acknowledged);
        }
        _ => {
            // Only the process died: the machine still holds what was not synced, and loses it later.
            let died = trace.died(state.point);
            let (_storage, seen) = recovered(&died, level, &load.history, &noted);
            stays(&died, level, &seen);
        }
    }
}

#[test]
fn whatever_a_power_cut_leaves_is_recovered() {
    crash(1, Level::Fsync);
}

#[test]
fn whatever_a_power_cut_leaves_is_recovered_2() {
    crash(2, Level::Fsync);
}

#[test]
fn whatever_a_power_cut_leaves_is_recovered_3() {
    crash(3, Level::Fsync);
}

#[test]
fn whatever_a_power_cut_leaves_is_recovered_4() {
    crash(4, Level::Fsync);
}

#[test]
fn without_syncs_a_dead_process_loses_nothing_and_a_power_cut_no_more_than_an_end() {
    crash(5, Level::Os);
}
