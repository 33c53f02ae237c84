//! `ottla user`.

mod delete;
mod list;
mod set;

use std::sync::Arc;

use clap::Subcommand;
use ottla::{Broker, Client};
use ottla_broker_core::api;

use crate::connect::{Context, names_brokers};
use crate::error::Error;

/// What to do with users.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Set(set::Args),
    List(list::Args),
    Delete(delete::Args),
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Error> {
    if names_brokers(context.url()?) {
        let message = "users are kept in the log: name that with `-u`, as in `-u file:///var/lib/app/log`, while nobody serves it. \
                       Brokers that run take such changes from Kafka's own tools (`kafka-configs --alter --entity-type users`)";
        return Err(Error::Usage(message.to_owned()));
    }
    match command {
        Command::Set(args) => set::run(args, context).await,
        Command::List(args) => list::run(args, context).await,
        Command::Delete(args) => delete::run(args, context).await,
    }
}

/// The broker that keeps them.
fn broker(client: &Client) -> Result<Arc<Broker>, Error> {
    client.broker().ok_or_else(|| Error::Failed("the broker has ended".to_owned()))
}

/// What the broker said of a user.
fn refused(error: api::Error) -> Error {
    match error.code {
        api::ErrorCode::ResourceNotFound => Error::NotFound(error.to_string()),
        _ => Error::Failed(error.to_string()),
    }
}
