//! A log in memory. What is appended is committed at once, unless the test holds it back.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::api::group::{OffsetsKey, SnapshotMark};
use crate::api::{Error, ErrorCode};
use crate::coordinator::{Commit, ShardAppend, ShardLog};
use crate::ids::{LeaderEpoch, Offset};
use crate::record::Batch;

#[derive(Debug)]
pub(super) struct MemoryLog {
    inner: Mutex<Inner>,
    /// The committed end, how often the log has failed, and whether it may be opened again.
    state: watch::Sender<(Offset, u32, bool)>,
}

#[derive(Debug, Default)]
struct Inner {
    start: Offset,
    batches: Vec<Batch>,
    holds: bool,
    holds_after_begin: bool,
    refuses: bool,
    failed: bool,
    /// The next read gives a wrong bit at this distance from the end of this batch.
    rots: Option<(usize, usize)>,
}

impl Inner {
    fn end(&self) -> Offset {
        self.batches.last().map_or(self.start, Batch::next_offset)
    }
}

impl MemoryLog {
    pub(super) fn new() -> Arc<Self> {
        Self::of(Offset::ZERO, Vec::new())
    }

    fn of(start: Offset, batches: Vec<Batch>) -> Arc<Self> {
        let inner = Inner { start, batches, ..Inner::default() };
        let state = watch::Sender::new((inner.end(), 0, true));
        Arc::new(Self { inner: Mutex::new(inner), state })
    }

    fn failure() -> Error {
        Error::new(ErrorCode::KafkaStorageError, "the log has failed")
    }

    /// From now on nothing is committed.
    pub(super) fn hold(&self) {
        self.inner.lock().unwrap().holds = true;
    }

    /// As [`MemoryLog::hold`], once a snapshot's begin is committed.
    pub(super) fn hold_after_begin(&self) {
        self.inner.lock().unwrap().holds_after_begin = true;
    }

    /// Commits what was held back.
    pub(super) fn release(&self) {
        let mut inner = self.inner.lock().unwrap();
        inner.holds = false;
        inner.holds_after_begin = false;
        let end = inner.end();
        self.state.send_modify(|state| state.0 = end);
    }

    /// Takes no append from now on, and says so at once.
    pub(super) fn refuse(&self, refuses: bool) {
        self.inner.lock().unwrap().refuses = refuses;
    }

    /// The next read gives the batch `nth` with a wrong bit, `from_end` bytes before its end; later ones are right again.
    pub(super) fn rot_next_read(&self, nth: usize, from_end: usize) {
        self.inner.lock().unwrap().rots = Some((nth, from_end));
    }

    /// How many bytes each batch has.
    pub(super) fn sizes(&self) -> Vec<usize> {
        self.inner.lock().unwrap().batches.iter().map(Batch::size_in_bytes).collect()
    }

    /// Fails what was not committed: it is lost, or kept after all. Opens again only with [`MemoryLog::mend`].
    pub(super) fn fail(&self, keep: bool) {
        let mut inner = self.inner.lock().unwrap();
        let committed = self.state.borrow().0;
        inner.failed = true;
        inner.holds = false;
        if !keep {
            inner.batches.retain(|batch| batch.next_offset() <= committed);
        }
        self.state.send_modify(|state| {
            state.1 += 1;
            state.2 = false;
        });
    }

    pub(super) fn mend(&self) {
        self.state.send_modify(|state| state.2 = true);
    }

    /// What a follower has that takes over now: what is committed.
    pub(super) fn survivor(&self) -> Arc<Self> {
        let inner = self.inner.lock().unwrap();
        let committed = self.state.borrow().0;
        let batches = inner.batches.iter().filter(|batch| batch.next_offset() <= committed).cloned().collect();
        Self::of(inner.start, batches)
    }

    pub(super) fn records(&self) -> i64 {
        let inner = self.inner.lock().unwrap();
        inner.end().0 - inner.start.0
    }

    fn is_begin(batch: &Batch) -> bool {
        let key = batch.records().unwrap().next().unwrap().unwrap().key.unwrap();
        OffsetsKey::decode(&key).unwrap() == OffsetsKey::Snapshot(SnapshotMark::Begin)
    }
}

#[async_trait]
impl ShardLog for MemoryLog {
    fn start(&self) -> Offset {
        self.inner.lock().unwrap().start
    }

    fn end(&self) -> Offset {
        self.inner.lock().unwrap().end()
    }

    fn max_batch_bytes(&self) -> usize {
        1 << 16
    }

    fn append(&self, batch: Batch) -> Result<ShardAppend, Error> {
        let mut inner = self.inner.lock().unwrap();
        if inner.failed || inner.refuses {
            return Err(Self::failure());
        }
        assert!(batch.size_in_bytes() <= self.max_batch_bytes());
        let base_offset = inner.end();
        let batch = batch.stamped(base_offset, LeaderEpoch(0));
        let (next, begins) = (batch.next_offset(), Self::is_begin(&batch));
        inner.batches.push(batch);
        if !inner.holds {
            self.state.send_modify(|state| state.0 = next);
        }
        if begins && inner.holds_after_begin {
            inner.holds = true;
        }
        let mut watched = self.state.subscribe();
        let failures = watched.borrow().1;
        let commit = Commit::new(async move {
            let state = watched.wait_for(|(end, failed, _)| *failed > failures || *end >= next).await;
            match state {
                Ok(state) if state.1 == failures => Ok(()),
                _ => Err(Self::failure()),
            }
        });
        Ok(ShardAppend { base_offset, commit })
    }

    async fn committed(&self, end: Offset) -> Result<(), Error> {
        let mut watched = self.state.subscribe();
        watched.wait_for(|(committed, _, _)| *committed >= end).await.map(|_| ()).map_err(|_| Self::failure())
    }

    async fn read(&self, from: Offset, _max_bytes: usize) -> Result<Vec<Batch>, Error> {
        let mut inner = self.inner.lock().unwrap();
        let rots = inner.rots.take();
        // A few at a time, so that a load takes several reads.
        let read = inner.batches.iter().enumerate().filter(|(_, batch)| batch.next_offset() > from).take(16);
        Ok(read
            .map(|(nth, batch)| match rots {
                Some((rotten, from_end)) if rotten == nth => {
                    let mut bytes = batch.to_bytes().to_vec();
                    let at = bytes.len() - from_end;
                    bytes[at] ^= 1;
                    Batch::parse(bytes.into()).unwrap()
                }
                _ => batch.clone(),
            })
            .collect())
    }

    async fn trim(&self, before: Offset) -> Result<(), Error> {
        let mut inner = self.inner.lock().unwrap();
        assert!(before <= self.state.borrow().0, "only what is committed may be trimmed");
        inner.start = inner.start.max(before);
        inner.batches.retain(|batch| batch.next_offset() > before);
        Ok(())
    }

    async fn reopen(&self) -> Result<(), Error> {
        let mut watched = self.state.subscribe();
        watched.wait_for(|(_, _, opens)| *opens).await.map_err(|_| Self::failure())?;
        let mut inner = self.inner.lock().unwrap();
        if std::mem::take(&mut inner.failed) {
            let end = inner.end();
            drop(inner);
            self.state.send_modify(|state| state.0 = end);
        }
        Ok(())
    }
}
