//! Reading what lies on the medium.
//!
//! Reads go through [`Pieces`]: in pieces of some 100 KiB, each once however many want it, and ahead of a reader who
//! goes on where a read ended.

mod piece;
mod pieces;
mod streams;

use ottla_broker_core::Offset;
use ottla_broker_core::log::{Error, ErrorKind};
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::Batch;

use self::streams::Stream;
use super::core::Core;
use super::extent::Extent;
use super::log::{Found, Log, Place};

pub(crate) use self::piece::{Piece, Stretch};
use self::pieces::Share;
pub(crate) use self::pieces::{ColdLimits, Pieces};

impl Log {
    /// See [`PartitionReader::read`](ottla_broker_core::log::PartitionReader::read).
    pub(crate) async fn read(
        &self,
        core: &Core,
        mut from: Offset,
        until: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Batch>, Error> {
        let mut damage: Option<(Vec<Extent>, Error)> = None;
        let mut found: Vec<Batch> = Vec::new();
        let mut size = 0_usize;
        let begin = from;
        let mut stream: Option<Option<Stream>> = None;
        loop {
            core.check_readable()?;
            let (batches, bound, asked) = match self.find(from, until, max_bytes.saturating_sub(size))? {
                Found::Here(batches) => (batches, until, None),
                Found::There { extents, until: bound } => {
                    let shares = core.cold.get(&self.key, &extents);
                    if stream.is_none() {
                        stream = Some(core.cold.streams(|streams| streams.begin(&self.key, begin)));
                        if let Some(Some(stream)) = &mut stream {
                            self.read_ahead(core, stream, &extents);
                        }
                    }
                    match self.gather(core, &shares, &extents).await? {
                        Ok(batches) => (batches, bound, Some((shares, extents))),
                        // Moved, and perhaps written over: the index says where it is now. If it says the same, it is damage.
                        Err(error) if damage.as_ref().is_some_and(|(before, _)| *before == extents) => {
                            return Err(error);
                        }
                        Err(error) => {
                            damage = Some((extents, error));
                            continue;
                        }
                    }
                }
            };
            let before = from;
            let mut is_full = false;
            for batch in batches.into_iter().skip_while(|batch| batch.next_offset() <= before) {
                let total = size.saturating_add(batch.size_in_bytes());
                is_full = batch.next_offset() > until || (!found.is_empty() && total > max_bytes);
                if is_full || batch.next_offset() > bound {
                    break; // or it is in memory
                }
                (size, from) = (total, batch.next_offset());
                found.push(batch);
            }
            if let Some((shares, extents)) = asked {
                core.cold.done(stream.as_ref().and_then(Option::as_ref), &shares, &extents, from);
            }
            if is_full || bound >= until {
                break;
            }
            // What is on the medium goes on in memory.
            if from == before {
                from = bound;
            }
        }
        if let Some(stream) = stream {
            core.cold.streams(|streams| streams.end(stream, &self.key, from));
        }
        Ok(found)
    }

    /// Begins to read what a reader will want who is at `extents` now.
    fn read_ahead(&self, core: &Core, stream: &mut Stream, extents: &[Extent]) {
        let limits = &core.cold.limits;
        let bytes = |extents: &[Extent]| extents.iter().map(|extent| extent.bytes as usize).sum::<usize>();
        let active = core.cold.streams(|streams| streams.active(stream));
        // What the others have read ahead must not go before they come to it.
        let window = limits.ahead.min(limits.budget / 2 / active);
        if window < limits.piece || is_planted("nothing-read-ahead") {
            return;
        }
        let here = extents.last().map_or(stream.next, |last| last.next);
        // Some more than the window: the last piece is to be a whole one, too.
        let next = self.beyond(here, window.saturating_add(limits.piece));
        let begun = next.partition_point(|extent| extent.base < stream.ahead);
        let (begun, next) = next.split_at_checked(begun).unwrap_or_default();
        let left = bytes(begun);
        // Half of it at a time, so that the threads that read are not woken for each piece.
        if left > window / 2 {
            return;
        }
        let count = core.cold.get_some(&self.key, next, window - left).iter().map(|share| share.extents).sum::<usize>();
        if let Some(last) = count.checked_sub(1).and_then(|last| next.get(last)) {
            stream.ahead = last.next;
        }
    }

    /// See [`PartitionReader::offset_for_timestamp`](ottla_broker_core::log::PartitionReader::offset_for_timestamp).
    pub(crate) async fn offset_for_timestamp(&self, core: &Core, timestamp_ms: i64) -> Result<Option<Offset>, Error> {
        let start = self.bounds().start;
        self.search(
            core,
            start,
            |from| self.find_time(from, timestamp_ms),
            |batch| batch.max_timestamp() >= timestamp_ms,
        )
        .await
    }

    /// Where the first batch begins that ends after `offset`; `None` if there is none.
    pub(crate) async fn boundary(&self, core: &Core, offset: Offset) -> Result<Option<Offset>, Error> {
        self.search(core, offset, |from| self.find_batch(from), |_| true).await
    }

    /// The base offset of the first batch that ends after `from` and `is` so.
    async fn search(
        &self,
        core: &Core,
        mut from: Offset,
        find: impl Fn(Offset) -> Result<Place, Error> + Send + Sync,
        is: impl Fn(&Batch) -> bool + Send + Sync,
    ) -> Result<Option<Offset>, Error> {
        let mut damage: Option<(Extent, Error)> = None;
        loop {
            core.check_readable()?;
            let extent = match find(from)? {
                Place::Here(found) => return Ok(found),
                Place::There(extent) => extent,
            };
            match self.batches(core, &[extent]).await? {
                Ok(batches) => {
                    let found = batches.iter().find(|batch| batch.next_offset() > from && is(batch));
                    if let Some(batch) = found {
                        return Ok(Some(batch.base_offset()));
                    }
                    // What made it promising was cut off it.
                    from = extent.next;
                }
                Err(error) if damage.as_ref().is_some_and(|(before, _)| *before == extent) => return Err(error),
                Err(error) => damage = Some((extent, error)),
            }
        }
    }

    /// All batches of extents. The inner error says that they are not where the index had them.
    pub(crate) async fn batches(&self, core: &Core, extents: &[Extent]) -> Result<Result<Vec<Batch>, Error>, Error> {
        self.gather(core, &core.cold.get(&self.key, extents), extents).await
    }

    async fn gather(
        &self,
        core: &Core,
        shares: &[Share],
        extents: &[Extent],
    ) -> Result<Result<Vec<Batch>, Error>, Error> {
        let mut batches = Vec::new();
        let mut rest = extents;
        for share in shares {
            let (run, behind) = rest.split_at_checked(share.extents).unwrap_or((rest, &[]));
            rest = behind;
            let piece = match share.flight.clone().await {
                Ok(Some(piece)) => piece,
                other => {
                    core.cold.forget(share);
                    other?;
                    return Ok(Err(self.unavailable("was moved while it was read")));
                }
            };
            for extent in run {
                if is_planted("cold-read-evicts-tail") {
                    core.tail.take(extent.bytes as usize);
                }
                if let Err(what) = piece.take(&self.key, extent, &mut batches) {
                    core.cold.forget(share);
                    return Ok(Err(self.corrupt(extent, &what)));
                }
            }
        }
        Ok(Ok(batches))
    }

    fn corrupt(&self, extent: &Extent, what: &str) -> Error {
        let Extent { base, next, file, position, .. } = extent;
        let message = format!(
            "{} is damaged between offset {base} and {next}, in file {file} from byte {position} on: {what}",
            self.key
        );
        Error::new(ErrorKind::Corrupt, message)
    }

    fn unavailable(&self, what: &str) -> Error {
        Error::new(ErrorKind::Unavailable, format!("{} {what}", self.key))
    }
}

#[cfg(test)]
mod tests;
