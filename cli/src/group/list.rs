//! `ottla group list`.

use ottla::{GroupState, ListedGroup};
use serde::Serialize;

use crate::connect::Context;
use crate::error::Error;
use crate::output::table;

const AFTER_HELP: &str = "\
Examples:
  ottla -u kafka://localhost:9092 group list
  ottla -u kafka://localhost:9092 group list --state Stable";

/// Lists the groups.
#[derive(Debug, clap::Args)]
#[command(visible_alias = "ls", after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Only those in this state; may be given several times.
    #[arg(long, value_name = "STATE")]
    state: Vec<GroupState>,
}

#[derive(Debug, Serialize)]
struct Row {
    group: String,
    state: &'static str,
    protocol_type: String,
}

impl Row {
    fn new(group: &ListedGroup) -> Self {
        Self {
            group: group.group.to_string(),
            state: group.state.name(),
            protocol_type: group.protocol_type.to_string(),
        }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Error> {
    let groups = context.with_client(async |client| Ok(client.admin().list_groups().await?)).await?;
    let shown = groups.iter().filter(|group| args.state.is_empty() || args.state.contains(&group.state));
    let rows: Vec<_> = shown.map(Row::new).collect();
    context.out.show(&rows, |rows| {
        let row = |row: &Row| [row.group.clone(), row.state.to_owned(), row.protocol_type.clone()];
        table(&["group", "state", "type"], rows.iter().map(row))
    })
}
