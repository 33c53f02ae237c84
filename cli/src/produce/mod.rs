//! `ottla produce`.

mod input;
mod lines;
mod report;
mod send;
mod shape;

use std::path::PathBuf;

use bytes::Bytes;
use clap::{ValueEnum, ValueHint};
use ottla::TopicName;

use crate::connect::Context;
use crate::error::Error;
use crate::names::topic;
use crate::producer_options::ProducerOptions;
use crate::records::{Format, Text, separator};
use crate::setting::Setting;
use lines::Lines;
use shape::{KeyFrom, Shape};

const AFTER_HELP: &str = "\
Examples:
  ottla -u kafka://localhost:9092 produce users --key-separator : < users.txt
  echo hello | ottla -u file:///var/lib/app/log produce greetings
  ottla -u kafka://localhost:9092 produce access --key-field 1 --compression zstd /var/log/access.log
  find . -print0 | ottla -u memory:// produce files -0
  ottla -u $OLD consume users --json | ottla -u $NEW produce users --format json

A record that fails ends it: the error names its line, and says what was acknowledged. Ctrl-C ends the input; what was
sent by then is waited for.";

/// Writes lines into a topic, a record each.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The topic.
    #[arg(value_parser = topic)]
    topic: TopicName,
    /// Files to read, one after the other; `-`, or none, is the standard input.
    #[arg(value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// What a line is: a value, the same in base64, or a record in JSON as `consume --json` prints it.
    #[arg(short, long, value_enum, default_value_t)]
    format: Format,
    /// The first of these in a line stands between key and value. It knows \t, \n, \0 and \x1e.
    #[arg(short, long, value_name = "TEXT", value_parser = separator, conflicts_with = "key_field")]
    key_separator: Option<Text>,
    /// Which field of a line is the key, counted from 1 and parted by white space; the line stays the value.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    key_field: Option<u16>,
    /// A header of every record; repeat it for more.
    #[arg(short = 'H', long = "header", visible_alias = "headers", value_name = "NAME=VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// A key or value that reads so is null: a null value deletes its key where the topic is compacted.
    #[arg(long, value_name = "TEXT")]
    null_value: Option<Text>,
    /// What ends a record. It knows \t, \n, \0 and \x1e.
    #[arg(short, long, value_name = "TEXT", value_parser = separator, default_value = "\\n")]
    delimiter: Text,
    /// A zero byte ends a record.
    #[arg(short = '0', long, conflicts_with = "delimiter")]
    null_separator: bool,
    /// The partition of all records.
    #[arg(short, long, value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// Who chooses the partitions; those that records in JSON name no longer count then [default: murmur2 of the key].
    #[arg(long, value_enum, value_name = "NAME", conflicts_with = "partition")]
    partitioner: Option<Partitioner>,
    /// Prints where each record is, once it is acknowledged.
    #[arg(short, long)]
    verbose: bool,
    /// Says nothing at the end.
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    #[command(flatten)]
    producer: ProducerOptions,
}

/// Those of the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Partitioner {
    /// By the key's hash as Kafka's Java clients; without key by batch.
    Murmur2,
    /// By the key's hash as librdkafka's default; without key by batch.
    Crc32,
    /// A batch goes to one partition, the next to another, whatever the key.
    Sticky,
    /// Each record at random.
    Random,
    /// By turns.
    RoundRobin,
    /// Only those that records name.
    Explicit,
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it is a name, `=`, and a value: write `trace=4f1c`".to_owned()),
    }
}

/// What a batch holds if nobody says, as in the library.
const BATCH_BYTES: usize = 1_000_000;

pub(crate) async fn run(args: Args, mut context: Context) -> Result<(), Error> {
    let has_key = args.key_separator.is_some() || args.key_field.is_some();
    if args.format == Format::Json && (has_key || args.null_value.is_some()) {
        let reason = "a record in JSON says its key and its nulls itself: leave out `--key-separator`, `--key-field` and \
                      `--null-value`";
        return Err(Error::Usage(reason.to_owned()));
    }
    if args.format == Format::Base64 && args.key_field.is_some() {
        let reason = "the fields of a line in base64 cannot be told apart: leave out `--key-field`";
        return Err(Error::Usage(reason.to_owned()));
    }
    args.producer.apply(&mut context)?;
    if let Some(partitioner) = args.partitioner.and_then(|partitioner| partitioner.to_possible_value()) {
        context.set(Setting::new(&["producer", "partitioner"], partitioner.get_name()))?;
    }
    let batch_bytes = context.number("producer", "batch_bytes").unwrap_or(BATCH_BYTES);
    let shape = Shape {
        topic: args.topic,
        format: args.format,
        key: match (args.key_separator, args.key_field) {
            (Some(Text(separator)), _) => KeyFrom::Separator(separator),
            (None, Some(field)) => KeyFrom::Field(usize::from(field) - 1),
            (None, None) => KeyFrom::Nowhere,
        },
        null: args.null_value.map(|Text(null)| null),
        headers: args.headers.into_iter().map(|(name, value)| (name, Bytes::from(value))).collect(),
        partition: args.partition,
        keeps_partitions: args.partitioner.is_none() || args.partitioner == Some(Partitioner::Explicit),
    };
    let delimiter = if args.null_separator { vec![0] } else { args.delimiter.0 };
    let events = input::open(&args.files)?;
    let lines = Lines::new(events, &delimiter, shape.longest_line(batch_bytes));
    let told = report::Told { verbose: args.verbose, quiet: args.quiet, json: context.out.is_json() };
    context.with_client(async |client| Box::pin(send::run(client, &context.env, lines, &shape, told)).await).await
}
