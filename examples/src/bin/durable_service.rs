//! A service that is killed in mid-load and restarted, again and again: it takes orders into its log, tells the world
//! what was acknowledged, and after `kill -9` goes on where the log ends. At the end the log is compared with what the
//! world was told.
//!
//! ```text
//! cargo run --release --bin durable_service                       # a directory that is made up, and removed at the end
//! cargo run --release --bin durable_service -- file:///var/tmp/orders
//! cargo run --release --bin durable_service -- memory://          # the same service: nothing outlives a process
//! cargo run --release --bin durable_service -- --config my.toml   # `url = …`, and all other settings
//! ```
//!
//! The service does not know where its log is: the URL alone decides, and every receipt says what it is worth.
//! Exit code 0 means that nothing is in the log twice, and that nothing is lost whose receipt named a durability that
//! outlives the process: with `memory://` all is lost, and it says so.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::{self, Command, ExitCode, Stdio};
use std::str::FromStr;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use clap::Parser;
use ottla::{At, Client, ClientBuilder, Durability, NewTopic, Record};

type Error = Box<dyn std::error::Error + Send + Sync>;

const TOPIC: &str = "orders";
const PARTITIONS: i32 = 3;
/// Orders whose acknowledgement the service awaits at a time.
const UNDER_WAY: usize = 1_000;
/// Far more than anything here takes: to end with a message where something hangs.
const LIMIT: Duration = Duration::from_mins(1);

/// A service that is killed in mid-load and restarted: nothing that was acknowledged is lost or doubled.
#[derive(Debug, Parser)]
struct Options {
    /// Where the log is kept: a directory that is made up and removed, unless it is said here or in the configuration.
    url: Option<String>,
    /// A configuration as `Client::from_config` reads it.
    #[arg(long)]
    config: Option<PathBuf>,
    /// How often the service is killed.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// How many orders it acknowledges at least before it is killed.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    orders: u32,
    /// Be the service, in this round.
    #[arg(long, hide = true)]
    serve: Option<u32>,
}

impl Options {
    /// All that the service knows of its backend.
    fn client(&self) -> Result<ClientBuilder, Error> {
        let builder = match &self.config {
            Some(path) => ClientBuilder::from_config(&std::fs::read_to_string(path)?)?,
            None => Client::builder(),
        };
        Ok(match &self.url {
            Some(url) => builder.url(url),
            None => builder,
        })
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match options.serve {
        Some(round) => on_runtime(serve(&options, round)),
        None => kill_and_compare(options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("durable_service: {error}");
            ExitCode::FAILURE
        }
    }
}

fn on_runtime<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// An order. The number is the service's; the round says which process took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    number: u64,
    round: u32,
}

impl Order {
    fn parse(text: &str) -> Option<Self> {
        let (number, round) = text.split_once(' ')?;
        Some(Self { number: number.parse().ok()?, round: round.parse().ok()? })
    }
}

/// How often each order is in the log.
async fn orders(client: &Client) -> Result<BTreeMap<Order, usize>, Error> {
    client.admin().ensure_topic(NewTopic::new(TOPIC).partitions(PARTITIONS)).await?;
    let mut reader = client.reader().topic(TOPIC).start(At::Earliest).to_end().build().await?;
    let mut orders = BTreeMap::new();
    while let Some(message) = reader.next().await? {
        let text = message.value().map(|value| std::str::from_utf8(value)).transpose()?;
        let order = text.and_then(Order::parse).ok_or_else(|| format!("no order is at {}", message.offset()))?;
        *orders.entry(order).or_default() += 1;
    }
    Ok(orders)
}

/// The service: takes orders for ever, and says on its standard output which it has acknowledged.
async fn serve(options: &Options, round: u32) -> Result<(), Error> {
    let client = options.client()?.connect().await?;
    let known = orders(&client).await?;
    let first = known.keys().map(|order| order.number + 1).max().unwrap_or_default();
    let mut world = BufWriter::new(io::stdout());
    writeln!(world, "found {} {first}", known.len())?;

    let producer = client.producer().build().await?; // idempotent, acks=all
    let (begun, mut under_way) = tokio::sync::mpsc::channel(UNDER_WAY);
    let taking = async {
        for number in first.. {
            let record = Record::to(TOPIC).key(number.to_string()).value(format!("{number} {round}"));
            begun.send((number, producer.enqueue(record).await?)).await?;
        }
        Ok::<_, Error>(())
    };
    let telling = async {
        while let Some((number, delivery)) = under_way.recv().await {
            if !delivery.is_answered() {
                world.flush()?;
            }
            let receipt = delivery.await?;
            writeln!(world, "acknowledged {number} {}", receipt.durability)?;
        }
        Ok::<_, Error>(())
    };
    tokio::try_join!(taking, telling)?;
    Ok(())
}

/// What the service said.
#[derive(Debug)]
enum Said {
    /// How many orders it found in its log, and the number of the next.
    Found { orders: usize, next: u64 },
    /// An order is in the log; the receipt says where.
    Acknowledged { number: u64, durability: Kept },
}

/// Whether what a receipt names outlives the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    ByTheProcess,
    Longer,
}

