//! The rounds of the background: compaction, checkpoints, and deleting what nothing refers to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use ottla_broker_core::env::Moment;
use ottla_broker_core::log::{Error, ErrorKind};
use ottla_broker_core::planted::is_planted;

use super::{Dead, Engine};
use crate::bucket::keys::{Name, of_file};
use crate::bucket::marks::Tombstone;
use crate::bucket::shelf::About;
use crate::bucket::store::{Created, Purpose};
use crate::engine::{Checkpoint, Core, FileEntry, FileKind, HEADER_BYTES};

/// How long after a checkpoint the next one waits that only gives room back: retention trims one partition after
/// the other.
const TRIMS_WAIT: Duration = Duration::from_secs(10);
/// How long the background waits after a round that failed.
const AFTER_TROUBLE: Duration = Duration::from_secs(1);
/// No tombstone is larger.
const TOMBSTONE_BYTES: u64 = 128;

impl Engine {
    /// The first checkpoint: from here on what was inherited is history. `older` are those of before.
    ///
    /// # Errors
    /// `Unavailable`, `Fenced`.
    pub(in crate::bucket) async fn begin(&self, older: &[(u64, u64)]) -> Result<(), Error> {
        let older = older.iter().map(|(incarnation, number)| self.keys().checkpoint(*incarnation, *number));
        self.lock().older_checkpoints = older.collect();
        self.checkpoint(false).await
    }

    /// Compacts, takes checkpoints and deletes, until the writer has ended; then ends the storage. The error is what
    /// made the writer end, or what could not be written at last.
    pub(in crate::bucket) async fn keep_all(self: Arc<Self>, older: Vec<u64>) -> Result<(), Error> {
        let mut swept = false;
        let mut pause = None;
        loop {
            if let Some(until) = pause.take() {
                tokio::select! {
                    biased;
                    () = self.until_written() => {}
                    () = self.env.sleep_until(until) => {}
                }
            } else if !self.wants_compaction() {
                let next = self.next_trim();
                tokio::select! {
                    biased;
                    () = self.wanted.notified() => {}
                    () = sleep_until(&self, next), if next.is_some() => {}
                    () = std::future::ready(()), if !swept => {}
                }
            }
            if self.is_written() {
                break;
            }
            let outcome = self.tend(&mut swept, &older).await;
            if let Err(error) = outcome {
                tracing::warn!(%error, "the background work of the storage failed; it will be tried again");
                pause = Some(self.env.now() + AFTER_TROUBLE);
            }
        }
        self.close().await
    }

    /// Returns once the writer has ended.
    async fn until_written(&self) {
        while !self.is_written() {
            self.wanted.notified().await;
        }
    }

    /// One round.
    async fn tend(&self, swept: &mut bool, older: &[u64]) -> Result<(), Error> {
        if !*swept {
            self.sweep(older).await?;
            *swept = true;
        }
        self.delete_dead().await?;
        if self.wants_compaction() {
            self.compact().await?;
            return self.checkpoint(false).await;
        }
        let due = {
            let work = self.lock();
            work.since_bytes >= self.options.journal_bytes / 2
                || work.since_objects >= self.options.journal_objects as u64
                || work.trimmed && self.env.now() >= work.last_checkpoint + TRIMS_WAIT
        };
        if due { self.checkpoint(false).await } else { Ok(()) }
    }

    /// When a checkpoint is due that only gives room back.
    fn next_trim(&self) -> Option<Moment> {
        let work = self.lock();
        work.trimmed.then(|| work.last_checkpoint + TRIMS_WAIT)
    }

    /// The end: a last checkpoint, so that the next opening need not read the journal, and the lease given back.
    async fn close(self: &Arc<Self>) -> Result<(), Error> {
        let trouble = self.core.queue.ended().filter(|error| error.kind() != ErrorKind::Closed);
        let outcome = match &trouble {
            Some(error) => Err(error.clone()),
            None => {
                let written = self.lock().since_objects > 0;
                let last = if written { self.checkpoint(true).await } else { Ok(()) };
                match last {
                    Ok(()) => self.delete_at_last().await,
                    Err(error) => Err(error),
                }
            }
        };
        self.lease.end();
        if trouble.is_none_or(|error| error.kind() != ErrorKind::Fenced)
            && let Err(error) = self.lease.write(true).await
        {
            tracing::warn!(%error, "the lease could not be given back: the next opening waits until it is stale");
        }
        self.core.end(Core::closed());
        self.core.tail.clear();
        for log in self.core.logs() {
            log.wake(&self.core);
        }
        outcome
    }

    /// What is dead goes, if this is still the owner: the writer has ended, and cannot find out any more.
    async fn delete_at_last(self: &Arc<Self>) -> Result<(), Error> {
        if self.has_unconfirmed() {
            self.confirm().await?;
        }
        self.delete_dead().await
    }

