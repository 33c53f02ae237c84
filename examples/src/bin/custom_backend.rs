//! A storage of your own behind the same client: here a list of batches for each partition, under one lock.
//!
//! ```text
//! cargo run --release --bin custom_backend
//! ```
//!
//! The contracts are on the traits of `ottla_broker_core::log`; the suites of `ottla_broker_core::conformance`
//! hold an implementation to them, and this program runs them before it uses what it wrote.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use ottla::{At, Client, NewTopic, Record};
use ottla_broker_core::conformance::LogSubject;
use ottla_broker_core::conformance::log_storage::CASES;
use ottla_broker_core::log::{
    Backend, Bounds, BoundsCell, Durability, Error, ErrorKind, LogStorage, OpenPartition, PartitionLog,
    PartitionReader, Ticket, TrimBase,
};
use ottla_broker_core::record::Batch;
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId};

/// The medium: every partition's log. It stays when the storage on top of it is closed, as a disk would.
#[derive(Debug, Default)]
struct Lists(Mutex<BTreeMap<PartitionId, Arc<Log>>>);

/// One opening of the medium.
#[derive(Debug)]
struct ListStorage {
    lists: Arc<Lists>,
    closed: AtomicBool,
    /// What was opened for writing, to be closed with the storage.
    handles: Mutex<Vec<Arc<Handle>>>,
}

/// One partition's log, shared by all handles of it.
#[derive(Debug)]
struct Log {
    id: PartitionId,
    bounds: Arc<BoundsCell>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The greatest epoch that it was opened at. Kept as long as the log: it fences.
    newest: LeaderEpoch,
    removed: bool,
    batches: Vec<Batch>,
    base: TrimBase,
}

/// The right to write one partition at one epoch, and to read it.
#[derive(Debug)]
struct Handle {
    log: Arc<Log>,
    epoch: LeaderEpoch,
    closed: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Handle {
    fn error(&self, kind: ErrorKind, what: &str) -> Error {
        Error::new(kind, format!("partition {}: {what}", self.log.id))
    }

    /// The log's state, if this handle may still write it.
    fn to_write(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.to_read()?;
        if state.newest > self.epoch {
            return Err(self.error(ErrorKind::Fenced, "a newer leader has opened it"));
        }
        Ok(state)
    }

    fn to_read(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = lock(&self.log.state);
        if state.removed {
            Err(self.error(ErrorKind::Closed, "it was removed"))
        } else if self.closed.load(Ordering::Relaxed) {
            Err(self.error(ErrorKind::Closed, "its handle is closed"))
        } else {
            Ok(state)
        }
    }

    /// Nothing is ever in flight, so there is nothing to wait for.
    fn shut(&self) {
        // Under the lock, so that an append is wholly before it or refused.
        let state = lock(&self.log.state);
        self.closed.store(true, Ordering::Relaxed);
        drop(state);
        self.log.bounds.wake();
    }
}

#[async_trait]
impl PartitionReader for Handle {
    fn id(&self) -> PartitionId {
        self.log.id
    }

    fn bounds_cell(&self) -> &Arc<BoundsCell> {
        &self.log.bounds
    }

    async fn read(&self, from: Offset, until: Offset, max_bytes: usize) -> Result<Vec<Batch>, Error> {
        let state = self.to_read()?;
        let bounds = self.log.bounds.get();
        if from < bounds.start || from > bounds.end {
            let range = format!("offset {from} is not within {} to {}", bounds.start, bounds.end);
            return Err(self.error(ErrorKind::OutOfRange, &range));
        }
        let first = state.batches.partition_point(|batch| batch.last_offset() < from);
        let mut bytes = 0;
        let mut read = Vec::new();
        for batch in state.batches.iter().skip(first).take_while(|batch| batch.next_offset() <= until) {
            bytes += batch.size_in_bytes();
            if bytes > max_bytes && !read.is_empty() {
                break;
            }
            read.push(batch.clone());
        }
        Ok(read)
    }

    async fn offset_for_timestamp(&self, timestamp_ms: i64) -> Result<Option<Offset>, Error> {
        let state = self.to_read()?;
        Ok(state.batches.iter().find(|batch| batch.max_timestamp() >= timestamp_ms).map(Batch::base_offset))
    }

