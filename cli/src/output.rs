//! What is printed: tables for people, JSON for programs, logs to stderr.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::error::Error;

/// Where answers go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a program reads.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// `value` as one line of JSON, or what `people` makes of it.
    pub(crate) fn show<T: Serialize + ?Sized>(self, value: &T, people: impl FnOnce(&T) -> String) -> Result<(), Error> {
        let text = if self.is_json() {
            serde_json::to_string(value).map_err(|error| Error::Output(error.into()))?
        } else {
            people(value)
        };
        line(&text)
    }
}

/// What a program has to say of itself goes to stderr; if nobody reads that, nobody is told.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// One line, or several, at once: whoever reads sees it now.
fn line(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush());
    written.map_err(Error::Output)
}

/// Columns under their names. Those of numbers, which begin with `#` here, are flushed right.
pub(crate) fn table<R: IntoIterator<Item = String>>(header: &[&str], rows: impl IntoIterator<Item = R>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().map(|name| name.trim_start_matches('#').to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    for (column, name) in table.column_iter_mut().zip(header) {
        column.set_padding((0, 2));
        if name.starts_with('#') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// Logs go to stderr.
///
/// # Errors
/// [`Error::Usage`] for a filter that cannot be.
pub(crate) fn log(filter: Option<&str>, default: &str) -> Result<(), Error> {
    let filter = filter.filter(|filter| !filter.trim().is_empty()).unwrap_or(default);
    let targets: Targets = filter.parse().map_err(|error| {
        Error::Usage(format!("`{filter}` (`--log`, or RUST_LOG) says not what to log: {error}; write `debug`, or `warn,ottla_server=debug`"))
    })?;
    // Its own complaint that stderr is closed would go there too, and end the program.
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false).log_internal_errors(false);
    // Whoever has set one already, has: there is only this.
    tracing_subscriber::registry()
        .with(targets)
        .with(lines)
        .try_init()
        .map_err(|error| Error::Failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_flushed_right() {
        let row = |name: &str, number: &str| [name.to_owned(), number.to_owned()];
        let shown = table(&["topic", "#records"], [row("a", "1"), row("longer-name", "12345")]);
        assert_eq!(shown, "TOPIC        RECORDS\na                  1\nlonger-name    12345");
    }

    #[test]
    fn a_table_of_nothing_is_its_header() {
        assert_eq!(table(&["topic", "#partitions"], std::iter::empty::<[String; 2]>()), "TOPIC  PARTITIONS");
    }
}
