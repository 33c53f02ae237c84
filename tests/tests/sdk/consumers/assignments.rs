//! Waiting for who owns what.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::*;

/// Says that some member, of any group, was assigned something: a listener hears of it once its assignment holds it.
/// One for all tests, so that a consumer needs nothing but a listener; who waits looks for itself.
static ASSIGNED: LazyLock<watch::Sender<()>> = LazyLock::new(|| watch::channel(()).0);

/// To be called by every listener whose consumer's assignment a test waits for.
pub(super) fn say_assigned() {
    ASSIGNED.send_replace(());
}

/// Does nothing but to wake who waits for an assignment.
#[derive(Debug)]
pub(super) struct Bell;

#[async_trait]
impl RebalanceListener for Bell {
    async fn assigned(&self, _: &[TopicPartition], _: &Handle) {
        say_assigned();
    }
}

/// Waits until the handles together have `count` partitions, none twice and all alike.
///
/// The last that happens on the way there is that a member is assigned what another has given up.
pub(super) async fn balanced(handles: &[&Handle], count: usize) {
    let mut assigned = ASSIGNED.subscribe();
    while !are_balanced(handles, count) {
        assigned.changed().await.unwrap();
    }
}

/// Waits until a listener knows of all that its consumer holds, `owned`.
///
/// It hears of a partition after the assignment holds it: first the committed offset is looked up, and the coordinator
/// answers that only when what it wrote before is durable. So a test that counts what is heard from a moment on waits here.
pub(super) async fn until_heard(hears: &mut mpsc::UnboundedReceiver<Heard>, owned: &[TopicPartition]) {
    let mut knows = BTreeSet::new();
    while knows.len() != owned.len() || !owned.iter().all(|partition| knows.contains(partition)) {
        match hears.recv().await.unwrap() {
            Heard::Assigned(partitions) => knows.extend(partitions),
            Heard::Revoked(partitions) | Heard::Lost(partitions) => {
                knows.retain(|partition| !partitions.contains(partition));
            }
        }
    }
}

fn are_balanced(handles: &[&Handle], count: usize) -> bool {
    let shares: Vec<_> = handles.iter().map(|handle| handle.assignment()).collect();
    let all: BTreeSet<_> = shares.iter().flatten().cloned().collect();
    let sum: usize = shares.iter().map(Vec::len).sum();
    let least = (count / handles.len()).min(1);
    let most = count.div_ceil(handles.len());
    all.len() == count && sum == count && shares.iter().all(|share| (least..=most).contains(&share.len()))
}
