//! Reading what lies on the medium.

use ottla_broker_core::Offset;
use ottla_broker_core::log::{Error, ErrorKind};
use ottla_broker_core::record::Batch;

use super::chunk::Items;
use super::core::Core;
use super::extent::Extent;
use super::log::{Found, Log, Place};

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
        loop {
            core.check_readable()?;
            let (batches, bound) = match self.find(from, until, max_bytes.saturating_sub(size))? {
                Found::Here(batches) => (batches, until),
                Found::There { extents, until: bound } => match self.batches(core, &extents).await? {
                    Ok(batches) => (batches, bound),
                    // Moved, and perhaps written over: the index says where it is now. If it says the same, it is damage.
                    Err(error) if damage.as_ref().is_some_and(|(before, _)| *before == extents) => return Err(error),
                    Err(error) => {
                        damage = Some((extents, error));
                        continue;
                    }
                },
            };
            let before = from;
            for batch in batches.into_iter().skip_while(|batch| batch.next_offset() <= before) {
                let total = size.saturating_add(batch.size_in_bytes());
                if batch.next_offset() > until || (!found.is_empty() && total > max_bytes) {
                    return Ok(found);
                }
                if batch.next_offset() > bound {
                    break; // it is in memory
                }
                (size, from) = (total, batch.next_offset());
                found.push(batch);
            }
            if bound >= until {
                return Ok(found);
            }
            // What is on the medium goes on in memory.
            if from == before {
                from = bound;
            }
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
        let mut batches = Vec::new();
        let mut rest = extents;
        while let Some((first, others)) = rest.split_first() {
            // Extents that lie next to each other are one read.
            let mut end = first.position + u64::from(first.bytes);
            let mut together = 1;
            for extent in others.iter().take_while(|extent| extent.file == first.file) {
                if extent.position != end {
                    break;
                }
                end += u64::from(extent.bytes);
                together += 1;
            }
            let (run, behind) = rest.split_at_checked(together).unwrap_or((rest, &[]));
            rest = behind;
            let length = usize::try_from(end - first.position).unwrap_or(usize::MAX);
            let Some(bytes) = core.medium.read(first.file, first.position, length).await? else {
                return Ok(Err(self.unavailable("was moved while it was read")));
            };
            if bytes.len() < length {
                return Ok(Err(self.corrupt(first, "the file ends too soon")));
            }
            let mut extents = run.iter();
            let mut current = extents.next();
            for item in Items::new(&self.key, bytes) {
                let (position, batch) = match item {
                    Ok(item) => item,
                    Err(bad) => return Ok(Err(self.corrupt(first, &bad.to_string()))),
                };
                let at = first.position + u64::from(position);
                while current.is_some_and(|extent| at >= extent.position + u64::from(extent.bytes)) {
                    current = extents.next();
                }
                let Some(extent) = current else { break };
                if batch.base_offset() < extent.base || at == extent.position && batch.base_offset() != extent.base {
                    let what = format!("offset {} is not what the index expects", batch.base_offset());
                    return Ok(Err(self.corrupt(extent, &what)));
                }
                // What a truncation cut off is there still.
                if batch.next_offset() <= extent.next {
                    batches.push(batch);
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
