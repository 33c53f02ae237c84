//! What can be written on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};

use crate::setting::Setting;
use crate::{completions, group, serve, topic, user};

const AFTER_HELP: &str = "\
Examples:
  ottla serve file:///var/lib/app/log                  a broker for Kafka clients on 127.0.0.1:9092
  ottla -u kafka://localhost:9092 topic list           its topics
  ottla -u file:///var/lib/app/log group describe g    a log that nobody has open, without a server

URLs: memory://, memory://name, file:///path, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix,
      kafka://host:9092,host2:9092

Settings come from options first, then from the environment, then from the file of `--config`.

Exit codes:
  0  done
  1  failed
  2  wrong usage: an option, a setting, a URL or a name that cannot be
  3  there is no such topic, partition or group
  4  not now: no broker answers, or another process has the log or the port; may go if it is tried again";

/// An event log with Kafka's semantics: serve it, look into it, administer it.
#[derive(Debug, Parser)]
#[command(name = "ottla", version, propagate_version = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What all commands take.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of all commands")]
pub(crate) struct Common {
    /// Where the log is, or the brokers are.
    #[arg(short, long, global = true, env = "OTTLA_URL", hide_env_values = true, value_hint = ValueHint::Url)]
    pub(crate) url: Option<String>,
    /// A TOML file with `url` and the tables of `Client::from_config`, and `[server]` for `serve`.
    #[arg(long, global = true, env = "OTTLA_CONFIG", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Sets what the file could set, as in `-X disk.durability=os` or `-X kafka.request_timeout_ms=5000`.
    #[arg(short = 'X', long = "set", global = true, value_name = "SETTING=VALUE")]
    pub(crate) set: Vec<Setting>,
    /// Prints JSON for programs, errors too.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What is logged to stderr, as in `debug` or `warn,ottla_server=debug`.
    #[arg(long, global = true, env = "RUST_LOG", hide_env_values = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Box<serve::Args>),
    /// Creates, lists, describes, changes and deletes topics.
    Topic {
        #[command(subcommand)]
        command: topic::Command,
    },
    /// Lists, describes, resets and deletes consumer groups.
    Group {
        #[command(subcommand)]
        command: group::Command,
    },
    /// Makes, lists and deletes the users who log in to a log's server.
    User {
        #[command(subcommand)]
        command: user::Command,
    },
    Completions(completions::Args),
}

impl Command {
    /// What is logged if nobody says: a server's life is of interest, a command's own only if it goes wrong.
    pub(crate) const fn default_log(&self) -> &'static str {
        match self {
            Self::Serve(_) => "info",
            _ => "warn",
        }
    }
}
