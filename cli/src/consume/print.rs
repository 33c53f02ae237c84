//! Records to the standard output.

use std::io::{self, BufWriter, Stdout, Write};

use ottla::Message;

use super::template::{Style, Template};
use crate::error::Error;
use crate::records::RecordLine;

/// How a record is printed.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Json,
    Text(Template, Style),
}

/// Prints. What was printed can be acknowledged once it was [flushed](Self::flush).
#[derive(Debug)]
pub(super) struct Printer {
    shape: Shape,
    out: BufWriter<Stdout>,
    left: u64,
}

impl Printer {
    /// Of at most `max` records.
    pub(super) fn new(shape: Shape, max: Option<u64>) -> Self {
        Self { shape, out: BufWriter::with_capacity(64 << 10, io::stdout()), left: max.unwrap_or(u64::MAX) }
    }

    /// Whether all that was wanted is printed.
    pub(super) const fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Prints a record.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub(super) fn print(&mut self, message: &Message) -> Result<(), Error> {
        self.left = self.left.saturating_sub(1);
        let written = match &self.shape {
            Shape::Json => serde_json::to_writer(&mut self.out, &RecordLine::of(message))
                .map_err(io::Error::from)
                .and_then(|()| self.out.write_all(b"\n")),
            Shape::Text(template, style) => template.write(&mut self.out, message, style),
        };
        written.map_err(Error::Output)
    }

    /// Whoever reads has all of it.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.out.flush().map_err(Error::Output)
    }
}
