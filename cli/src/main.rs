//! `ottla`: the command line of the log.
//!
//! | command | what it does |
//! |---|---|
//! | `ottla serve URL` | serves a log to Kafka clients |
//! | `ottla topic …`, `ottla group …` | topics and consumer groups of any log |
//! | `ottla user …` | who may log in to a log's server |
//! | `ottla completions SHELL` | completions for a shell |
//!
//! Each command but `serve` works against *any* URL: a log that it opens itself, or brokers. What it prints is for
//! people; with `--json` it is for programs, and errors are too. `ottla --help` says which exit codes there are.

mod args;
mod completions;
mod connect;
mod error;
mod group;
mod moment;
mod output;
mod serve;
mod setting;
mod signals;
mod topic;
mod user;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use connect::Context;
use error::Error;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.common.json;
    match start(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.tell(json);
            error.exit_code()
        }
    }
}

fn start(cli: Cli) -> Result<(), Error> {
    let Cli { common, command } = cli;
    output::log(common.log.as_deref(), command.default_log())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)?;
    runtime.block_on(async {
        let context = Context::new(&common)?;
        match command {
            Command::Serve(args) => Box::pin(serve::run(*args, context)).await,
            Command::Topic { command } => Box::pin(topic::run(command, &context)).await,
            Command::Group { command } => Box::pin(group::run(command, &context)).await,
            Command::User { command } => Box::pin(user::run(command, &context)).await,
            Command::Completions(args) => completions::run(&args),
        }
    })
}
