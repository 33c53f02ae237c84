//! `ottla group`.

mod delete;
mod describe;
mod list;
mod place;
mod reset;

use clap::Subcommand;

use crate::connect::Context;
use crate::error::Error;

/// What to do with groups.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Args),
    Describe(describe::Args),
    Reset(reset::Args),
    Delete(delete::Args),
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Error> {
    match command {
        Command::List(args) => list::run(args, context).await,
        Command::Describe(args) => describe::run(args, context).await,
        Command::Reset(args) => reset::run(args, context).await,
        Command::Delete(args) => delete::run(args, context).await,
    }
}
