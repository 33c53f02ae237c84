//! One record at a time.

use std::time::Duration;

use indicatif::ProgressBar;
use ottla::{Client, Env, TopicName};
use ottla_cli::measure::{Samples, Watch};
use tokio::task::JoinSet;

use super::figures::Outcome;
use super::load::Load;
use crate::error::Error;

/// As many as make a p99.9, or as go in this time.
const RECORDS: u64 = 5_000;
const LIMIT: Duration = Duration::from_secs(5);

/// How many there are to be at most.
pub(super) fn count(load: &Load) -> u64 {
    load.records.min(RECORDS)
}

/// Sends each when the one before it is acknowledged.
pub(super) async fn run(
    client: &Client,
    topic: &TopicName,
    load: &Load,
    env: &Env,
    bar: &ProgressBar,
) -> Result<Outcome, Error> {
    let producer = client.producer().build().await.map_err(ottla::Error::from)?;
    let (topic, load, env, bar) = (topic.clone(), load.clone(), env.clone(), bar.clone());
    // On a worker of the runtime, where a service's code runs.
    let mut running = JoinSet::new();
    running.spawn(async move {
        let mut latencies = Samples::default();
        let mut durability = None;
        // The first one brings what all of them need.
        producer.send(load.record(&topic, 0)).await?;
        let watch = Watch::start();
        let began = env.now();
        for n in 0..count(&load) {
            let start = env.now();
            let receipt = producer.send(load.record(&topic, n)).await?;
            let end = env.now();
            latencies.push(end.since(start).as_secs_f64());
            durability =
                Some(durability.map_or(receipt.durability, |least: ottla::Durability| least.min(receipt.durability)));
            bar.inc(1);
            if end.since(began) > LIMIT {
                break;
            }
        }
        let records = latencies.len() as u64;
        let outcome = Outcome::new(records, records * load.size as u64, watch.stop());
        Ok::<_, ottla::producer::Error>(Outcome { latencies, durability, ..outcome })
    });
    match running.join_next().await {
        Some(Ok(done)) => done.map_err(|error| ottla::Error::from(error).into()),
        Some(Err(error)) => Err(Error::Failed(format!("the producer ended: {error}"))),
        None => Err(Error::Failed("the producer did not begin".to_owned())),
    }
}
