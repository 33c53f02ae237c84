//! The table of configs, and the search by name.

use super::definition::{Definition, Kind, Scope, cut};
use super::error::Error;

const ANY_SIZE: Kind = Kind::Number { min: 0, max: i64::MAX };
/// Kafka's −1 for "no bound".
const UNBOUNDED: Kind = Kind::Number { min: -1, max: i64::MAX };

const fn topic(
    name: &'static str,
    broker_name: &'static str,
    kind: Kind,
    default: &'static str,
    documentation: &'static str,
) -> Definition {
    Definition {
        name,
        scope: Scope::Topic,
        broker_name: Some(broker_name),
        kind,
        default,
        read_only: false,
        documentation,
    }
}

const fn broker(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    read_only: bool,
    documentation: &'static str,
) -> Definition {
    Definition { name, scope: Scope::Broker, broker_name: None, kind, default, read_only, documentation }
}

const TOPIC: &[Definition] = &[
    topic(
        "cleanup.policy",
        "log.cleanup.policy",
        Kind::List { allowed: &["delete"], refused: &[("compact", "compaction is not built yet; use `delete`")] },
        "delete",
        "What happens to old records: `delete` removes them by `retention.ms` and `retention.bytes`.",
    ),
    topic(
        "compression.type",
        "compression.type",
        Kind::Choice {
            allowed: &["producer"],
            refused: &[
                ("uncompressed", NO_RECODING),
                ("none", NO_RECODING),
                ("gzip", NO_RECODING),
                ("snappy", NO_RECODING),
                ("lz4", NO_RECODING),
                ("zstd", NO_RECODING),
            ],
        },
        "producer",
        "How batches are stored: `producer` keeps each as its producer compressed it.",
    ),
    topic(
        "max.message.bytes",
        "message.max.bytes",
        Kind::Number { min: 0, max: i32::MAX as i64 },
        "1048588",
        "The largest record batch that is taken, in bytes as it is written (after compression).",
    ),
    topic(
        "message.timestamp.after.max.ms",
        "log.message.timestamp.after.max.ms",
        ANY_SIZE,
        "3600000",
        "How far a record's timestamp may lie ahead of the broker's clock, in milliseconds (KIP-937).",
    ),
    topic(
        "message.timestamp.before.max.ms",
        "log.message.timestamp.before.max.ms",
        ANY_SIZE,
        "9223372036854775807",
        "How far a record's timestamp may lie behind the broker's clock, in milliseconds (KIP-937).",
    ),
    topic(
        "message.timestamp.type",
        "log.message.timestamp.type",
        Kind::Choice { allowed: &["CreateTime", "LogAppendTime"], refused: &[] },
        "CreateTime",
        "Whether a record keeps its producer's timestamp (`CreateTime`) or gets the broker's (`LogAppendTime`).",
    ),
    topic(
        "min.insync.replicas",
        "min.insync.replicas",
        Kind::Number { min: 1, max: i32::MAX as i64 },
        "1",
        "How many in-sync replicas a write with `acks=all` needs.",
    ),
    topic(
        "retention.bytes",
        "log.retention.bytes",
        UNBOUNDED,
        "-1",
        "Bytes of one partition beyond which its oldest records may be deleted; -1 for no bound.",
    ),
    topic(
        "retention.ms",
        "log.retention.ms",
        UNBOUNDED,
        "604800000",
        "Milliseconds after which a record may be deleted; -1 keeps records for ever.",
    ),
];

const BROKER: &[Definition] = &[
    broker(
        "auto.create.topics.enable",
        Kind::Bool,
        "false",
        true,
        "Whether asking for the metadata of an unknown topic creates it. Off, so that a misspelt name is an error.",
    ),
    broker("broker.id", Kind::Number { min: 0, max: i32::MAX as i64 }, "0", true, "The broker's id in its cluster."),
    broker("broker.rack", Kind::Text, "", true, "The rack or zone that the broker stands in."),
    broker(
        "default.replication.factor",
        Kind::Number { min: 1, max: i16::MAX as i64 },
        "1",
        true,
        "How many replicas a topic gets that does not say.",
    ),
    broker(
        "group.initial.rebalance.delay.ms",
        Kind::Number { min: 0, max: i32::MAX as i64 },
        "0",
        true,
        "How long an empty group waits for more members after the first, in milliseconds. Kafka's default is 3000; a service that embeds its broker has no fleet to wait for.",
    ),
    broker(
        "group.max.session.timeout.ms",
        Kind::Number { min: 1, max: i32::MAX as i64 },
        "1800000",
        true,
        "The longest session time-out that a member may ask for, in milliseconds.",
    ),
    broker(
        "group.max.size",
        Kind::Number { min: 1, max: i32::MAX as i64 },
        "2147483647",
        true,
        "The most members of a group.",
    ),
    broker(
        "group.min.session.timeout.ms",
        Kind::Number { min: 1, max: i32::MAX as i64 },
        "6000",
        true,
        "The shortest session time-out that a member may ask for, in milliseconds.",
    ),
    broker(
        "log.retention.check.interval.ms",
        Kind::Number { min: 1, max: i64::MAX },
        "300000",
        true,
        "How often old records are looked for, in milliseconds.",
    ),
    broker(
        "num.partitions",
        Kind::Number { min: 1, max: 10_000 },
        "1",
        true,
        "How many partitions a topic gets that does not say.",
    ),
    broker(
        "offset.metadata.max.bytes",
        Kind::Number { min: 0, max: i32::MAX as i64 },
        "4096",
        true,
        "The longest note of a committed offset, in bytes.",
    ),
    broker(
        "offsets.commit.timeout.ms",
        Kind::Number { min: 1, max: i32::MAX as i64 },
        "5000",
        true,
        "How long an answer about a group waits until its records are committed, in milliseconds.",
    ),
    broker(
        "offsets.retention.check.interval.ms",
        Kind::Number { min: 1, max: i64::MAX },
        "600000",
        true,
        "How often committed offsets that nobody came back for are looked for, in milliseconds.",
    ),
    broker(
        "offsets.retention.minutes",
        Kind::Number { min: 1, max: i32::MAX as i64 },
        "10080",
        true,
        "How long committed offsets outlive the last member of their group, in minutes.",
    ),
    broker(
        "offsets.topic.num.partitions",
        Kind::Number { min: 1, max: 10_000 },
        "50",
        true,
        "How many partitions `__consumer_offsets` gets when the first group is looked for. They never change after that.",
    ),
    broker(
        "producer.id.expiration.ms",
        Kind::Number { min: 1, max: i64::MAX },
        "86400000",
        true,
        "How long the state that recognises a producer's repeated batches outlives its last write, in milliseconds.",
    ),
    broker(
        "producer.id.limit",
        Kind::Number { min: 1, max: 1 << 32 },
        "1000000",
        true,
        "How many producers the broker's partitions remember together, some 200 bytes each; beyond it those that have \
         not written for longest are forgotten before they expire.",
    ),
];

