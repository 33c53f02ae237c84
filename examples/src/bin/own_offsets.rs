//! Exact counts in spite of crashes: the application keeps the offsets itself, in one transaction with what it made of
//! the messages. Whoever comes next goes on from there.
//!
//! ```text
//! cargo run --release --bin own_offsets
//! ```
//!
//! Exit code 0 means that the counts are those of a plain count of the input, though consumers crashed before and after
//! their transactions.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ottla::consumer::{Handle, RebalanceListener};
use ottla::{At, Client, Commit, Env, NewTopic, Offset, OffsetSpec, Record, TopicPartition};
use ottla_examples::generator;
use ottla_examples::process::Process;
use tokio::sync::oneshot;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Counts = BTreeMap<String, u64>;

const URL: &str = "memory://own-offsets";
const TOPIC: &str = "visits";
const BYTES: u64 = 2_000_000;
/// After how many batches each process dies, and where.
const CRASHES: [(u32, Crash); 6] = [
    (5, Crash::BeforeTransaction),
    (1, Crash::AfterTransaction),
    (8, Crash::BeforeTransaction),
    (1, Crash::BeforeTransaction),
    (6, Crash::AfterTransaction),
    (9, Crash::BeforeTransaction),
];
/// Far more than anything here takes: to end with a message where something hangs.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Crash {
    /// The work is done and lost.
    BeforeTransaction,
    /// It is kept, and nobody was told.
    AfterTransaction,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(URL).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("own_offsets: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(url: &str) -> Result<(), Error> {
    let client = Client::connect(url).await?;
    client.admin().create_topic(NewTopic::new(TOPIC).partitions(3)).await?;
    let mut input = Vec::new();
    let lines = generator::access_log(&mut input, BYTES, 1)?;
    let producer = client.producer().batch_bytes(16_384).build().await?;
    let mut plain = Counts::new();
    for line in std::str::from_utf8(&input)?.lines() {
        let mut fields = line.split(' ').skip(1);
        let user = fields.next().ok_or("a line has no user")?;
        *plain.entry(verb(line)?.to_owned()).or_default() += 1;
        drop(producer.enqueue(Record::to(TOPIC).key(user.to_owned()).value(line.to_owned())).await?);
    }
    producer.flush().await?;
    let ends = client.admin().offsets(TOPIC, OffsetSpec::Latest).await?;
    let ends: BTreeMap<i32, Offset> = ends.into_iter().filter_map(|(p, end)| Some((p, end?))).collect();
    println!("written: {lines} lines");

    let database = Database::default();
    for (n, (batches, place)) in CRASHES.into_iter().enumerate() {
        let process = Process::start(&format!("counter-{n}"))?;
        let (dies, died) = oneshot::channel();
        let plan = Plan { batches, place, dies };
        let work = process.run(count(url.to_owned(), database.clone(), ends.clone(), Some(plan)));
        if Env::system().timeout(LIMIT, died).await?.is_err() {
            work.await??;
            return Err(format!("all was counted before crash {n}").into());
        }
        process.crash();
        println!("crash {place:?} in batch {batches} of its process: {} lines are in the database", database.total());
    }
    let process = Process::start("counter-last")?;
    let work = process.run(count(url.to_owned(), database.clone(), ends, None));
    Env::system().timeout(LIMIT, work).await???;
    client.close(Duration::from_secs(5)).await?;

    let (counts, handled) = database.counts();
    for (verb, count) in &counts {
        println!("  {verb:<12} {count}");
    }
    if counts != plain {
        return Err(format!("a plain count has {plain:?}").into());
    }
    if handled <= lines {
        return Err("no crash made anybody work twice, so that this showed nothing".into());
    }
    println!("{handled} lines were handled, as crashes lost work; {lines} are counted, as in a plain count");
    Ok(())
}

fn verb(line: &str) -> Result<&str, Error> {
    line.split(' ').nth(2).ok_or_else(|| format!("there is no verb in `{line}`").into())
}

/// Stands for the application's database. What survives crashes is what a transaction put there.
#[derive(Clone, Debug, Default)]
struct Database(Arc<Mutex<Tables>>);

#[derive(Debug, Default)]
struct Tables {
    counts: Counts,
    /// The next offset of each partition.
    offsets: BTreeMap<i32, Offset>,
    /// How many lines were worked on: not part of any transaction.
    handled: u64,
}

