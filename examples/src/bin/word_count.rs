//! Word count by a group whose consumers come and go: an access log of 100 MB goes into a topic part by part, the
//! consumers count what they are given, and their sums are compared with a plain count of the input.
//!
//! ```text
//! cargo run --release --bin word_count -- --megabytes 100
//! ```
//!
//! Exit code 0 means that both are equal: no line was left out or counted twice when partitions moved.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use ottla::{Client, Env, NewTopic, Producer, Record, TopicName, consumer};
use ottla_examples::generator;
use ottla_examples::owners::Owners;
use rustc_hash::{FxHashMap, FxHasher};
use tokio::sync::watch;
use tokio::task::JoinSet;

type Error = Box<dyn std::error::Error + Send + Sync>;

const TOPIC: &str = "lines";
const PARTITIONS: i32 = 6;
/// Far more than anything here takes: to end with a message where something hangs.
const LIMIT: Duration = Duration::from_mins(1);

/// Who comes and goes before each part of the input, and how many partitions each has then.
const PARTS: [(&[Change], &[usize]); 6] = [
    (&[Change::Comes("A"), Change::Comes("B")], &[3, 3]),
    (&[Change::Comes("C")], &[2, 2, 2]),
    (&[Change::Comes("D"), Change::Goes("A")], &[2, 2, 2]),
    (&[Change::Goes("B"), Change::Goes("C")], &[6]),
    (&[Change::Comes("E"), Change::Comes("F"), Change::Comes("G")], &[2, 2, 1, 1]),
    (&[Change::Goes("D"), Change::Goes("F")], &[3, 3]),
];

#[derive(Clone, Copy, Debug)]
enum Change {
    Comes(&'static str),
    Goes(&'static str),
}

/// Count words by a group whose consumers come and go, and compare with a plain count.
#[derive(Debug, Parser)]
struct Options {
    /// The size of the made-up input, in MB.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    megabytes: u64,
    /// Its seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the log is kept.
    #[arg(long, default_value = "memory://")]
    url: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("word_count: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Error> {
    let size = options.megabytes * 1_000_000;
    let mut input = Vec::with_capacity(usize::try_from(size)? + 1024);
    generator::access_log(&mut input, size, options.seed)?;
    let input = Bytes::from(input);
    let client = Client::connect(&options.url).await?;
    client.admin().create_topic(NewTopic::new(TOPIC).partitions(PARTITIONS)).await?;
    println!("input    a made-up access log, seed {}, {:.1} MB", options.seed, input.len() as f64 / 1e6);

    let style = ProgressStyle::with_template("counting {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")?;
    let progress = ProgressBar::new(input.len() as u64).with_style(style);
    let mut crew = Crew::new(&client, &progress);
    let (producer, mut written) = (client.producer().build().await?, 0);
    let body: Vec<&[u8]> = input.strip_suffix(b"\n").unwrap_or(&input).split(|byte| *byte == b'\n').collect();
    let mut lines = body.chunks(body.len().div_ceil(PARTS.len()));
    for (changes, sizes) in PARTS {
        // The counting of the part before goes on meanwhile.
        for change in changes {
            crew.carry_out(*change).await?;
        }
        let shares = crew.owners.divided(sizes, LIMIT).await?;
        let listed: Vec<_> = shares.iter().map(|(name, share)| format!("{name} {share:?}")).collect();
        progress.suspend(|| println!("         {}", listed.join("  ")));
        let part = lines.next().unwrap_or_default();
        write(&producer, &input, part).await?;
        written += part.len() as u64;
    }
    let (counts, by) = crew.finish(written).await?;
    progress.finish_and_clear();
    client.close(Duration::from_secs(5)).await?;

    let seconds = progress.elapsed().as_secs_f64();
    let by: Vec<_> = by.iter().map(|(name, lines)| format!("{name} {lines}")).collect();
    println!("counted  {} lines in {seconds:.1} s: {}", counts.lines, by.join(", "));
    let plain = Counts::of(&body);
    if let Some(difference) = plain.difference(&counts) {
        return Err(format!("a plain count differs: {difference}").into());
    }
    for (word, count) in plain.most(3) {
        println!("         {count:>8} {}", String::from_utf8_lossy(word));
    }
    println!("equal to a plain count: {} words, {} of them different names", plain.words(), plain.names.len());
    Ok(())
}

async fn write(producer: &Producer, input: &Bytes, lines: &[&[u8]]) -> Result<(), Error> {
    let topic = TopicName::new(TOPIC)?;
    for line in lines {
        let key = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        // Slices of the input: nothing is copied before the batch is built.
        let record = Record::to(&topic).key(input.slice_ref(key)).value(input.slice_ref(line));
        drop(producer.enqueue(record).await?);
    }
    producer.flush().await?;
    Ok(())
}

/// How often each word occurs. Users and verbs are kept by name; of the others, of which each occurs once, only how
/// many there are and a sum over all of them, in which none can be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counts {
    names: FxHashMap<Vec<u8>, u64>,
    others: u64,
    sum: u64,
    lines: u64,
}

impl Counts {
    fn of(lines: &[&[u8]]) -> Self {
        let mut counts = Self::default();
        lines.iter().for_each(|line| counts.add(line));
        counts
    }

    fn add(&mut self, line: &[u8]) {
        self.lines += 1;
        for (n, word) in line.split(|byte| *byte == b' ').enumerate() {
            if n == 1 || n == 2 {
                match self.names.get_mut(word) {
                    Some(count) => *count += 1,
                    None => drop(self.names.insert(word.to_vec(), 1)),
                }
            } else {
                let mut hasher = FxHasher::default();
                hasher.write(word);
                self.others += 1;
                self.sum = self.sum.wrapping_add(hasher.finish());
            }
        }
    }

    fn merge(&mut self, other: Self) {
        for (word, count) in other.names {
            *self.names.entry(word).or_default() += count;
        }
        self.others += other.others;
        self.sum = self.sum.wrapping_add(other.sum);
        self.lines += other.lines;
    }

    fn words(&self) -> u64 {
        self.names.values().sum::<u64>() + self.others
    }

    fn most(&self, count: usize) -> Vec<(&[u8], u64)> {
        let mut words: Vec<_> = self.names.iter().map(|(word, count)| (&**word, *count)).collect();
        words.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        words.truncate(count);
        words
    }

    fn difference(&self, other: &Self) -> Option<String> {
        if self == other {
            return None;
        }
        let words = || self.names.keys().chain(other.names.keys());
        let count = |counts: &Self, word: &Vec<u8>| counts.names.get(word).copied().unwrap_or(0);
        let word = words().find(|word| count(self, word) != count(other, word));
        let shown = word.map(|word| {
            format!(", `{}` {} against {}", String::from_utf8_lossy(word), count(self, word), count(other, word))
        });
        let (lines, words) = (self.lines, self.words());
        Some(format!(
            "{lines} lines against {}, {words} words against {}{}",
            other.lines,
            other.words(),
            shown.unwrap_or_default()
        ))
    }
}

/// The consumers that are there, and what those that left have counted.
struct Crew<'a> {
    client: &'a Client,
    progress: &'a ProgressBar,
    owners: Owners,
    members: BTreeMap<&'static str, Member>,
    /// Lines that were counted.
    counted: watch::Sender<u64>,
    total: Counts,
    by: BTreeMap<&'static str, u64>,
}

struct Member {
    handle: consumer::Handle,
    task: JoinSet<Result<Counts, consumer::Error>>,
}

impl<'a> Crew<'a> {
    fn new(client: &'a Client, progress: &'a ProgressBar) -> Self {
        Self {
            client,
            progress,
            owners: Owners::default(),
            members: BTreeMap::new(),
            counted: watch::Sender::default(),
            total: Counts::default(),
            by: BTreeMap::new(),
        }
    }

