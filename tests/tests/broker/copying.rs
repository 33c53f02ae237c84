//! A broker on a copy goes on where the one on the original ended.

use std::time::Duration;

use ottla_broker_core::api::InitProducerId;
use ottla_broker_core::copy::{self, Options};
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{Backend, SnapshotStore};
use ottla_broker_core::{Offset, PartitionId, ProducerId};

use super::support::{batch, create, describe, memory, name, partition, produce, start};

async fn copied(from: Backend, to: Backend) {
    let options = Options { verify: true, ..Options::default() };
    copy::copy(&from, &to, &Env::seeded(1), options, &|_| ()).await.unwrap();
}

/// Retries of what the original acknowledged are answered, not written again, also where the records themselves
/// are deleted; and nobody gets a producer id that somebody had.
#[tokio::test]
async fn producers_go_on_exactly_once() {
    let (from, to) = (memory(), memory());
    let broker = start(&from).await;
    create(&broker, "orders", 2).await;
    let (whole, trimmed) = (partition("orders", 0), partition("orders", 1));
    let identity = broker.init_producer_id(InitProducerId::default()).await.unwrap();
    for sequence in 0..4 {
        for to in [&whole, &trimmed] {
            let value = sequence.to_string();
            produce(&broker, to.clone(), batch(&[&value], Some((identity, sequence)))).await.unwrap();
        }
    }
    broker.delete_records(vec![(trimmed.clone(), Offset(4))]).await.unwrap().remove(0).unwrap();
    let before = describe(&broker, "orders").await.unwrap();
    broker.close(Duration::from_secs(5)).await.unwrap();
    // Only the log and what was saved with its trim tell of the producer then.
    for index in 0..2 {
        let id = PartitionId { topic: before.id, partition: index };
        from.snapshots.remove(id).await.unwrap();
    }

    copied(from.reopen().backend(), to.backend()).await;
    let broker = start(&to.reopen()).await;
    let after = describe(&broker, "orders").await.unwrap();
    assert_eq!((&after.id, after.name.clone()), (&before.id, name("orders")));
    assert!(after.partitions[0].leader_epoch > before.partitions[0].leader_epoch);
    for to in [&whole, &trimmed] {
        let again = produce(&broker, to.clone(), batch(&["3"], Some((identity, 3)))).await.unwrap();
        assert_eq!(again.base_offset, Some(Offset(3)), "{to}: a retry was written again");
        let next = produce(&broker, to.clone(), batch(&["4"], Some((identity, 4)))).await.unwrap();
        assert_eq!(next.base_offset, Some(Offset(4)), "{to}");
    }
    let other = broker.init_producer_id(InitProducerId::default()).await.unwrap().id;
    assert!(other > identity.id && other >= ProducerId(1_000), "{other} was given out before");
}