impl Database {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offset(&self, partition: i32) -> Offset {
        self.tables().offsets.get(&partition).copied().unwrap_or_default()
    }

    /// Both or neither. Refuses what is counted already: a process that was taken for dead may still be at work.
    fn transaction(&self, partition: i32, from: Offset, next: Offset, counts: Counts) -> Result<(), Error> {
        let mut tables = self.tables();
        let stored = tables.offsets.entry(partition).or_default();
        if from < *stored {
            return Err(format!("offset {from} of partition {partition} is counted already, up to {stored}").into());
        }
        *stored = next;
        for (verb, count) in counts {
            *tables.counts.entry(verb).or_default() += count;
        }
        Ok(())
    }

    fn has_all(&self, ends: &BTreeMap<i32, Offset>) -> bool {
        ends.iter().all(|(partition, end)| self.offset(*partition) >= *end)
    }

    fn total(&self) -> u64 {
        self.tables().counts.values().sum()
    }

    fn counts(&self) -> (Counts, u64) {
        let tables = self.tables();
        (tables.counts.clone(), tables.handled)
    }
}

/// Goes on from what the database says, before the first message is handed over.
#[derive(Debug)]
struct FromDatabase(Database);

#[async_trait]
impl RebalanceListener for FromDatabase {
    async fn assigned(&self, partitions: &[TopicPartition], handle: &Handle) {
        for partition in partitions {
            let next = self.0.offset(partition.partition);
            if let Err(error) = handle.seek(partition, At::Offset(next)) {
                // It went away meanwhile: nothing of it is handed over.
                eprintln!("own_offsets: {error}");
            }
        }
    }
}

/// When a process is to die, and whom to tell.
struct Plan {
    batches: u32,
    place: Crash,
    dies: oneshot::Sender<()>,
}

/// Counts until the database has everything, or until it dies.
async fn count(
    url: String,
    database: Database,
    ends: BTreeMap<i32, Offset>,
    mut plan: Option<Plan>,
) -> Result<(), Error> {
    let client = Client::connect(&url).await?;
    let mut consumer = client
        .consumer("counters")
        .topics([TOPIC])
        .commit(Commit::Application)
        .on_rebalance(FromDatabase(database.clone()))
        // A static member: the one that takes its place need not wait until the group takes this one for dead.
        .group_instance_id("counter")
        .build()
        .await?;
    let mut batches = 0;
    while !database.has_all(&ends) {
        let Some(batch) = consumer.next_batch().await? else { break };
        let partition = batch.topic_partition().partition;
        let (mut counts, mut lines, mut range) = (Counts::new(), 0, None);
        for message in batch {
            let message = message?;
            let line = std::str::from_utf8(message.value().ok_or("a line is null")?)?;
            *counts.entry(verb(line)?.to_owned()).or_default() += 1;
            lines += 1;
            let from = range.map_or_else(|| message.offset(), |(from, _)| from);
            range = Some((from, message.offset().plus(1)));
        }
        let Some((from, next)) = range else { continue };
        database.tables().handled += lines;
        batches += 1;
        let dies = plan.take_if(|plan| plan.batches == batches);
        let dies = match dies {
            Some(plan) if plan.place == Crash::BeforeTransaction => return die(plan).await,
            other => other,
        };
        database.transaction(partition, from, next, counts)?;
        if let Some(plan) = dies {
            return die(plan).await;
        }
    }
    client.close(Duration::from_secs(5)).await?;
    Ok(())
}

/// Nothing more happens here: the process is about to be killed.
async fn die(plan: Plan) -> Result<(), Error> {
    let _ = plan.dies.send(());
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_count_is_exact() {
        run("memory://own-offsets-test").await.unwrap();
    }

    #[test]
    fn a_transaction_that_came_before_is_refused() {
        let (database, one) = (Database::default(), Counts::from([("pay".to_owned(), 3)]));
        database.transaction(0, Offset(0), Offset(3), one.clone()).unwrap();
        database.transaction(0, Offset(0), Offset(3), one.clone()).unwrap_err();
        database.transaction(1, Offset(0), Offset(3), one).unwrap();
        assert_eq!(database.total(), 6);
        assert_eq!(database.offset(0), Offset(3));
    }
}
