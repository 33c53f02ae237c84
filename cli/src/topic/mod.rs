//! `ottla topic`.

mod alter;
mod config;
mod create;
mod delete;
mod describe;
mod list;

use clap::Subcommand;

use crate::connect::Context;
use crate::error::Error;

/// What to do with topics.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(create::Args),
    List(list::Args),
    Describe(describe::Args),
    Alter(alter::Args),
    Delete(delete::Args),
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Error> {
    match command {
        Command::Create(args) => create::run(args, context).await,
        Command::List(args) => list::run(args, context).await,
        Command::Describe(args) => describe::run(args, context).await,
        Command::Alter(args) => alter::run(args, context).await,
        Command::Delete(args) => delete::run(args, context).await,
    }
}
