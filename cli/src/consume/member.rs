//! Reading as a member of a group.

use std::time::Duration;

use ottla::consumer::{self, Builder};
use ottla::{Consumer, Env};
use ottla_broker_core::planted::is_planted;

use super::print::Printer;
use crate::error::Error;
use crate::signals::{Signals, end_at_the_second};

/// How long committing and leaving may take.
const LEAVING: Duration = Duration::from_secs(10);

/// Prints what the group gives it, and commits what is printed; leaves the group at the end.
pub(super) async fn run(
    consumer: Builder,
    env: &Env,
    mut printer: Printer,
    idle: Option<Duration>,
) -> Result<(), Error> {
    let mut signals = Signals::new().map_err(Error::Runtime)?;
    end_at_the_second(env).map_err(Error::Runtime)?;
    let mut consumer = tokio::select! {
        biased;
        _ = signals.next() => return Ok(()),
        built = consumer.build() => built?,
    };
    let handle = consumer.handle();
    let printed = print_all(&mut consumer, env, &mut printer, idle, &mut signals).await;
    // Whatever happened, what is printed is committed, and the others need not wait for a time-out.
    let left = tokio::select! {
        biased;
        left = handle.shutdown(LEAVING) => left.map(|_| ()),
        _ = signals.next() => Ok(()),
    };
    printed?;
    left.map_err(|error| Error::Ottla(error.into()))
}

async fn print_all(
    consumer: &mut Consumer,
    env: &Env,
    printer: &mut Printer,
    idle: Option<Duration>,
    signals: &mut Signals,
) -> Result<(), Error> {
    while !printer.is_done() {
        let next = async {
            match idle {
                None => Some(consumer.next_batch().await),
                Some(idle) => env.timeout(idle, consumer.next_batch()).await.ok(),
            }
        };
        let next = tokio::select! {
            biased;
            _ = signals.next() => return Ok(()),
            next = next => next,
        };
        match next {
            None | Some(Ok(None)) => return Ok(()),
            Some(Ok(Some(batch))) => print(batch, printer)?,
            // It goes on by itself: the next call joins again.
            Some(Err(error @ consumer::Error::Membership { .. })) if !error.is_fatal() => tracing::warn!("{error}"),
            Some(Err(error)) => return Err(Error::Ottla(error.into())),
        }
    }
    Ok(())
}

/// Prints a batch, and then says that it is handled: what somebody who has read enough did not see comes again.
fn print(mut batch: consumer::Batch, printer: &mut Printer) -> Result<(), Error> {
    if is_planted("consume-acks-before-printing") {
        batch.ack_first(u64::MAX);
    }
    let (mut printed, mut failed) = (0, None);
    while !printer.is_done() {
        match batch.next() {
            Some(Ok(message)) => {
                printer.print(&message)?;
                printed += 1;
            }
            Some(Err(error)) => {
                failed = Some(error);
                break;
            }
            None => break,
        }
    }
    printer.flush()?;
    batch.ack_first(printed);
    failed.map_or(Ok(()), |error| Err(Error::Ottla(error.into())))
}