const NO_RECODING: &str = "the broker stores batches as producers compressed them; set the producer's compression";
const SEGMENTS: &str = "the storage decides how it cuts logs into files or objects; there is no such setting per topic";
const FLUSHES: &str = "durability is the backend's own setting, and every receipt names what it reached";

/// Configs of Kafka's that users will try, and why they are not taken.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("delete.retention.ms", "compaction is not built yet"),
    ("file.delete.delay.ms", SEGMENTS),
    ("flush.messages", FLUSHES),
    ("flush.ms", FLUSHES),
    ("index.interval.bytes", SEGMENTS),
    ("max.compaction.lag.ms", "compaction is not built yet"),
    ("message.downconversion.enable", "record batch v2 is the only format"),
    ("message.format.version", "record batch v2 is the only format"),
    ("min.cleanable.dirty.ratio", "compaction is not built yet"),
    ("min.compaction.lag.ms", "compaction is not built yet"),
    ("preallocate", SEGMENTS),
    ("segment.bytes", SEGMENTS),
    ("segment.index.bytes", SEGMENTS),
    ("segment.jitter.ms", SEGMENTS),
    ("segment.ms", SEGMENTS),
    ("unclean.leader.election.enable", "a leader is only elected from the in-sync replicas"),
    ("log.segment.bytes", SEGMENTS),
    ("log.roll.ms", SEGMENTS),
    ("log.flush.interval.messages", FLUSHES),
    ("log.flush.interval.ms", FLUSHES),
    ("log.retention.hours", "use `log.retention.ms`"),
    ("log.retention.minutes", "use `log.retention.ms`"),
];

/// Every config of `scope`, sorted by name. Topic configs count once, as the topic's; a broker sets their
/// defaults under [`Definition::broker_name`].
#[must_use]
pub const fn definitions(scope: Scope) -> &'static [Definition] {
    match scope {
        Scope::Topic => TOPIC,
        Scope::Broker => BROKER,
    }
}

/// The config that `name` means for `scope`. For a broker that may be the topic config whose default it sets.
///
/// # Errors
/// [`Error::Unsupported`] for one of Kafka's that has no effect here, [`Error::Unknown`] with the nearest
/// name for any other.
pub fn find(scope: Scope, name: &str, value: &str) -> Result<&'static Definition, Error> {
    let found = match scope {
        Scope::Topic => TOPIC.iter().find(|definition| definition.name == name),
        Scope::Broker => BROKER
            .iter()
            .find(|definition| definition.name == name)
            .or_else(|| TOPIC.iter().find(|definition| definition.broker_name == Some(name))),
    };
    if let Some(definition) = found {
        return Ok(definition);
    }
    if let Some((_, reason)) = UNSUPPORTED.iter().find(|(unsupported, _)| *unsupported == name) {
        return Err(Error::Unsupported { name: name.to_owned(), value: cut(value), reason });
    }
    Err(Error::Unknown { name: cut(name), scope, suggestion: nearest(scope, name) })
}

/// The name under which `definition` is set for `scope`.
pub(super) fn name_for(definition: &Definition, scope: Scope) -> &'static str {
    match (scope, definition.broker_name) {
        (Scope::Broker, Some(name)) => name,
        _ => definition.name,
    }
}

fn nearest(scope: Scope, name: &str) -> Option<&'static str> {
    // Names come from users: a long one is like nothing, and the comparison below is quadratic.
    if name.len() > 64 {
        return None;
    }
    // Names are often written as settings of programming languages are.
    let name = name.to_ascii_lowercase().replace(['_', '-'], ".");
    let topics = TOPIC.iter().map(|definition| name_for(definition, scope));
    let brokers = BROKER.iter().filter(|_| scope == Scope::Broker).map(|definition| definition.name);
    topics
        .chain(brokers)
        .map(|known| (distance(&name, known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 3)
        .map(|(_, known)| known)
}

/// Levenshtein's edit distance, in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = Vec::with_capacity(row.len());
        next.push(left);
        for (above, y) in row.iter().skip(1).zip(b.bytes()) {
            left = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
