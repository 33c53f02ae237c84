//! The one task of all shards: replays, ends sessions, writes snapshots.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;

use super::GroupCoordinator;
use super::handle::ShardHandle;
use crate::api::Error;
use crate::coordinator::shard::{Shard, SnapshotStep};
use crate::env::{BoxFuture, Moment};
use crate::ids::Offset;
use crate::planted::is_planted;
use crate::record::Batch;

/// How much of a log is read at a time.
const READ_BYTES: usize = 1 << 20;

impl GroupCoordinator {
    /// Keeps the shards going; never returns. Run one at a time. May be dropped at any moment: the next
    /// one takes up where it was.
    pub async fn run(&self) {
        let mut under_way: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
        loop {
            let mut next: Option<Moment> = None;
            for shard in self.all_shards() {
                if let Some(job) = ShardHandle::job(&shard) {
                    under_way.push(job);
                }
                let deadline = shard.run_timers();
                next = next.into_iter().chain(deadline).min();
            }
            let woken = std::pin::pin!(self.wake.notified());
            let slept = std::pin::pin!(async {
                match next {
                    Some(at) => self.env.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            });
            let idle = select(woken, slept);
            if under_way.is_empty() {
                idle.await;
            } else if let Either::Left((Some(()), _)) = select(under_way.next(), idle).await {
                tracing::trace!("a shard's load or snapshot has ended");
            }
        }
    }
}

impl ShardHandle {
    /// Does what is due, and says when something is due next. `None` while a load decides that.
    fn run_timers(&self) -> Option<Moment> {
        loop {
            let deadline = self.announce();
            match deadline {
                Some(at) if at <= self.env.now() => {
                    // A refusal means that the shard is to be loaded: the next round sees to it.
                    if self.decide(|shard, cx, effects| shard.tick(cx, effects)).is_err() {
                        return self.announce().filter(|_| !self.busy.load(Ordering::Relaxed));
                    }
                }
                other => return other,
            }
        }
    }

    /// A load or a snapshot, if one is due and none is under way.
    fn job(shard: &Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        let load = shard.load_due();
        if load.is_none() && !shard.wants_snapshot() {
            return None;
        }
        if shard.busy.swap(true, Ordering::Relaxed) {
            return None;
        }
        let busy = Busy(Arc::clone(shard));
        Some(Box::pin(async move {
            match load {
                Some(era) => {
                    let loaded = busy.0.load().await;
                    busy.0.loaded(era, loaded);
                }
                None => {
                    if let Err(error) = busy.0.snapshot().await {
                        tracing::warn!(partition = busy.0.partition, %error, "a snapshot was given up");
                        // The era may be another one by now: then there is nothing to give up, or no shard.
                        let _ = busy.0.decide(|shard, _, _| shard.abandon_snapshot());
                    }
                }
            }
        }))
    }

    async fn load(&self) -> Result<Shard, Error> {
        self.log.reopen().await?;
        let end = self.log.end();
        let mut at = self.log.start();
        let mut shard = Shard::default();
        while at < end {
            let batches = self.log.read(at, READ_BYTES).await?;
            self.check_bytes(&batches)?;
            let Some(last) = batches.last() else { break };
            at = last.next_offset();
            for batch in batches.iter().filter(|batch| !batch.is_control()) {
                self.replay(&mut shard, batch)?;
            }
        }
        // What was replayed and is not committed yet could still be taken back.
        self.log.committed(end).await?;
        Ok(shard)
    }

    /// One wrong bit makes of a record another group's, an unknown one that is skipped, or other offsets: what was
    /// acknowledged would be gone without a word (invariants 8 and 9). A load that fails is tried again.
    fn check_bytes(&self, batches: &[Batch]) -> Result<(), Error> {
        if is_planted("group-replay-trusts-bytes") {
            return Ok(());
        }
        batches.iter().try_for_each(|batch| batch.verify_crc().map_err(|error| self.corrupt(&error)))
    }

    fn corrupt(&self, error: &crate::record::Error) -> Error {
        let why = format!("partition {} of __consumer_offsets: {error}", self.partition);
        Error::new(crate::api::ErrorCode::CorruptMessage, why)
    }

    fn replay(&self, shard: &mut Shard, batch: &Batch) -> Result<(), Error> {
        for record in batch.records().map_err(|error| self.corrupt(&error))? {
            let record = record.map_err(|error| self.corrupt(&error))?;
            let Some(key) = &record.key else { continue };
            if let Err(error) = shard.replay(&self.context(), key, record.value.as_ref()) {
                // The batch's checksum holds (see `check_bytes`), so this is what someone wrote: a newer version, or a stranger. One
                // such record must not keep all groups of the shard from being served.
                let (partition, offset) = (self.partition, record.offset.0);
                tracing::warn!(partition, offset, %error, "a record of __consumer_offsets is skipped");
            }
        }
        Ok(())
    }

    /// Writes all that lives once more, and lets go of what precedes it.
    async fn snapshot(&self) -> Result<(), Error> {
        let id = self.env.random_u64();
        let mut begin: Option<Offset> = None;
        let mut era = None;
        loop {
            let step = self.decide(|shard, _, effects| shard.snapshot_step(id, effects))?;
            // After a failure in between, another era's shard would go on with a snapshot that it never began.
            if era.is_some_and(|era| era != step.era) {
                return Err(self.forgotten());
            }
            era = Some(step.era);
            match step.answer {
                SnapshotStep::Begin => begin = step.base_offset,
                SnapshotStep::Groups | SnapshotStep::End => {}
            }
            // One step in flight: a snapshot takes its time rather than the log's room. And its end must be
            // committed before anything is trimmed: whoever takes over has what is committed, and no more.
            if !is_planted("snapshot-lost-on-failover") {
                self.commit_of(step.commit, step.era).await?;
            }
            if step.answer == SnapshotStep::End {
                let Some(begin) = begin else { return Err(self.forgotten()) };
                let end = step.base_offset.unwrap_or(begin);
                return self.log.trim(if is_planted("trim-above-snapshot") { end } else { begin }).await;
            }
        }
    }
}

/// Marks a shard as free again, also when its job is dropped half-way.
struct Busy(Arc<ShardHandle>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.dropped_job();
        self.0.busy.store(false, Ordering::Relaxed);
    }
}