    /// Makes all that was applied the beginning of the next recovery.
    pub(in crate::bucket) async fn checkpoint(&self, clean: bool) -> Result<(), Error> {
        let (checkpoint, path, dead, since) = {
            let mut work = self.lock();
            let logs: Vec<_> = self.core.logs().iter().map(|log| log.saved()).collect();
            let used: BTreeSet<u64> = logs.iter().flat_map(|log| &log.extents).map(|extent| extent.file).collect();
            let (alive, dead): (Vec<_>, Vec<_>) =
                self.shelf.all().into_iter().partition(|(file, _)| used.contains(file));
            let files = alive.into_iter().map(|(file, About { bytes, adopted })| FileEntry {
                number: file,
                kind: of_file(file).0,
                bytes,
                closed: true,
                adopted,
            });
            let checkpoint = Checkpoint {
                storage: self.storage(),
                incarnation: self.incarnation,
                clean,
                next_chunk: work.applied,
                next_file: work.next_segment,
                files: files.collect(),
                logs,
            };
            let path = self.keys().checkpoint(self.incarnation, work.next_checkpoint);
            work.next_checkpoint += 1;
            work.trimmed = false;
            work.last_checkpoint = self.env.now();
            let since = (std::mem::take(&mut work.since_bytes), std::mem::take(&mut work.since_objects));
            (checkpoint, path, dead.into_iter().map(|(file, _)| file).collect::<Vec<_>>(), since)
        };
        let body = Bytes::from(checkpoint.encode());
        let head = body.slice(..HEADER_BYTES.min(body.len()));
        let created = self.store().create(Purpose::Checkpoint, &path, body.into(), |found| found.starts_with(&head));
        let outcome = created.await.and_then(|created| match created {
            Created::Ours => Ok(()),
            Created::Theirs(_) => Err(Error::new(
                ErrorKind::Fenced,
                format!("`{path}` was written by another: the storage was taken over"),
            )),
        });
        let mut work = self.lock();
        if let Err(error) = outcome {
            // It is still due, and may be there all the same.
            work.since_bytes += since.0;
            work.since_objects += since.1;
            work.trimmed = true;
            work.older_checkpoints.push(path);
            return Err(error);
        }
        let mut paths: Vec<_> = dead.iter().map(|file| self.keys().file(*file)).collect();
        paths.append(&mut work.older_checkpoints);
        work.older_checkpoints.push(path);
        self.shelf.remove(&dead);
        let after = if is_planted("bucket-deletes-unconfirmed") { 0 } else { work.next_chunk };
        if !paths.is_empty() {
            work.dead.push(Dead { after, paths });
        }
        drop(work);
        // A chunk more, if none comes by itself, to know that this is still the owner.
        self.core.queue.notify.notify_one();
        Ok(())
    }

    /// Deletes what may be deleted by now.
    async fn delete_dead(&self) -> Result<(), Error> {
        let ripe: Vec<Dead> = {
            let mut work = self.lock();
            let applied = work.applied;
            let (ripe, rest) = std::mem::take(&mut work.dead).into_iter().partition(|dead| dead.after < applied);
            work.dead = rest;
            ripe
        };
        let paths: Vec<Path> = ripe.iter().flat_map(|dead| dead.paths.iter().cloned()).collect();
        if paths.is_empty() {
            return Ok(());
        }
        let outcome = self.store().delete(&paths).await;
        if outcome.is_err() {
            self.lock().dead.extend(ripe);
        }
        outcome
    }

    /// Finds what incarnations before left and nothing refers to: objects that were written and never came to count.
    /// Tombstones stay for ever, for they keep out those who wrote there.
    async fn sweep(&self, older: &[u64]) -> Result<(), Error> {
        let known: BTreeSet<u64> = self.shelf.all().into_iter().map(|(file, _)| file).collect();
        let used = self.used();
        let mut paths: Vec<Path> = Vec::new();
        for incarnation in older {
            paths.extend([self.keys().claim(*incarnation), self.keys().lease(*incarnation)]);
        }
        for object in self.store().list(self.keys().prefix(), None).await? {
            match self.keys().parse(&object.path) {
                Some(Name::File(file)) => {
                    let (kind, incarnation, _) = of_file(file);
                    if incarnation >= self.incarnation || known.contains(&file) || used.contains(&file) {
                        continue;
                    }
                    if kind == FileKind::Journal && object.bytes <= TOMBSTONE_BYTES {
                        let head = self.store().get(Purpose::Compaction, &object.path).await?;
                        if head.is_none_or(|head| Tombstone::is_one(&head)) && !is_planted("bucket-tombstone-swept") {
                            continue;
                        }
                    }
                    paths.push(object.path);
                }
                Some(Name::Checkpoint(incarnation, _) | Name::Claim(incarnation) | Name::Lease(incarnation))
                    if incarnation < self.incarnation =>
                {
                    paths.push(object.path);
                }
                _ => {}
            }
        }
        paths.sort_unstable();
        paths.dedup();
        if !paths.is_empty() {
            let mut work = self.lock();
            let after = work.next_chunk;
            work.dead.push(Dead { after, paths });
            drop(work);
            self.core.queue.notify.notify_one();
        }
        Ok(())
    }
}

async fn sleep_until(engine: &Engine, until: Option<Moment>) {
    if let Some(until) = until {
        engine.env.sleep_until(until).await;
    }
}
