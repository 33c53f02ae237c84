//! `ottla consume`.

mod alone;
mod member;
mod place;
mod print;
mod template;
mod time;

use std::time::Duration;

use clap::ValueEnum;
use ottla::reader::OutOfRange;
use ottla::{Client, TopicName};

use crate::connect::Context;
use crate::error::Error;
use crate::moment::duration;
use crate::names::topic;
use crate::records::{Format, Text, separator};
use place::Place;
use print::{Printer, Shape};
use template::{Field, Style, Template, field};

const AFTER_HELP: &str = "\
Examples:
  ottla -u file:///var/lib/app/log consume users                     all values, a line each
  ottla -u kafka://localhost:9092 consume users --follow --from latest
  ottla -u kafka://localhost:9092 consume users --from 15m --print time,key,value
  ottla -u kafka://localhost:9092 consume users -p 0 --from 100 --to 200 --json
  ottla -u kafka://localhost:9092 consume users --template '{partition}:{offset} {key}={value}\\n'
  ottla -u kafka://localhost:9092 consume users -g mailer | while read -r user; do …; done

Without a group it ends where the log ended when it began, unless it is to follow. In a group it goes on until Ctrl-C or
`--max`; what is printed is committed. A reader that has seen enough, such as `head`, ends it without an error.";

/// Prints the records of topics.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The topics.
    #[arg(required = true, value_parser = topic)]
    topics: Vec<TopicName>,
    /// Where to begin: `earliest`, `latest`, an offset, `-10` for the last ten of each partition, a time, or how long ago,
    /// as in `15m`. In a group that is where nothing is committed yet.
    #[arg(long, default_value = "earliest", value_name = "PLACE", allow_hyphen_values = true)]
    from: Place,
    /// Where to end, written in the same way: before that offset, or at the end as it is now.
    #[arg(long, value_name = "PLACE", conflicts_with_all = ["follow", "group"])]
    to: Option<Place>,
    /// Goes on as records come.
    #[arg(short, long)]
    follow: bool,
    /// Ends after so many records.
    #[arg(short = 'n', long, value_name = "RECORDS", value_parser = clap::value_parser!(u64).range(1..))]
    max: Option<u64>,
    /// Ends when nothing has come for so long, as in `5s`.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    idle: Option<Duration>,
    /// Only these partitions; repeat it for more.
    #[arg(short, long = "partition", value_name = "PARTITION", conflicts_with = "group")]
    partitions: Vec<i32>,
    /// Reads as a member of this group.
    #[arg(short, long)]
    group: Option<String>,
    /// What to do when the place is not in the log any more.
    #[arg(long, value_enum, default_value_t)]
    out_of_range: WhenOutOfRange,
    /// What a record is printed as: its bytes, the same in base64, or JSON, as with `--json`.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// What is printed of a record: key, value, headers, topic, partition, offset, timestamp (ms since 1970), time.
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', value_parser = field, conflicts_with = "template")]
    print: Vec<Field>,
    /// What stands between them. It knows \t, \n, \0 and \x1e.
    #[arg(long, value_name = "TEXT", default_value = "\\t", conflicts_with = "template")]
    separator: Text,
    /// What is printed of a record, with fields in braces, as in `{key}={value}\n`.
    #[arg(long, value_name = "TEXT", value_parser = Template::parse)]
    template: Option<Template>,
    /// What stands for a null key or value.
    #[arg(long, value_name = "TEXT", default_value = "")]
    null_value: Text,
    /// What ends a record. It knows \t, \n, \0 and \x1e.
    #[arg(short, long, value_name = "TEXT", value_parser = separator, default_value = "\\n", conflicts_with = "template")]
    delimiter: Text,
    /// A zero byte ends a record.
    #[arg(short = '0', long, conflicts_with_all = ["delimiter", "template"])]
    null_separator: bool,
}

/// What to do when a place is not in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum WhenOutOfRange {
    /// End with an error.
    #[default]
    Fail,
    /// Go on at the first record that is there.
    Earliest,
    /// Go on at the end.
    Latest,
}

impl From<WhenOutOfRange> for OutOfRange {
    fn from(when: WhenOutOfRange) -> Self {
        match when {
            WhenOutOfRange::Fail => Self::Fail,
            WhenOutOfRange::Earliest => Self::Earliest,
            WhenOutOfRange::Latest => Self::Latest,
        }
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Error> {
    let shape = args.shape(context.out.is_json())?;
    context
        .with_client(async |client| {
            let (env, idle) = (&context.env, args.idle);
            let printer = Printer::new(shape, args.max);
            match &args.group {
                Some(group) => {
                    Box::pin(member::run(args.consumer(client, group, env.wall_ms()), env, printer, idle)).await
                }
                None => Box::pin(alone::run(args.reader(client, env.wall_ms()), env, printer, idle)).await,
            }
        })
        .await
}

impl Args {
    fn shape(&self, json: bool) -> Result<Shape, Error> {
        if json || self.format == Format::Json {
            if self.template.is_some() || !self.print.is_empty() {
                let reason = "JSON has all that a record has: leave out `--print` and `--template`, or `--json`";
                return Err(Error::Usage(reason.to_owned()));
            }
            return Ok(Shape::Json);
        }
        let style = Style { base64: self.format == Format::Base64, null: self.null_value.0.clone() };
        let template = self.template.clone().unwrap_or_else(|| {
            let fields = if self.print.is_empty() { &[Field::Value][..] } else { &self.print };
            let delimiter = if self.null_separator { &[0][..] } else { &self.delimiter.0 };
            Template::of_fields(fields, &self.separator.0, delimiter)
        });
        Ok(Shape::Text(template, style))
    }

    fn consumer(&self, client: &Client, group: &str, now_ms: i64) -> ottla::consumer::Builder {
        let consumer = client.consumer(group).topics(&self.topics).if_no_offset(self.from.at(now_ms));
        consumer.if_out_of_range(self.out_of_range.into())
    }

    fn reader(&self, client: &Client, now_ms: i64) -> ottla::reader::Builder {
        let mut reader = client.reader().start(self.from.at(now_ms)).if_out_of_range(self.out_of_range.into());
        for topic in &self.topics {
            reader = if self.partitions.is_empty() {
                reader.topic(topic)
            } else {
                self.partitions.iter().fold(reader, |reader, partition| reader.partition(topic, *partition))
            };
        }
        match self.to {
            _ if self.follow => reader.follow(),
            None => reader.to_end(),
            Some(to) => reader.until(to.at(now_ms)),
        }
    }
}