impl FromStr for Said {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self, Error> {
        let words: Vec<&str> = line.split(' ').collect();
        Ok(match words[..] {
            ["found", orders, next] => Self::Found { orders: orders.parse()?, next: next.parse()? },
            ["acknowledged", number, durability] => {
                let of_process = durability == Durability::Memory.to_string();
                let durability = if of_process { Kept::ByTheProcess } else { Kept::Longer };
                Self::Acknowledged { number: number.parse()?, durability }
            }
            _ => return Err(format!("the service said `{line}`").into()),
        })
    }
}

/// A process, killed at the latest when this is dropped.
#[derive(Debug)]
struct Service {
    process: process::Child,
    lines: Receiver<io::Result<String>>,
}

impl Service {
    fn start(options: &Options, round: u32) -> Result<Self, Error> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(&options.url).args(["--serve", &round.to_string()]);
        if let Some(config) = &options.config {
            command.arg("--config").arg(config);
        }
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(process.stdout.take().ok_or("the service has no output")?);
        let (line, lines) = mpsc::channel();
        std::thread::spawn(move || {
            loop {
                let mut text = String::new();
                let read = output.read_line(&mut text);
                // What the kill cut short was not said.
                let ends = read.is_ok() && !text.ends_with('\n');
                if ends || line.send(read.map(|_| text)).is_err() {
                    break;
                }
            }
        });
        Ok(Self { process, lines })
    }

    /// The next that it says; none after its end.
    fn said(&self) -> Result<Option<Said>, Error> {
        match self.lines.recv_timeout(LIMIT) {
            Ok(line) => Ok(Some(line?.trim_end().parse()?)),
            Err(mpsc::RecvTimeoutError::Disconnected) => Ok(None),
            Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("the service says nothing for {LIMIT:?}").into()),
        }
    }

    /// `kill -9`: it does not get to do anything any more.
    fn kill(&mut self) -> io::Result<()> {
        self.process.kill()?;
        self.process.wait().map(drop)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.kill();
    }
}

fn kill_and_compare(mut options: Options) -> Result<(), Error> {
    let made_up = if options.url.is_none() && options.config.is_none() {
        let directory = tempfile::Builder::new().prefix("ottla-orders-").tempdir()?;
        let path = directory.path().to_str().ok_or("the directory for temporary files has no plain name")?;
        options.url = Some(format!("file://{}", path.replace('%', "%25").replace('?', "%3F").replace('#', "%23")));
        Some(directory)
    } else {
        None
    };
    if let Some(url) = &options.url {
        println!("the log is at {url}");
    }
    let begun = on_runtime(count(&options))?;
    if begun > 0 {
        return Err(format!("there are {begun} orders of another run: name a new directory").into());
    }
    let mut acknowledged = BTreeMap::new();
    for round in 1..=options.rounds {
        live_and_die(&options, round, &mut acknowledged)?;
    }
    let verdict = on_runtime(compare(&options, &acknowledged));
    drop(made_up);
    verdict
}

async fn count(options: &Options) -> Result<usize, Error> {
    let client = options.client()?.connect().await?;
    let count = orders(&client).await?.len();
    client.close(LIMIT).await?;
    Ok(count)
}

/// One life of the service: what it acknowledges goes into `acknowledged`.
fn live_and_die(options: &Options, round: u32, acknowledged: &mut BTreeMap<Order, Kept>) -> Result<(), Error> {
    let mut service = Service::start(options, round)?;
    // Not always at the same place.
    let enough = options.orders + round * 37 % 100;
    let mut told = 0;
    while let Some(said) = service.said()? {
        match said {
            Said::Found { orders, next } => println!("round {round}: found {orders} orders, goes on at {next}"),
            Said::Acknowledged { number, durability } => {
                acknowledged.insert(Order { number, round }, durability);
                told += 1;
                if told == enough {
                    service.kill()?;
                }
            }
        }
    }
    if told < enough {
        return Err(format!("the service ended by itself after {told} orders").into());
    }
    println!("round {round}: killed in mid-load, after {told} acknowledgements");
    Ok(())
}

/// The log against what the world was told.
async fn compare(options: &Options, acknowledged: &BTreeMap<Order, Kept>) -> Result<(), Error> {
    let client = options.client()?.connect().await?;
    let log = orders(&client).await?;
    client.close(LIMIT).await?;

    let lost: Vec<_> = acknowledged.iter().filter(|(order, _)| !log.contains_key(order)).collect();
    let forgotten = lost.iter().filter(|(_, kept)| **kept == Kept::ByTheProcess).count();
    let numbers: BTreeSet<u64> = log.keys().map(|order| order.number).collect();
    let doubled = log.values().sum::<usize>() - numbers.len();
    let unknown = log.keys().filter(|order| !acknowledged.contains_key(order)).count();
    println!(
        "{} orders acknowledged by {} processes: {} lost, {doubled} doubled; {unknown} more are in the log, which were \
         under way when the service was killed",
        acknowledged.len(),
        options.rounds,
        lost.len(),
    );
    if doubled > 0 {
        return Err(format!("{doubled} orders are in the log twice").into());
    }
    if let Some((order, _)) = lost.iter().find(|(_, kept)| **kept == Kept::Longer) {
        return Err(
            format!("lost {} orders that were to outlive the process, as {order:?}", lost.len() - forgotten).into()
        );
    }
    if forgotten > 0 {
        println!(
            "NOTHING OUTLIVES A PROCESS HERE: the receipts said `{}`. The same service under `file:///a/directory` \
             loses nothing",
            Durability::Memory
        );
    }
    Ok(())
}