    async fn trim_base(&self) -> Result<TrimBase, Error> {
        Ok(self.to_read()?.base.clone())
    }
}

#[async_trait]
impl PartitionLog for Handle {
    fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    async fn ready(&self, _bytes: usize) -> Result<(), Error> {
        self.to_write().map(drop)
    }

    fn append(&self, batch: Batch) -> Result<Ticket, Error> {
        let mut state = self.to_write()?;
        let end = self.log.bounds.get().end;
        if batch.base_offset() < end || batch.leader_epoch() > self.epoch {
            let what = format!(
                "a batch at {} of epoch {} does not follow the end {end} in epoch {}",
                batch.base_offset(),
                batch.leader_epoch(),
                self.epoch
            );
            return Err(self.error(ErrorKind::OutOfRange, &what));
        }
        let next = batch.next_offset();
        state.batches.push(batch);
        self.log.bounds.update(|bounds| {
            bounds.durable_end = next;
            bounds.end = next;
        });
        Ok(Ticket::ready(Ok(())))
    }

    async fn trim_prefix(&self, before: Offset, base: TrimBase) -> Result<(), Error> {
        let mut state = self.to_write()?;
        let bounds = self.log.bounds.get();
        if before > bounds.durable_end {
            return Err(
                self.error(ErrorKind::OutOfRange, &format!("{before} is beyond the end {}", bounds.durable_end))
            );
        }
        if before > bounds.start {
            state.batches.retain(|batch| batch.next_offset() > before);
            state.base = base;
            self.log.bounds.update(|bounds| bounds.start = before);
        }
        Ok(())
    }

    async fn reset_to(&self, at: Offset, base: TrimBase) -> Result<(), Error> {
        let mut state = self.to_write()?;
        state.batches.clear();
        state.base = base;
        self.log.bounds.update(|bounds| *bounds = Bounds::empty_at(at));
        Ok(())
    }

    async fn close(&self) -> Result<(), Error> {
        self.shut();
        Ok(())
    }
}

impl ListStorage {
    fn open(lists: &Arc<Lists>) -> Self {
        Self { lists: Arc::clone(lists), closed: AtomicBool::new(false), handles: Mutex::default() }
    }

    fn logs(&self) -> Result<MutexGuard<'_, BTreeMap<PartitionId, Arc<Log>>>, Error> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Closed, "the storage is closed"));
        }
        Ok(lock(&self.lists.0))
    }

    fn open_one(&self, wanted: &OpenPartition) -> Result<Arc<dyn PartitionLog>, Error> {
        let mut logs = self.logs()?;
        let log = logs.entry(wanted.id).or_insert_with(|| {
            let state =
                State { newest: LeaderEpoch::NONE, removed: false, batches: Vec::new(), base: TrimBase::default() };
            Arc::new(Log { id: wanted.id, bounds: Arc::default(), state: Mutex::new(state) })
        });
        let mut state = lock(&log.state);
        if wanted.epoch <= state.newest {
            let what = format!("partition {}: it was opened at epoch {} before", log.id, state.newest);
            return Err(Error::new(ErrorKind::Fenced, what));
        }
        state.newest = wanted.epoch;
        drop(state);
        log.bounds.wake();
        let handle = Arc::new(Handle { log: Arc::clone(log), epoch: wanted.epoch, closed: AtomicBool::new(false) });
        lock(&self.handles).push(Arc::clone(&handle));
        Ok(handle)
    }
}

#[async_trait]
impl LogStorage for ListStorage {
    fn durability(&self) -> Durability {
        Durability::Memory
    }

    async fn open_many(&self, partitions: &[OpenPartition]) -> Vec<Result<Arc<dyn PartitionLog>, Error>> {
        partitions.iter().map(|wanted| self.open_one(wanted)).collect()
    }

    async fn open_reader(&self, id: PartitionId) -> Result<Arc<dyn PartitionReader>, Error> {
        let log = self.logs()?.get(&id).cloned();
        let log = log.ok_or_else(|| Error::new(ErrorKind::Closed, format!("there is no log of partition {id}")))?;
        Ok(Arc::new(Handle { log, epoch: LeaderEpoch::NONE, closed: AtomicBool::new(false) }))
    }

