//! `ottla`: the command line of the log.
//!
//! | command | what it does |
//! |---|---|
//! | `ottla serve URL` | serves a log to Kafka clients |
//! | `ottla topic …`, `ottla group …` | topics and consumer groups of any log |
//! | `ottla produce`, `ottla consume` | records from and to files, the standard input and output |
//! | `ottla copy`, `ottla check` | whole logs that nobody serves |
//! | `ottla bench` | throughput, latency and CPU, beside the limits of the machine |
//! | `ottla user …` | who may log in to a log's server |
//! | `ottla completions SHELL` | completions for a shell |
//!
//! Each command but `serve` works against *any* URL: a log that it opens itself, or brokers. What it prints is for
//! people; with `--json` it is for programs, and errors are too. `ottla --help` says which exit codes there are.

mod args;
mod bench;
mod check;
mod completions;
mod connect;
mod consume;
mod copy;
mod error;
mod group;
mod moment;
mod names;
mod output;
mod place;
mod produce;
mod producer_options;
mod records;
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
    match Cli::try_parse() {
        Ok(cli) => {
            let json = cli.common.json;
            start(cli).map_or_else(|error| told(&error, json), |()| ExitCode::SUCCESS)
        }
        Err(error) if error.use_stderr() && asks_for_json() => told(&error.into(), true),
        Err(error) => error.exit(),
    }
}

fn told(error: &Error, as_json: bool) -> ExitCode {
    error.tell(as_json);
    error.exit_code()
}

/// Whether somebody who wrote something wrong asked for JSON: what follows `--` are no options.
fn asks_for_json() -> bool {
    std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json")
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
            Command::Produce(args) => Box::pin(produce::run(args, context)).await,
            Command::Consume(args) => Box::pin(consume::run(args, &context)).await,
            Command::Copy(args) => Box::pin(copy::run(args, &context)).await,
            Command::Check(args) => Box::pin(check::run(args, &context)).await,
            Command::Bench(args) => Box::pin(bench::run(args, context)).await,
            Command::User { command } => Box::pin(user::run(command, &context)).await,
            Command::Completions(args) => completions::run(&args),
        }
    })
}
