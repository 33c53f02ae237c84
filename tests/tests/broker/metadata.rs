//! The metadata writer against races, lost answers and trims.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use ottla_backends::memory::MemoryMetadataLog;
use ottla_broker_core::BrokerId;
use ottla_broker_core::api::ErrorCode;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{Entry, Error, ErrorKind, MetadataLog, Position};
use ottla_broker_core::metadata::{Command, Decision, Image, Registration, Writer};

/// Loses answers as it is told to, and gives way before each append so that writers race.
#[derive(Debug, Default)]
struct Rough {
    log: MemoryMetadataLog,
    /// Appends to make without saying so.
    lose_after: AtomicU32,
    /// Appends not to make, without saying so.
    lose_before: AtomicU32,
}

fn take(count: &AtomicU32) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

fn lost() -> Error {
    Error::new(ErrorKind::Unavailable, "the answer was lost")
}

#[async_trait]
impl MetadataLog for Rough {
    async fn append_at(&self, position: Position, commands: Vec<Bytes>) -> Result<Position, Error> {
        tokio::task::yield_now().await;
        if take(&self.lose_before) {
            return Err(lost());
        }
        let appended = self.log.append_at(position, commands).await;
        if take(&self.lose_after) { Err(lost()) } else { appended }
    }

    async fn read(&self, from: Position, max_entries: usize) -> Result<Vec<Entry>, Error> {
        self.log.read(from, max_entries).await
    }

    async fn end(&self) -> Result<Position, Error> {
        self.log.end().await
    }

    async fn watch(&self, position: Position) -> Result<Position, Error> {
        self.log.watch(position).await
    }

    async fn save_snapshot(&self, position: Position, state: Bytes) -> Result<(), Error> {
        self.log.save_snapshot(position, state).await
    }

    async fn latest_snapshot(&self) -> Result<Option<(Position, Bytes)>, Error> {
        self.log.latest_snapshot().await
    }

    async fn trim(&self, before: Position) -> Result<(), Error> {
        self.log.trim(before).await
    }
}

async fn writer(log: &Arc<Rough>, id: i32) -> Writer {
    let writer =
        Writer::load(Arc::clone(log) as _, Env::seeded(u64::from(id.unsigned_abs())), BrokerId(id)).await.unwrap();
    let registration =
        Registration { id: BrokerId(id), incarnation: Env::seeded(9).uuid(), host: String::new(), port: 0, rack: None };
    let register =
        |_: &Image| Ok(Decision { commands: vec![Command::RegisterBroker(registration.clone())], answer: () });
    writer.commit(register).await.unwrap();
    writer
}

/// Takes a block of ten producer ids, and says which is its first.
async fn allocate(writer: &Writer, broker: i32) -> i64 {
    let decide = |image: &Image| {
        let first = image.next_producer_id();
        let command = Command::AllocateProducerIds { broker: BrokerId(broker), first, len: 10 };
        Ok(Decision { commands: vec![command], answer: first })
    };
    let (first, image) = writer.commit(decide).await.unwrap();
    assert!(image.next_producer_id() >= first + 10);
    first
}

#[tokio::test(start_paused = true)]
async fn racing_writers_never_decide_on_what_has_changed() {
    let log = Arc::new(Rough::default());
    let writers = [Arc::new(writer(&log, 0).await), Arc::new(writer(&log, 1).await)];
    let tasks: Vec<_> = (0..100)
        .map(|task| {
            let (id, writer) = (task % 2, Arc::clone(&writers[task % 2]));
            let id = i32::try_from(id).unwrap();
            Env::system().spawn("allocate", async move {
                allocate(&writer, id).await;
            })
        })
        .collect();
    for task in tasks {
        assert!(task.await);
    }
    let firsts: BTreeMap<_, _> = entries(&log).await;
    assert_eq!(firsts.len(), 100, "each block was given out once");
    let last = writers[0].catch_up().await.unwrap();
    assert_eq!(last, writers[1].catch_up().await.unwrap());
    assert_eq!(last.next_producer_id(), 1_000);
}