    async fn list(&self) -> Result<Vec<PartitionId>, Error> {
        Ok(self.logs()?.keys().copied().collect())
    }

    async fn remove(&self, ids: &[PartitionId]) -> Result<(), Error> {
        let mut logs = self.logs()?;
        for log in ids.iter().filter_map(|id| logs.remove(id)) {
            lock(&log.state).removed = true;
            log.bounds.wake();
        }
        Ok(())
    }

    async fn close(&self) -> Result<(), Error> {
        self.closed.store(true, Ordering::Relaxed);
        lock(&self.handles).drain(..).for_each(|handle| handle.shut());
        Ok(())
    }
}

/// One list, as the suite sees it: opened again and again, by one process at a time.
struct Subject(Arc<Lists>);

#[async_trait]
impl LogSubject for Subject {
    async fn open(&self) -> Arc<dyn LogStorage> {
        Arc::new(ListStorage::open(&self.0))
    }

    async fn open_beside(&self) -> Option<Arc<dyn LogStorage>> {
        Some(Arc::new(ListStorage::open(&self.0)))
    }
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("custom_backend: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), AnyError> {
    conformance().await?;
    service().await
}

/// Runs every case of the suite, each on a list of its own. A case that fails panics with the rule that was broken.
async fn conformance() -> Result<(), AnyError> {
    let mut failed = Vec::new();
    for case in CASES {
        let subject = Arc::new(Subject(Arc::default()));
        if AssertUnwindSafe((case.run)(subject)).catch_unwind().await.is_err() {
            failed.push(case.name);
        }
    }
    if !failed.is_empty() {
        return Err(format!("{} of {} cases failed: {}", failed.len(), CASES.len(), failed.join(", ")).into());
    }
    println!(
        "conformance: {0} of {0} cases passed; on a list nothing fails halfway, so those about crashes, failing",
        CASES.len()
    );
    println!("  writes, damage and truncation had nothing to check");
    Ok(())
}

/// Writes and reads through a client, closes it, and finds everything again with the next one.
async fn service() -> Result<(), AnyError> {
    let lists = Arc::<Lists>::default();
    // A broker keeps three things; the two small ones are taken from the memory backend here.
    let others = ottla_backends::memory::backend();
    let backend = || Backend { logs: Arc::new(ListStorage::open(&lists)), ..others.clone() };

    let client = Client::over(backend()).await?;
    client.admin().create_topic(NewTopic::new("orders").partitions(2)).await?;
    let producer = client.producer().build().await?;
    let mut sent = Vec::new();
    for n in 0..1000 {
        let (key, value) = (format!("customer-{}", n % 7), format!("order {n}"));
        drop(producer.enqueue(Record::to("orders").key(key.clone()).value(value.clone())).await?);
        sent.push((key, value));
    }
    // Says if a record whose delivery was dropped above was not written.
    producer.flush().await?;
    client.close(Duration::from_secs(5)).await?;

    let client = Client::over(backend()).await?;
    let mut reader = client.reader().topic("orders").start(At::Earliest).to_end().build().await?;
    let mut read = Vec::new();
    while let Some(message) = reader.next().await? {
        let text = |bytes: Option<&Bytes>| String::from_utf8_lossy(bytes.map_or(&[][..], |bytes| bytes)).into_owned();
        read.push((text(message.key()), text(message.value())));
    }
    client.close(Duration::from_secs(5)).await?;

    // Stable: what is left of the order is the order within each key.
    sent.sort_by(|a, b| a.0.cmp(&b.0));
    read.sort_by(|a, b| a.0.cmp(&b.0));
    if sent != read {
        return Err(format!("{} records were written and {} other ones came back", sent.len(), read.len()).into());
    }
    let batches: usize = lock(&lists.0).values().map(|log| lock(&log.state).batches.len()).sum();
    println!("service: {} records in {batches} batches came back after a restart, in order per key", read.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn the_list_keeps_its_contract() {
        super::run().await.unwrap();
    }
}
