//! What a simulation is given to stand on: crashes lose what they say, and nothing that was acknowledged.

use futures::FutureExt;
use ottla_broker_core::LeaderEpoch;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{ErrorKind, LogStorage, OpenPartition, PartitionLog, Ticket};

use super::crash::workload::{batch, keys, options};
use crate::disk::testing::{CrashDisk, Left};
use crate::disk::{DiskBackend, Level};

struct Bench {
    disk: CrashDisk,
    epoch: i32,
}

impl Bench {
    fn new() -> Self {
        let disk = CrashDisk::new(options(Level::Fsync), None, &Env::seeded(1));
        Self { disk, epoch: 0 }
    }

    fn open(&self) -> DiskBackend {
        self.disk.open().now_or_never().expect("a recovery does not wait").unwrap()
    }

    fn log(&mut self) -> std::sync::Arc<dyn PartitionLog> {
        self.epoch += 1;
        let backend = self.open();
        let wanted = [OpenPartition { id: keys()[0].id, epoch: LeaderEpoch(self.epoch) }];
        let mut opening = Box::pin(backend.logs().open_many(&wanted));
        assert!(opening.as_mut().now_or_never().is_none(), "nothing is written by itself");
        assert!(self.disk.drive());
        opening.now_or_never().unwrap().pop().unwrap().unwrap()
    }

    fn append(log: &dyn PartitionLog) -> Ticket {
        let end = log.bounds_cell().get().end;
        log.append(batch(end, 1, 700, log.epoch(), 1)).unwrap()
    }
}

#[test]
fn what_was_not_driven_is_lost_or_not_as_it_is_told() {
    for (left, expected) in [(Left::Nothing, 1), (Left::All, 3)] {
        let mut bench = Bench::new();
        let log = bench.log();
        let acknowledged = Bench::append(&*log);
        assert!(bench.disk.drive());
        acknowledged.now_or_never().unwrap().unwrap();
        drop((Bench::append(&*log), Bench::append(&*log)));
        let lost = bench.disk.crash(left);
        assert_eq!(lost > 0, left == Left::Nothing, "{lost}");
        let dead = log.append(batch(log.bounds_cell().get().end, 1, 10, log.epoch(), 1)).unwrap_err();
        assert_eq!(dead.kind(), ErrorKind::Closed, "handles die with the machine");
        assert_eq!(bench.log().bounds_cell().get().durable_end.0, expected, "{left:?}");
    }
}

#[test]
fn whatever_a_crash_leaves_what_was_acknowledged_is_there_and_recoveries_are_counted() {
    let mut ends = std::collections::BTreeSet::new();
    let mut bench = Bench::new();
    let mut acknowledged = 0;
    for seed in 0..60_u64 {
        let log = bench.log();
        let found = log.bounds_cell().get().durable_end.0;
        assert!(found >= acknowledged, "seed {seed}: {found} of {acknowledged}");
        ends.insert(found - acknowledged);
        for _ in 0..seed % 7 {
            drop(Bench::append(&*log));
        }
        bench.disk.drive();
        acknowledged = log.bounds_cell().get().durable_end.0;
        for _ in 0..3 {
            drop(Bench::append(&*log));
        }
        bench.disk.crash(Left::Any(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    }
    assert!(ends.len() > 1, "sometimes what was not acknowledged is there: {ends:?}");
    assert!(bench.disk.recoveries() > 20, "{} of 60 crashes left something half-done", bench.disk.recoveries());
}

#[test]
fn brokers_of_one_machine_share_the_storage_until_it_is_closed() {
    let mut bench = Bench::new();
    let first = bench.log();
    let second = bench.log();
    let fenced = first.append(batch(ottla_broker_core::Offset(0), 1, 10, first.epoch(), 1)).unwrap_err();
    assert_eq!(fenced.kind(), ErrorKind::Fenced);
    let ticket = Bench::append(&*second);
    // A close writes what waits; whoever comes then opens it anew, and that is no crash.
    bench.open().logs().close().now_or_never().unwrap().unwrap();
    ticket.now_or_never().unwrap().unwrap();
    assert!(!bench.disk.drive());
    assert_eq!(bench.log().bounds_cell().get().durable_end.0, 1);
    assert_eq!(bench.disk.recoveries(), 0);
}
