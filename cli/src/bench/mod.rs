//! `ottla bench`.

mod consume;
mod figures;
mod limit;
mod load;
mod lone;
mod pace;
mod produce;
mod report;
mod rounds;

use std::io::IsTerminal;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use ottla::connect::without_credentials;
use ottla::{Client, TopicName};

use crate::connect::{CLOSING, Context, names_brokers};
use crate::error::Error;
use crate::names;
use crate::producer_options::ProducerOptions;
use crate::signals::Signals;
use load::{Load, Payload};
use rounds::Bench;

const AFTER_HELP: &str = "\
Examples:
  ottla bench memory://
  ottla bench file:///var/tmp/bench-log --size 1024 --records 500000
  ottla bench kafka://localhost:9092 --partitions 6 --producers 2 --consumers 2 --linger 5ms
  ottla bench kafka://localhost:9092 --only produce --rate 10000 --json
  ottla bench file:///var/lib/app/log --only consume --topic orders

Each figure stands beside the limit of this machine, measured in the same round: one copy and one checksum of the bytes;
plain appends, synced if the log's are, of chunks as large as the log wrote; a TCP connection within this host. What
cannot be measured is said; what is compressed may well be faster than its bytes. Latencies of `produce` are from handing a record over to its acknowledgement, so that at full
speed they are the time in the queue: give a `--rate` for those of a paced load. CPU is that of this process, with the
broker in it if there is one.";

/// Measures throughput, latency and CPU of producing and consuming.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Where; otherwise that of `--url`.
    #[arg(value_name = "URL")]
    log: Option<String>,
    /// How many records, in each round.
    #[arg(short = 'n', long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// The size of a value, in bytes.
    #[arg(short, long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=512 << 20))]
    size: u32,
    /// What values are made of.
    #[arg(long, value_enum, default_value_t)]
    payload: Payload,
    /// How many keys there are; 0 for records without one.
    #[arg(long, default_value_t = 0)]
    keys: u64,
    /// How many partitions the topic is made with.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    partitions: i32,
    /// How many producers send at the same time; with connections of their own to brokers.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    producers: u16,
    /// How many consumers share the partitions.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    consumers: u16,
    /// Records a second, of all producers together, rather than as many as go.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// How often all of it is measured. Medians are told, with the least and the greatest.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// What to measure; all of it by default.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PHASES")]
    only: Vec<Phase>,
    /// An existing topic, which is used and left. Without one a topic is made for each round, and deleted.
    #[arg(long, value_parser = names::topic, conflicts_with = "partitions")]
    topic: Option<TopicName>,
    #[command(flatten)]
    producer: ProducerOptions,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Phase {
    /// Records, as fast as they go or at the rate.
    Produce,
    /// The same records, read and decoded.
    Consume,
    /// One record at a time: each waits for the acknowledgement of the one before.
    Lone,
}

impl Phase {
    const fn name(self) -> &'static str {
        match self {
            Self::Produce => "produce",
            Self::Consume => "consume",
            Self::Lone => "lone",
        }
    }
}

pub(crate) async fn run(args: Args, mut context: Context) -> Result<(), Error> {
    let url = match &args.log {
        Some(url) => url.clone(),
        None => context.url()?.to_owned(),
    };
    args.producer.apply(&mut context)?;
    let phases = if args.only.is_empty() { Phase::value_variants() } else { &args.only };
    let has = |phase| phases.contains(&phase);
    if has(Phase::Consume) && !has(Phase::Produce) && args.topic.is_none() {
        let reason = "there is nothing to consume: produce too, or name a topic with `--topic`";
        return Err(Error::Usage(reason.to_owned()));
    }
    let load = Load::new(args.records, args.size as usize, args.payload, args.keys, args.rate);
    let mut signals = Signals::new().map_err(Error::Runtime)?;
    let clients = tokio::select! {
        biased;
        signal = signals.next() => return Err(Error::Failed(format!("ended by {signal} before it began"))),
        connected = connect(&context, &url, usize::from(args.producers)) => connected?,
    };
    let bench = Bench {
        env: context.env.clone(),
        clients,
        url: url.clone(),
        topic: args.topic.clone(),
        partitions: args.partitions,
        producers: usize::from(args.producers),
        consumers: usize::from(args.consumers),
        load,
        phases: Phase::value_variants().iter().copied().filter(|phase| has(*phase)).collect(),
        bar: bar()?,
    };
    let measured = Box::pin(bench.run(args.rounds, &mut signals)).await;
    bench.bar.finish_and_clear();
    let mut closed = Ok(());
    for client in &bench.clients {
        closed = closed.and(client.close(CLOSING).await);
    }
    let measured = measured?;
    closed?;
    let report = report::Report::new(&bench, &without_credentials(&url), args.rounds, measured);
    context.out.show(&report, report::Report::in_words)
}

/// One client for a log of this process, which all share; to brokers one for each producer.
async fn connect(context: &Context, url: &str, producers: usize) -> Result<Vec<Client>, Error> {
    let count = if names_brokers(url) { producers } else { 1 };
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        clients.push(context.connect(url).await?);
    }
    Ok(clients)
}

/// On stderr, and only for people.
fn bar() -> Result<ProgressBar, Error> {
    if !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{msg:18} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}");
    let style = style.map_err(|error| Error::Failed(error.to_string()))?;
    Ok(ProgressBar::new(0).with_style(style))
}
