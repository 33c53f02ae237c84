use ottla_broker_core::LeaderEpoch;
use ottla_broker_core::api::group::Generation;

use super::super::acks::{Acked, MaxUnacked, Tracker};
use super::*;

const EVERY: Commit = Commit::OnAck { every: Duration::from_secs(1) };

fn marks(acked: i64, handed: i64) -> Marks {
    let at = |offset| Position::at(Offset(offset));
    Marks { acked: at(acked), handed: at(handed), window: (handed - acked) as u64 }
}

#[test]
fn at_least_once_commits_what_is_acked_and_no_more() {
    let mut tracker = Tracker::new(Generation(1), Position::at(Offset(5)), MaxUnacked::default());
    let mut ledger = Ledger::new(EVERY, Offset(5));
    let mut acks: Vec<_> = (5..9).map(|at| tracker.hand_over(Offset(at), LeaderEpoch(0)).unwrap()).collect();
    let progress = tracker.progress();
    assert_eq!(ledger.on_clock(&progress.marks()), None, "nothing is acknowledged");
    assert_eq!(acks.remove(0).ack(), Acked::Counted);
    assert_eq!(ledger.on_clock(&progress.marks()).unwrap().offset, Offset(6));
    assert_eq!(acks.remove(0).ack(), Acked::Counted);
    assert_eq!(ledger.on_clock(&progress.marks()), None, "one is on its way");
    ledger.failed(Offset(6));
    assert_eq!(ledger.on_clock(&progress.marks()).unwrap().offset, Offset(7));
    ledger.confirmed(Offset(7));
    assert_eq!(ledger.on_clock(&progress.marks()), None, "nothing is new");
    assert_eq!(acks.remove(0).ack(), Acked::Counted);
    assert_eq!(ledger.on_release(&progress.close()).unwrap().offset, Offset(8), "giving up commits first");
    assert_eq!(ledger.committed(), Offset(7));
}

#[test]
fn at_most_once_commits_before_anything_goes_out() {
    let mut ledger = Ledger::new(Commit::BeforeHandover, Offset(5));
    let end = Position::at(Offset(9));
    assert_eq!(ledger.before_hand_over(end), Some(end));
    assert_eq!(ledger.before_hand_over(end), Some(end), "sent is not yet answered");
    ledger.confirmed(Offset(9));
    assert_eq!(ledger.before_hand_over(end), None);
    assert_eq!(ledger.on_clock(&marks(9, 9)), None);
    assert_eq!(ledger.on_release(&marks(9, 9)), None);
    assert_eq!(Ledger::new(EVERY, Offset(5)).before_hand_over(end), None);
}

#[test]
fn the_application_decides_where_it_said_so() {
    let mut manual = Ledger::new(Commit::Manual, Offset(5));
    assert_eq!(manual.on_clock(&marks(8, 9)), None);
    assert_eq!(manual.on_release(&marks(8, 9)), None);
    assert_eq!(manual.on_request(&marks(8, 9)), Ok(Some(Position::at(Offset(8)))));
    manual.confirmed(Offset(8));
    assert_eq!(manual.on_request(&marks(8, 9)), Ok(None));
    let mut own = Ledger::new(Commit::Application, Offset(5));
    assert_eq!(own.on_clock(&marks(8, 9)), None);
    assert_eq!(own.on_release(&marks(8, 9)), None);
    assert_eq!(own.on_request(&marks(8, 9)), Err(NotKept));
}
