//! Both sides of a partition read again, each by itself, and compared.

use super::error::{Error, Side};
use super::partition::{Job, Tally, check};
use super::progress::Meter;
use crate::ids::Offset;
use crate::log::{Bounds, PartitionReader};

/// What is left of a log when it has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Digest {
    start: Offset,
    end: Offset,
    batches: u64,
    records: u64,
    bytes: u64,
    /// CRC-32C of all its batches, with their offsets and epochs, one after the other.
    crc: u32,
}

/// Compares what the destination holds with the source.
pub(super) async fn partition(job: &Job, page_bytes: usize, meter: &Meter<'_>) -> Result<(), Error> {
    let Some((from, to)) = job.sides() else { return Ok(()) };
    let source = digest(from, page_bytes, |offsets| meter.advance(offsets, 0)).await.map_err(job.at(Side::Source))?;
    let copied = digest(to, page_bytes, |_| ()).await.map_err(job.at(Side::Destination))?;
    let base = to.trim_base().await.map_err(job.at(Side::Destination))?;
    let difference = if source != copied {
        Some(format!("{copied:?}, where the source has {source:?}"))
    } else if base != job.extent().base {
        Some("what was saved with its trim is another".to_owned())
    } else {
        None
    };
    match difference {
        None => Ok(()),
        Some(difference) => Err(Error::Differs { what: format!("partition {}", job.name()), difference }),
    }
}

async fn digest(log: &dyn PartitionReader, page_bytes: usize, read: impl Fn(u64)) -> Result<Digest, crate::log::Error> {
    let Bounds { start, durable_end: end, .. } = log.bounds();
    let (mut next, mut tally, mut crc) = (start, Tally::default(), 0);
    while next < end {
        let page = log.read(next, end, page_bytes).await?;
        // None: a gap up to the end.
        let after = page.last().map_or(end, |last| last.next_offset());
        for batch in page {
            check(&batch)?;
            tally.add(&batch);
            crc = crc32c::crc32c_append(crc32c::crc32c_append(crc, &batch.prefix()), batch.body());
        }
        read(u64::try_from(after.0 - next.0).unwrap_or_default());
        next = after;
    }
    let Tally { batches, records, bytes } = tally;
    Ok(Digest { start, end, batches, records, bytes, crc })
}