    async fn carry_out(&mut self, change: Change) -> Result<(), Error> {
        match change {
            Change::Comes(name) => self.comes(name).await,
            Change::Goes(name) => self.goes(name).await,
        }
    }

    async fn comes(&mut self, name: &'static str) -> Result<(), Error> {
        let consumer = self
            .client
            .consumer("word-count")
            .topics([TOPIC])
            .on_rebalance(self.owners.listener(name))
            // How soon a member hears of a rebalance. The default, 3 s, is made for groups in a network.
            .heartbeat_interval(Duration::from_millis(50))
            .build()
            .await?;
        let handle = consumer.handle();
        let mut task = JoinSet::new();
        task.spawn(count(consumer, self.counted.clone(), self.progress.clone()));
        self.members.insert(name, Member { handle, task });
        Ok(())
    }

    async fn goes(&mut self, name: &'static str) -> Result<(), Error> {
        let Some(mut member) = self.members.remove(name) else { return Err(format!("{name} is not there").into()) };
        member.handle.shutdown(Duration::from_secs(10)).await?;
        while let Some(ended) = member.task.join_next().await {
            let counts = ended??;
            *self.by.entry(name).or_default() += counts.lines;
            self.total.merge(counts);
        }
        Ok(())
    }

    /// Waits until so many lines are counted, and lets everybody go.
    async fn finish(mut self, written: u64) -> Result<(Counts, BTreeMap<&'static str, u64>), Error> {
        let mut counted = self.counted.subscribe();
        if Env::system().timeout(LIMIT, counted.wait_for(|counted| *counted >= written)).await.is_err() {
            return Err(format!("{} of {written} lines were counted within {LIMIT:?}", *self.counted.borrow()).into());
        }
        let names: Vec<_> = self.members.keys().copied().collect();
        for name in names {
            self.goes(name).await?;
        }
        self.owners.check()?;
        Ok((self.total, self.by))
    }
}

/// One consumer: counts a line if its ack does. One that comes too late is for the partition's next owner to count, and
/// so is all that follows it in the batch.
async fn count(
    mut consumer: consumer::Consumer,
    counted: watch::Sender<u64>,
    progress: ProgressBar,
) -> Result<Counts, consumer::Error> {
    let mut counts = Counts::default();
    while let Some(mut batch) = consumer.next_batch().await? {
        let (before, mut bytes) = (counts.lines, 0);
        while let Some(message) = batch.next() {
            let message = message?;
            if batch.ack_first(1).counted == 0 {
                break;
            }
            let line = message.value().map(|line| &**line).unwrap_or_default();
            counts.add(line);
            bytes += line.len() as u64 + 1;
        }
        progress.inc(bytes);
        counted.send_modify(|total| *total += counts.lines - before);
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_sums_are_equal() {
        run(&Options::try_parse_from(["word_count", "--megabytes", "2"]).unwrap()).await.unwrap();
    }

    #[test]
    fn a_difference_is_seen() {
        let plain = Counts::of(&[b"1 ada pay x", b"2 grace pay y"]);
        let mut parts = Counts::of(&[b"2 grace pay y"]);
        assert!(plain.difference(&parts).unwrap().contains("2 lines against 1, 8 words against 4"));
        parts.merge(Counts::of(&[b"1 ada pay x"]));
        assert_eq!(plain.difference(&parts), None);
        assert!(plain.difference(&Counts::of(&[b"1 ada pay x", b"2 grace pay z"])).is_some());
    }
}
