//! `ottla user list`.

use serde::Serialize;

use super::{broker, refused};
use crate::connect::Context;
use crate::error::Error;
use crate::output::table;

const AFTER_HELP: &str = "\
Examples:
  ottla -u file:///var/lib/app/log user list";

/// Lists the users who can log in.
#[derive(Debug, clap::Args)]
#[command(visible_alias = "ls", after_help = AFTER_HELP)]
pub(crate) struct Args {}

#[derive(Debug, Serialize)]
struct Row {
    user: String,
    /// PLAIN takes any of them.
    mechanisms: Vec<&'static str>,
}

pub(super) async fn run(_: Args, context: &Context) -> Result<(), Error> {
    let users = context.with_client(async |client| {
        let mut rows = Vec::new();
        for (user, credentials) in broker(client)?.describe_scram(None).map_err(refused)? {
            let credentials = credentials.map_err(refused)?;
            let mechanisms = credentials.iter().map(|credential| credential.mechanism.name()).collect();
            rows.push(Row { user: user.to_string(), mechanisms });
        }
        Ok(rows)
    });
    context.out.show(&users.await?, |rows| {
        table(&["user", "mechanisms"], rows.iter().map(|row| [row.user.clone(), row.mechanisms.join(",")]))
    })
}
