//! Capacity, durability, restarts.

use ottla_backends::memory::{MemoryBackend, MemoryOptions, MemoryStorage};
use ottla_broker_core::log::{Durability, ErrorKind, LogStorage, TrimBase};
use ottla_broker_core::{LeaderEpoch, Offset};

use crate::support::{append, batch, open, partition};

#[tokio::test]
async fn capacity_is_refused_and_given_back() {
    let size = batch(0, 0).size_in_bytes();
    let storage = MemoryStorage::new(MemoryOptions { capacity_bytes: Some(2 * size), ..MemoryOptions::default() });
    let (one, two) = (open(&storage, partition(0), 0).await, open(&storage, partition(1), 0).await);
    append(&*one, batch(0, 0)).await;
    append(&*two, batch(0, 0)).await;
    let error = one.append(batch(1, 0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
    assert!(error.to_string().contains(&format!("{} of {} bytes", 2 * size, 2 * size)), "{error}");
    assert!(!error.may_have_been_written());
    assert_eq!(one.bounds().end, Offset(1), "nothing was taken");

    two.trim_prefix(Offset(1), TrimBase::default()).await.unwrap();
    append(&*one, batch(1, 0)).await;
    one.truncate_suffix().unwrap().truncate_to(Offset(1)).await.unwrap();
    append(&*two, batch(1, 0)).await;
    two.reset_to(Offset(9), TrimBase::default()).await.unwrap();
    assert_eq!(storage.used_bytes(), size);
    storage.remove(&[partition(0)]).await.unwrap();
    assert_eq!(storage.used_bytes(), 0);
}

#[tokio::test]
async fn durability_is_what_the_options_say() {
    let options = MemoryOptions { durability: Durability::Fsync, ..MemoryOptions::default() };
    assert_eq!(MemoryBackend::new(options).backend().logs.durability(), Durability::Fsync);
    assert_eq!(ottla_backends::memory::backend().logs.durability(), Durability::Memory);
}

#[tokio::test]
async fn a_restarted_broker_finds_its_backend_again() {
    let memory = MemoryBackend::new(MemoryOptions::default());
    let backend = memory.backend();
    let log = open(&*backend.logs, partition(0), 0).await;
    append(&*log, batch(0, 0)).await;
    backend.metadata.append_at(0, vec![]).await.unwrap();
    backend.logs.close().await.unwrap();
    let backend = memory.reopen().backend();
    assert_eq!(open(&*backend.logs, partition(0), 1).await.bounds().end, Offset(1));
    assert_eq!(backend.metadata.end().await.unwrap(), 1);
    assert_eq!(LeaderEpoch(1), open(&*backend.logs, partition(7), 1).await.epoch());
}
