//! The same records, read and decoded.

use std::collections::BTreeMap;

use indicatif::ProgressBar;
use ottla::{At, Client, Offset, TopicName};
use ottla_cli::measure::Watch;
use tokio::task::JoinSet;

use super::figures::Outcome;
use crate::error::Error;

/// What is to be read of each partition: from here, to before there.
pub(super) type Ranges = BTreeMap<i32, (Offset, Offset)>;

/// Reads all of them with as many readers, which share the partitions.
pub(super) async fn run(
    clients: &[Client],
    readers: usize,
    topic: &TopicName,
    ranges: &Ranges,
    bar: &ProgressBar,
) -> Result<Outcome, Error> {
    let wanted: Vec<_> = ranges.iter().filter(|(_, (from, to))| from < to).collect();
    let watch = Watch::start();
    let mut running = JoinSet::new();
    for (reader, client) in (0..readers.min(wanted.len())).zip(clients.iter().cycle()) {
        let mut builder = client.reader();
        for (partition, (from, to)) in wanted.iter().skip(reader).step_by(readers.max(1)) {
            builder = builder.start_at(topic, **partition, At::Offset(*from));
            builder = builder.until_at(topic, **partition, At::Offset(*to));
        }
        running.spawn(read(builder, bar.clone()));
    }
    let (mut records, mut bytes) = (0, 0);
    while let Some(done) = running.join_next().await {
        let (more_records, more_bytes) = done.map_err(|error| Error::Failed(format!("a reader ended: {error}")))??;
        (records, bytes) = (records + more_records, bytes + more_bytes);
    }
    Ok(Outcome::new(records, bytes, watch.stop()))
}

async fn read(reader: ottla::reader::Builder, bar: ProgressBar) -> Result<(u64, u64), Error> {
    let mut reader = reader.build().await?;
    let (mut records, mut bytes) = (0, 0);
    while let Some(batch) = reader.next_batch().await.map_err(ottla::Error::from)? {
        let before = records;
        for message in batch {
            let message = message.map_err(ottla::Error::from)?;
            records += 1;
            bytes += message.value().map_or(0, bytes::Bytes::len) as u64;
        }
        bar.inc(records - before);
    }
    Ok((records, bytes))
}
