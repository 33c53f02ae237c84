//! A log of which only the last batch counts.

use bytes::Bytes;
use ottla_broker_core::Offset;
use ottla_broker_core::log::{Bounds, Error, PartitionLog, Ticket, TrimBase};

use super::cell::{self, Cell};

/// Appends a value that replaces those before it. Gives its offset, and the ticket to wait for before
/// [`forget_older`].
pub(super) async fn submit(
    log: &dyn PartitionLog,
    what: &str,
    number: i64,
    value: &Bytes,
) -> Result<(Offset, Ticket), Error> {
    let batch = cell::encode(what, number, value)?;
    log.ready(batch.size_in_bytes()).await?;
    let at = log.bounds().end;
    let ticket = log.append(cell::placed(batch, at, log.epoch()))?;
    Ok((at, ticket))
}

/// Gives back the room of what the value at `at` replaces. It must be durable: after a crash one of the two is there.
pub(super) async fn forget_older(log: &dyn PartitionLog, at: Offset) -> Result<(), Error> {
    log.trim_prefix(at, TrimBase { start: at, state: Bytes::new() }).await
}

/// The value at `at`; `None` if no batch lies there.
pub(super) async fn value_at(log: &dyn PartitionLog, what: &str, at: Offset) -> Result<Option<Cell>, Error> {
    let next = at.plus(1);
    let batches = log.read(at, next, 1).await?;
    batches.first().map(|batch| cell::decode(what, batch)).transpose()
}

/// Where values may lie, the newest first: one, and more only after a crash between a save and its trim.
pub(super) fn places(log: &dyn PartitionLog) -> impl Iterator<Item = Offset> + use<> {
    let Bounds { start, durable_end, .. } = log.bounds();
    (start.0..durable_end.0).rev().map(Offset)
}
