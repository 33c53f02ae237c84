//! `ottla check`.

mod document;

use std::io;

use ottla::check::{Check, Report};
use ottla::connect;
use ottla_broker_core::planted::is_planted;

use crate::connect::Context;
use crate::error::Error;
use crate::place::url_of;

const AFTER_HELP: &str = "\
Examples:
  ottla check /var/lib/app/log
  ottla check s3://bucket/orders --json | jq .damage

It ends with 0 if all that was acknowledged is there and whole, and with 1 if something is damaged. Nothing is written. A
directory must not be open; a bucket may be in use, and then objects come and go while it is looked at.";

/// Reads and verifies every byte of a log in a directory or a bucket.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The URL of the log, or its directory; otherwise that of `--url`.
    #[arg(value_name = "URL|DIRECTORY")]
    log: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Error> {
    let url = match &args.log {
        Some(log) => url_of(log)?,
        None => context.url()?.to_owned(),
    };
    let check = Check::new(&url).settings(&context.document()?).map_err(|error| context.refused(error))?;
    let report = Box::pin(check.env(context.env.clone()).run()).await.map_err(|error| match error {
        ottla::Error::Connect(connect::Error::Directory { ref source, .. })
            if source.kind() == io::ErrorKind::NotFound =>
        {
            Error::NotFound(error.to_string())
        }
        error => error.into(),
    })?;
    if report.is_empty() {
        return Err(Error::NotFound(format!("nothing was ever stored at `{url}`")));
    }
    context.out.show(&document::of(&url, &report), |_| report.to_string())?;
    if report.is_sound() || is_planted("check-damage-is-fine") { Ok(()) } else { Err(damaged(&url, &report)) }
}

fn damaged(url: &str, report: &Report) -> Error {
    Error::Failed(format!("`{url}` is damaged in {} places", document::damage_count(report)))
}
