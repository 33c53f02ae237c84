//! Reading without a group.

use std::time::Duration;

use ottla::reader::Builder;
use ottla::{Env, Messages, Reader};

use super::print::Printer;
use crate::error::Error;
use crate::signals::{Signals, end_at_the_second};

/// Prints what the reader brings, until its end, a signal, or nothing has come for `idle`.
pub(super) async fn run(reader: Builder, env: &Env, mut printer: Printer, idle: Option<Duration>) -> Result<(), Error> {
    let mut signals = Signals::new().map_err(Error::Runtime)?;
    end_at_the_second(env).map_err(Error::Runtime)?;
    let mut reader = tokio::select! {
        biased;
        _ = signals.next() => return Ok(()),
        built = reader.build() => built?,
    };
    while !printer.is_done() {
        let batch = tokio::select! {
            biased;
            _ = signals.next() => break,
            batch = next(&mut reader, env, idle) => batch?,
        };
        let Some(batch) = batch else { break };
        print(batch, &mut printer)?;
    }
    printer.flush()
}

/// `None` at the end, and after having waited for long enough.
async fn next(reader: &mut Reader, env: &Env, idle: Option<Duration>) -> Result<Option<Messages>, Error> {
    let batch = match idle {
        None => reader.next_batch().await,
        Some(idle) => match env.timeout(idle, reader.next_batch()).await {
            Ok(batch) => batch,
            Err(_) => return Ok(None),
        },
    };
    batch.map_err(|error| Error::Ottla(error.into()))
}

/// Before an error what came before it is printed.
fn print(batch: Messages, printer: &mut Printer) -> Result<(), Error> {
    for message in batch {
        if printer.is_done() {
            break;
        }
        match message {
            Ok(message) => printer.print(&message)?,
            Err(error) => {
                printer.flush()?;
                return Err(Error::Ottla(error.into()));
            }
        }
    }
    printer.flush()
}
