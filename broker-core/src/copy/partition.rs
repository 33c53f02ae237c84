//! One partition's log, batch by batch.

use std::collections::VecDeque;
use std::sync::Arc;

use super::error::{Error, Side};
use super::log_state::{Extent, is_beginning};
use super::progress::Meter;
use crate::ids::{Offset, TopicPartition};
use crate::log::{self, ErrorKind, PartitionLog, PartitionReader, SnapshotStore, Ticket, TrimBase};
use crate::planted::is_planted;
use crate::record::{Batch, Builder, BuilderOptions, Flags};

/// Pages of a partition that are on their way to the destination at a time.
const PAGES_IN_FLIGHT: usize = 3;

/// A partition that both sides have open.
pub(super) struct Opened {
    pub(super) name: TopicPartition,
    /// `None`: the source has no log of it.
    pub(super) from: Option<Arc<dyn PartitionReader>>,
    pub(super) to: Arc<dyn PartitionLog>,
    /// The source's and the destination's.
    pub(super) snapshots: (Arc<dyn SnapshotStore>, Arc<dyn SnapshotStore>),
}

/// A partition of which it is known what is to be copied.
pub(super) struct Job {
    opened: Opened,
    extent: Extent,
    /// Where it goes on.
    next: Offset,
}

/// What was copied.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) batches: u64,
    pub(super) records: u64,
    pub(super) bytes: u64,
}

impl Tally {
    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            batches: self.batches + other.batches,
            records: self.records + other.records,
            bytes: self.bytes + other.bytes,
        }
    }

    pub(super) fn add(&mut self, batch: &Batch) {
        self.batches += 1;
        self.records += u64::try_from(batch.record_count()).unwrap_or_default();
        self.bytes += batch.size_in_bytes() as u64;
    }
}

/// Appends that are on their way, a page each.
struct Page {
    /// Of its last batch.
    ticket: Ticket,
    offsets: u64,
    bytes: u64,
}

impl Job {
    /// Looks what the destination has, and empties it if that is not the beginning of the source's.
    pub(super) async fn prepare(opened: Opened) -> Result<Self, Error> {
        let at = |side| at(&opened.name, side);
        let Some(from) = opened.from.as_deref() else {
            return Ok(Self { extent: Extent::default(), next: Offset::ZERO, opened });
        };
        let mut extent = Extent::of(from).await.map_err(at(Side::Source))?;
        if is_planted("copy-forgets-trim-base") {
            extent.base = TrimBase::default();
        }
        let here = opened.to.bounds();
        let base = opened.to.trim_base().await.map_err(at(Side::Destination))?;
        let is_begun = extent.is_begun_by(here, &base);
        let goes_on = is_begun || {
            let looked = is_beginning(&extent, from, opened.to.as_ref()).await;
            looked.map_err(|(side, error)| self::at(&opened.name, side)(error))?
        };
        let next = if goes_on {
            here.end
        } else {
            let reset = opened.to.reset_to(extent.first, extent.base.clone()).await;
            reset.map_err(at(Side::Destination))?;
            extent.first
        };
        Ok(Self { opened, extent, next })
    }

    pub(super) const fn name(&self) -> &TopicPartition {
        &self.opened.name
    }

    pub(super) const fn extent(&self) -> &Extent {
        &self.extent
    }

    /// Both sides of it; `None` if the source has no log.
    pub(super) fn sides(&self) -> Option<(&dyn PartitionReader, &dyn PartitionLog)> {
        Some((self.opened.from.as_deref()?, self.opened.to.as_ref()))
    }

    /// How many offsets there are.
    pub(super) fn offsets(&self) -> u64 {
        between(self.extent.start, self.extent.end)
    }

    /// How many of them are there already.
    pub(super) fn offsets_there(&self) -> u64 {
        between(self.extent.start, self.next)
    }

