//! What a crash does: a consumer that sends letters dies in the midst of a batch, and another one takes its place.
//! With commits before hand-over letters are skipped, with commits after acks they are sent twice: never both.
//!
//! ```text
//! cargo run --release --bin delivery
//! ```
//!
//! Exit code 0 means that at most once skipped and never repeated, and at least once repeated and never skipped.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ottla::{At, Client, Commit, Env, NewTopic, Record};
use ottla_examples::process::Process;
use tokio::sync::oneshot;

type Error = Box<dyn std::error::Error + Send + Sync>;

const TOPIC: &str = "letters";
const PARTITIONS: i32 = 3;
const LETTERS: u32 = 3_000;
/// Far more than anything here takes: to end with a message where something hangs.
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("delivery: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let at_most = told("at most once (Commit::BeforeHandover)", "at-most", Commit::BeforeHandover).await?;
    let at_least = told("at least once (Commit::OnAck)", "at-least", Commit::default()).await?;
    if at_most.skipped == 0 || at_most.repeated > 0 {
        return Err(format!("at most once skips and never repeats: {at_most:?}").into());
    }
    if at_least.repeated == 0 || at_least.skipped > 0 {
        return Err(format!("at least once repeats and never skips: {at_least:?}").into());
    }
    Ok(())
}

async fn told(title: &str, name: &str, commit: Commit) -> Result<Outcome, Error> {
    let outcome = crash(&format!("memory://delivery-{name}"), commit).await?;
    let Outcome { before, skipped, repeated } = &outcome;
    println!("{title}: the crash came after {before} of {LETTERS} letters; {skipped} skipped, {repeated} sent twice");
    Ok(outcome)
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// How many were sent before the crash.
    before: usize,
    /// How many were never sent.
    skipped: usize,
    /// How many were sent again.
    repeated: usize,
}

/// How often each letter was sent: the world outside, which no crash takes back.
#[derive(Clone, Debug, Default)]
struct World(Arc<Mutex<BTreeMap<u32, usize>>>);

impl World {
    fn send(&self, letter: u32) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(letter).or_default() += 1;
    }

    fn counts(&self) -> BTreeMap<u32, usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn crash(url: &str, commit: Commit) -> Result<Outcome, Error> {
    let client = Client::connect(url).await?;
    client.admin().create_topic(NewTopic::new(TOPIC).partitions(PARTITIONS)).await?;
    // Waiting a little makes batches of many: what the crash interrupts is one batch.
    let producer = client.producer().linger(Duration::from_millis(20)).build().await?;
    for letter in 0..LETTERS {
        drop(producer.enqueue(Record::to(TOPIC).key(letter.to_string()).value(letter.to_string())).await?);
    }
    producer.flush().await?;

    let (world, env) = (World::default(), Env::system());
    let process = Process::start("postman-1")?;
    let (dies, died) = oneshot::channel();
    let first = process.run(deliver(url.to_owned(), commit, world.clone(), Some(dies)));
    if env.timeout(LIMIT, died).await?.is_err() {
        first.await??;
        return Err("the first consumer ended before it could crash".into());
    }
    process.crash();
    let before = world.counts().len();

    // One more of each partition: whoever has these has passed all others.
    for partition in 0..PARTITIONS {
        let last = LETTERS + partition.unsigned_abs();
        producer.send(Record::to(TOPIC).partition(partition).value(last.to_string())).await?;
    }
    let process = Process::start("postman-2")?;
    let second = process.run(deliver(url.to_owned(), commit, world.clone(), None));
    env.timeout(LIMIT, second).await???;
    client.close(Duration::from_secs(5)).await?;

    let counts = world.counts();
    let skipped = (0..LETTERS).filter(|letter| !counts.contains_key(letter)).count();
    let repeated = counts.values().filter(|count| **count > 1).count();
    Ok(Outcome { before, skipped, repeated })
}

/// Sends letters until the last one of each partition; or, if it is to die, until the midst of a batch.
async fn deliver(
    url: String,
    commit: Commit,
    world: World,
    mut dies: Option<oneshot::Sender<()>>,
) -> Result<(), Error> {
    let client = Client::connect(&url).await?;
    let mut consumer = client
        .consumer("post")
        .topics([TOPIC])
        .if_no_offset(At::Earliest)
        .commit(commit)
        // A static member: the one that takes its place need not wait until the group takes the first for dead.
        .group_instance_id("postman")
        .build()
        .await?;
    let (handle, mut sent, mut last) = (consumer.handle(), 0, 0);
    while let Some(mut batch) = consumer.next_batch().await? {
        let mut letters = Vec::new();
        for message in &mut batch {
            let message = message?;
            let text = message.value().ok_or_else(|| format!("the letter at {} is empty", message.offset()))?;
            letters.push(std::str::from_utf8(text)?.parse::<u32>()?);
        }
        let midst = (sent > LETTERS / 4 && letters.len() > 1).then_some(letters.len() / 2);
        for (n, letter) in letters.into_iter().enumerate() {
            if Some(n) == midst
                && let Some(dies) = dies.take()
            {
                // A commit at the worst moment: it covers what is acknowledged, and nothing of this batch.
                handle.commit().await?;
                let _ = dies.send(());
                // Nothing more happens here: the process is about to be killed.
                std::future::pending::<()>().await;
            }
            world.send(letter);
            sent += 1;
            last += i32::from(letter >= LETTERS);
        }
        batch.ack();
        // A batch at a time, so that a crash costs no more than one. Before hand-over all is committed already.
        handle.commit().await?;
        if last == PARTITIONS {
            break;
        }
    }
    client.close(Duration::from_secs(5)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_promises_hold() {
        run().await.unwrap();
    }
}
