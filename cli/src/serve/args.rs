//! What `ottla serve` takes.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ValueEnum, ValueHint};

const AFTER_HELP: &str = "\
Examples:
  ottla serve file:///var/lib/app/log
  ottla serve memory:// --listen 127.0.0.1:0 --json       a free port; the line that is printed has it
  ottla serve file:///var/lib/app/log --listen 0.0.0.0:9092 --advertise log.example.org --metrics 127.0.0.1:9100
  ottla serve file:///var/lib/app/log --tls-cert chain.pem --tls-key key.pem --sasl \\
      --first-user admin --first-password-file secret      TLS, and log-ins with SCRAM
  ottla serve s3://bucket/prefix --config ottla.toml       if it was built with the feature `object-store`

In a file:
  url = \"file:///var/lib/app/log\"
  [server]
  listen = \"0.0.0.0:9092\"            # each option under its name, with `_` for `-`
  advertise = \"log.example.org\"
  sasl = [\"SCRAM-SHA-512\"]
  [server.limits]                    # frame_bytes, connections, idle_ms and so on, as `ottla_server::Limits` has them
  connections = 2000
  [broker]                           # Kafka's names, quoted
  \"num.partitions\" = 3
  [disk]
  durability = \"os\"

It prints one line when it serves, with `--json` as a document. SIGINT (Ctrl-C) and SIGTERM end it in order, and a
second one at once.";

/// Serves a log to Kafka clients.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Where the log is: memory://, file:///path or s3://bucket/prefix. Otherwise as `-u` says.
    #[arg(value_name = "URL", value_hint = ValueHint::Url)]
    pub(super) place: Option<String>,
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:9092].
    #[arg(long, env = "OTTLA_LISTEN", value_name = "ADDRESS:PORT")]
    pub(super) listen: Option<SocketAddr>,
    /// Under which name clients find it, if not under the address that it listens on.
    #[arg(long, env = "OTTLA_ADVERTISE", value_name = "HOST[:PORT]")]
    pub(super) advertise: Option<String>,
    /// Where to tell health (/health) and Prometheus metrics (/metrics) over HTTP.
    #[arg(long, env = "OTTLA_METRICS", value_name = "ADDRESS:PORT")]
    pub(super) metrics: Option<SocketAddr>,
    /// When an acknowledged record is kept by a `file` URL's log: on the medium, or in the page cache as with Kafka's
    /// defaults [default: fsync].
    #[arg(long, env = "OTTLA_DURABILITY")]
    pub(super) durability: Option<Durability>,
    /// The broker's id [default: 0].
    #[arg(long, env = "OTTLA_NODE_ID", value_name = "ID")]
    pub(super) node_id: Option<i32>,
    /// Topics that clients ask for are created.
    #[arg(long, env = "OTTLA_AUTO_CREATE_TOPICS", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) auto_create_topics: Option<bool>,
    #[command(flatten, next_help_heading = "Who may connect")]
    pub(super) access: Access,
    #[command(flatten, next_help_heading = "Limits")]
    pub(super) limits: Limits,
}

/// Who may connect.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Access {
    /// The server's certificate, and those that vouch for it, in PEM.
    #[arg(long, env = "OTTLA_TLS_CERT", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) tls_cert: Option<PathBuf>,
    /// The key of the server's certificate, in PEM.
    #[arg(long, env = "OTTLA_TLS_KEY", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) tls_key: Option<PathBuf>,
    /// Certificates of those who vouch for clients, in PEM: only such clients may connect.
    #[arg(long, env = "OTTLA_TLS_CLIENT_CA", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) tls_client_ca: Option<PathBuf>,
    /// Only clients that log in, by one of these: SCRAM-SHA-256, SCRAM-SHA-512, PLAIN [without a value: both SCRAM].
    #[arg(
        long,
        env = "OTTLA_SASL",
        value_name = "MECHANISM,…",
        num_args = 0..=1,
        require_equals = true,
        value_delimiter = ',',
        default_missing_value = "SCRAM-SHA-256,SCRAM-SHA-512"
    )]
    pub(super) sasl: Option<Vec<String>>,
    /// A user that is made if there are none yet; its password is in OTTLA_FIRST_PASSWORD, or in a file.
    #[arg(long, env = "OTTLA_FIRST_USER", value_name = "NAME")]
    pub(super) first_user: Option<String>,
    /// A file with the first user's password.
    #[arg(long, env = "OTTLA_FIRST_PASSWORD_FILE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) first_password_file: Option<PathBuf>,
}

/// What clients may take.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Limits {
    /// Connections at a time [default: 10000].
    #[arg(long, env = "OTTLA_MAX_CONNECTIONS", value_name = "NUMBER")]
    pub(super) max_connections: Option<usize>,
    /// Bytes of one request [default: 104857600].
    #[arg(long, env = "OTTLA_MAX_REQUEST_BYTES", value_name = "BYTES")]
    pub(super) max_request_bytes: Option<usize>,
    /// Bytes of all requests that are under way [default: 268435456].
    #[arg(long, env = "OTTLA_MAX_BUFFERED_BYTES", value_name = "BYTES")]
    pub(super) max_buffered_bytes: Option<usize>,
    /// How long what is under way may take when the server is told to end, in milliseconds [default: 10000].
    #[arg(long, env = "OTTLA_SHUTDOWN_MS", value_name = "MS")]
    pub(super) shutdown_ms: Option<u64>,
}

/// When a record is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durability {
    Fsync,
    Os,
}

impl Durability {
    /// As the table `[disk]` has it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::Os => "os",
        }
    }
}
