//! `ottla group`.

mod list;

use clap::Subcommand;

use crate::connect::Context;
use crate::error::Error;

/// What to do with groups.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Args),
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Error> {
    match command {
        Command::List(args) => list::run(args, context).await,
    }
}
