//! Records, as fast as they go or at a rate.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use indicatif::ProgressBar;
use ottla::producer::{self, Delivery};
use ottla::{Client, Durability, Env, Producer, TopicName};
use ottla_broker_core::env::Moment;
use ottla_cli::measure::{Samples, Watch};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::figures::Outcome;
use super::load::Load;
use super::pace::Pace;
use crate::error::Error;

/// Records whose latency is looked at, of each producer.
const SAMPLED: u64 = 50_000;

/// Records between two steps of the bar.
const STEP: u64 = 1_024;

/// Sends all of them, and waits for the last acknowledgement.
pub(super) async fn run(
    clients: &[Client],
    producers: usize,
    topic: &TopicName,
    load: &Arc<Load>,
    env: &Env,
    bar: &ProgressBar,
) -> Result<Outcome, Error> {
    let mut made = Vec::with_capacity(producers);
    for client in clients.iter().cycle().take(producers) {
        let producer = client.producer().build().await.map_err(ottla::Error::from)?;
        // Who leads what is known before the clock runs.
        producer.partitions_for(topic.as_str()).await.map_err(ottla::Error::from)?;
        made.push(producer);
    }
    let each = load.records / producers as u64;
    let rest = load.records % producers as u64;
    let watch = Watch::start();
    let mut running = JoinSet::new();
    for (index, producer) in made.into_iter().enumerate() {
        let count = each + u64::from((index as u64) < rest);
        let (pace, load) = (Pace::new(env, load.rate, producers), Arc::clone(load));
        running.spawn(one(producer, topic.clone(), load, count, pace, env.clone(), bar.clone()));
    }
    let (mut latencies, mut durability) = (Samples::default(), None::<Durability>);
    while let Some(done) = running.join_next().await {
        let seen = done.map_err(|error| Error::Failed(format!("a producer ended: {error}")))??;
        latencies.append(seen.latencies);
        durability = durability.into_iter().chain(seen.durability).min();
    }
    let spent = watch.stop();
    let bytes = load.records * load.size as u64;
    Ok(Outcome { latencies, durability, ..Outcome::new(load.records, bytes, spent) })
}

/// What one producer saw of the records that it looked at.
#[derive(Debug, Default)]
struct Seen {
    latencies: Samples,
    durability: Option<Durability>,
}

async fn one(
    producer: Producer,
    topic: TopicName,
    load: Arc<Load>,
    count: u64,
    pace: Pace,
    env: Env,
    bar: ProgressBar,
) -> Result<Seen, Error> {
    let sampled = (count / SAMPLED).max(1);
    let (tell, told) = mpsc::channel(1_024);
    let mut watching = JoinSet::new();
    watching.spawn(watch(told, env));
    let mut failed = None;
    for n in 0..count {
        let due = pace.due(n).await;
        let delivery = match producer.enqueue(load.record(&topic, n)).await {
            Ok(delivery) => delivery,
            Err(error) => {
                failed = Some(error);
                break;
            }
        };
        // The watcher ends early when one has failed, which the flush tells.
        if n % sampled == 0 && tell.send((due, delivery)).await.is_err() {
            break;
        }
        if n % STEP == STEP - 1 {
            bar.inc(STEP);
        }
    }
    drop(tell);
    let flushed = producer.flush().await;
    let seen = watching.join_next().await.unwrap_or(Ok(Ok(Seen::default())));
    let seen = seen.map_err(|error| Error::Failed(format!("a producer's watcher ended: {error}")))?;
    match failed {
        Some(error) => Err(ottla::Error::from(error).into()),
        None => seen.and_then(|seen| flushed.map(|()| seen)).map_err(|error| ottla::Error::from(error).into()),
    }
}

/// Waits for the answers of some records beside the sending.
async fn watch(mut told: mpsc::Receiver<(Moment, Delivery)>, env: Env) -> Result<Seen, producer::Error> {
    let mut waiting = FuturesUnordered::new();
    let mut seen = Seen::default();
    let mut open = true;
    while open || !waiting.is_empty() {
        tokio::select! {
            biased;
            Some(answer) = waiting.next(), if !waiting.is_empty() => {
                let (took, answer): (std::time::Duration, Result<ottla::RecordMetadata, producer::Error>) = answer;
                let durability = answer?.durability;
                seen.latencies.push(took.as_secs_f64());
                seen.durability = Some(seen.durability.map_or(durability, |least| least.min(durability)));
            }
            next = told.recv(), if open => match next {
                Some((due, delivery)) => {
                    let env = env.clone();
                    waiting.push(async move {
                        let answer = delivery.await;
                        (env.now().since(due), answer)
                    });
                }
                None => open = false,
            },
        }
    }
    Ok(seen)
}