    pub(super) fn at(&self, side: Side) -> impl FnOnce(log::Error) -> Error + '_ {
        at(&self.opened.name, side)
    }

    /// Copies what is missing; durable when it returns.
    pub(super) async fn run(&self, page_bytes: usize, meter: &Meter<'_>) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        if let Some(from) = self.opened.from.as_deref() {
            let end = self.batches(from, page_bytes, meter, &mut tally).await?;
            if end < self.extent.end {
                self.end_with_gap(end).await?;
                meter.advance(between(end.max(self.extent.start), self.extent.end), 0);
            }
            if self.opened.to.bounds().start < self.extent.start && !is_planted("copy-straddles-start") {
                let trimmed = self.opened.to.trim_prefix(self.extent.start, self.extent.base.clone()).await;
                trimmed.map_err(self.at(Side::Destination))?;
            }
            self.snapshot().await;
        }
        meter.partition_done();
        Ok(tally)
    }

    /// Copies batches to the end, and says where the last one ends.
    async fn batches(
        &self,
        from: &dyn PartitionReader,
        page_bytes: usize,
        meter: &Meter<'_>,
        tally: &mut Tally,
    ) -> Result<Offset, Error> {
        let mut next = self.next;
        let mut pages: VecDeque<Page> = VecDeque::new();
        while next < self.extent.end {
            let read = from.read(next.max(self.extent.start), self.extent.end, page_bytes).await;
            let batches = read.map_err(self.at(Side::Source))?;
            let Some(last) = batches.last() else { break };
            let (began, after) = (next, last.next_offset());
            let bytes = batches.iter().map(Batch::size_in_bytes).sum::<usize>();
            let mut ticket = Ticket::ready(Ok(()));
            for batch in batches {
                check(&batch).map_err(self.at(Side::Source))?;
                tally.add(&batch);
                // Room for each: a storage whose whole budget is less than a page must go on.
                let appended = match self.opened.to.ready(batch.size_in_bytes()).await {
                    Ok(()) => self.opened.to.append(batch),
                    Err(error) => Err(error),
                };
                ticket = appended.map_err(|error| {
                    let submitted = pages.iter().map(|page| &page.ticket).chain([&ticket]);
                    self.at(Side::Destination)(first_failure(submitted).unwrap_or(error))
                })?;
            }
            let start = self.extent.start;
            pages.push_back(Page { ticket, offsets: between(began.max(start), after.max(start)), bytes: bytes as u64 });
            if pages.len() > PAGES_IN_FLIGHT {
                self.settle(pages.pop_front(), meter).await?;
            }
            next = after;
        }
        while let Some(page) = pages.pop_front() {
            self.settle(Some(page), meter).await?;
        }
        Ok(next)
    }

    async fn settle(&self, page: Option<Page>, meter: &Meter<'_>) -> Result<(), Error> {
        let Some(Page { ticket, offsets, bytes }) = page else { return Ok(()) };
        if !is_planted("copy-ends-before-durable") {
            ticket.await.map_err(self.at(Side::Destination))?;
        }
        meter.advance(offsets, bytes);
        Ok(())
    }

    /// Brings an end that lies after the last batch over: offsets that were used must not be used again. There
    /// is no call for it, so something is put there and taken away; if that is cut short, the next run sees
    /// a last batch that the source does not have, and begins this partition again.
    async fn end_with_gap(&self, end: Offset) -> Result<(), Error> {
        let to = &self.opened.to;
        let wanted = self.extent.end;
        if to.bounds().end >= wanted || is_planted("copy-loses-gap-at-end") {
            return Ok(());
        }
        let gap = || Error::Gap { partition: self.opened.name.clone(), end: wanted };
        debug_assert!(end < wanted, "a gap from {end} to {wanted}");
        let truncate = to.truncate_suffix().ok_or_else(gap)?;
        let mut filler = Builder::new(BuilderOptions::default());
        let filled = filler.append(0, None, None, &[]).and_then(|_| filler.finish(None, Flags::default()));
        let filler = filled.map_err(|_| gap())?.stamped(wanted, to.epoch());
        let ticket = to.append(filler).map_err(self.at(Side::Destination))?;
        ticket.await.map_err(self.at(Side::Destination))?;
        truncate.truncate_to(wanted).await.map_err(self.at(Side::Destination))?;
        if to.bounds().end == wanted { Ok(()) } else { Err(gap()) }
    }

    /// A cache, which is checked against the log by whoever uses it: what fails here costs a longer replay.
    async fn snapshot(&self) {
        let id = self.opened.to.id();
        let (from, to) = &self.opened.snapshots;
        let saved = match from.latest(id).await {
            Ok(Some(snapshot)) => to.save(id, snapshot).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = saved {
            tracing::warn!(partition = %self.opened.name, %error, "the snapshot was not copied");
        }
    }

    pub(super) async fn close(&self) -> Result<(), Error> {
        self.opened.to.close().await.map_err(self.at(Side::Destination))
    }
}

/// What an earlier append failed with: a later one only says that the log is closed since.
fn first_failure<'a>(mut tickets: impl Iterator<Item = &'a Ticket>) -> Option<log::Error> {
    tickets.find_map(|ticket| ticket.peek().and_then(Result::err))
}

fn at(name: &TopicPartition, side: Side) -> impl FnOnce(log::Error) -> Error + '_ {
    move |source| Error::Partition { partition: name.clone(), side, source }
}

/// A wrong bit must not become the truth of the copy (invariant 9).
pub(super) fn check(batch: &Batch) -> Result<(), log::Error> {
    if is_planted("copy-trusts-bytes") {
        return Ok(());
    }
    batch.verify_crc().map_err(|error| {
        log::Error::new(ErrorKind::Corrupt, "its log has a batch that is not what was written").with_source(error)
    })
}

fn between(from: Offset, to: Offset) -> u64 {
    u64::try_from(to.0 - from.0).unwrap_or_default()
}