/// Blocks by their first id, with who has them.
async fn entries(log: &Rough) -> BTreeMap<i64, BrokerId> {
    let mut blocks = BTreeMap::new();
    for entry in log.read(0, usize::MAX).await.unwrap() {
        for bytes in entry.commands {
            if let Command::AllocateProducerIds { broker, first, .. } = Command::decode(&bytes).unwrap() {
                assert!(blocks.insert(first, broker).is_none(), "block {first} was given out twice");
            }
        }
    }
    blocks
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_answer_was_lost_is_made_once() {
    let log = Arc::new(Rough::default());
    let writer = writer(&log, 0).await;
    log.lose_after.store(1, Ordering::SeqCst);
    assert_eq!(allocate(&writer, 0).await, 0, "it was made, and the writer recognised it");
    assert_eq!(writer.image().next_producer_id(), 10);
    log.lose_before.store(3, Ordering::SeqCst);
    assert_eq!(allocate(&writer, 0).await, 10, "it was not made, and the writer offered it again");
    assert_eq!(writer.image().next_producer_id(), 20);
    assert_eq!(entries(&log).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_not_mistaken_for_a_rivals_success() {
    let log = Arc::new(Rough::default());
    let (ours, rival) = (writer(&log, 0).await, writer(&log, 1).await);
    ours.catch_up().await.unwrap();
    assert_eq!(allocate(&rival, 1).await, 0);
    // Ours is refused, and the refusal is lost: the entry at the position is the rival's.
    log.lose_after.store(1, Ordering::SeqCst);
    assert_eq!(allocate(&ours, 0).await, 10);
    assert_eq!(entries(&log).await, BTreeMap::from([(0, BrokerId(1)), (10, BrokerId(0))]));
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_stays_unknown_is_said_to_be_and_does_no_harm() {
    let log = Arc::new(Rough::default());
    let writer = writer(&log, 0).await;
    log.lose_before.store(10, Ordering::SeqCst);
    let decide = |_: &Image| {
        let command = Command::AllocateProducerIds { broker: BrokerId(0), first: 0, len: 10 };
        Ok(Decision { commands: vec![command], answer: () })
    };
    let error = writer.commit(decide).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::RequestTimedOut);
    assert!(error.message.contains("is not known: the answer was lost"), "{error}");
    assert_eq!(allocate(&writer, 0).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_stands_for_what_was_trimmed() {
    let log = Arc::new(Rough::default());
    let ours = writer(&log, 0).await;
    let behind = writer(&log, 1).await;
    for _ in 0..1_100 {
        allocate(&ours, 0).await;
    }
    let (position, _) = log.latest_snapshot().await.unwrap().expect("a snapshot was taken");
    assert_eq!(
        log.read(position - 1, 1).await.unwrap_err().kind(),
        ErrorKind::OutOfRange,
        "and its entries given back"
    );
    let fresh = Writer::load(Arc::clone(&log) as _, Env::seeded(3), BrokerId(2)).await.unwrap();
    assert_eq!(fresh.image(), ours.image());
    assert_eq!(allocate(&behind, 1).await, 11_000, "one that was far behind goes on from the snapshot");
}

#[tokio::test(start_paused = true)]
async fn metadata_of_a_newer_version_is_refused() {
    let log = Arc::new(Rough::default());
    let writer = writer(&log, 0).await;
    let end = log.end().await.unwrap();
    log.append_at(end, vec![Bytes::from_static(br#"{"v":2,"c":{"teleport":{}}}"#)]).await.unwrap();
    let before = writer.image();
    let error = writer.catch_up().await.unwrap_err();
    assert!(error.message.contains("written in version 2"), "{error}");
    assert_eq!(writer.image(), before);
    assert!(Writer::load(Arc::clone(&log) as _, Env::seeded(3), BrokerId(2)).await.is_err());
}
