//! Producers, that come, go, crash, and have up to five batches in flight.

use std::time::Duration;

use ottla::producer::Producer;
use ottla::testing::TestCluster;
use ottla::{Client, Record};

use super::chance::Chance;
use super::history::History;
use super::plan::settings;
use super::run::Shared;

/// Records sent before a pause, at most.
const BURST: u64 = 12;

/// Runs producer after producer until the trouble is over. The last one stays for the healing.
pub(super) async fn run(shared: Shared, slot: u32, chance: Chance) {
    let env = chance.0.clone();
    let mut number = slot;
    loop {
        let Some((client, producer)) = start(&shared.cluster, &shared.history, &chance).await else {
            if shared.is_healed() {
                break;
            }
            env.sleep(chance.ms(50, 500)).await;
            continue;
        };
        while !shared.is_healed() {
            for _ in 0..chance.between(1, BURST) {
                send(&shared, &producer, number, chance.index(shared.open.get()), &chance).await;
            }
            if chance.one_in(60) {
                break;
            }
            env.sleep(chance.ms(0, shared.plan.pause_ms)).await;
        }
        if shared.is_healed() {
            heal(&shared, &producer, number, &chance).await;
            break;
        }
        if chance.one_in(3) {
            shared.history.event(format_args!("producer {number} closes"));
            shared.history.count("producer closed");
            // What it could not deliver its deliveries tell.
            let _ = client.close(chance.ms(1, 3_000)).await;
        } else {
            shared.history.event(format_args!("producer {number} crashes"));
            shared.history.count("producer crashed");
        }
        drop((client, producer));
        number += shared.plan.producers;
    }
    shared.done();
}

async fn start(cluster: &TestCluster, history: &History, chance: &Chance) -> Option<(Client, Producer)> {
    let client = cluster.client().await.ok()?;
    match settings(client.producer(), chance).build().await {
        Ok(producer) => Some((client, producer)),
        Err(error) => {
            history.event(format_args!("no producer: {error}"));
            None
        }
    }
}

/// A value as bytes; the padding makes batches of different sizes, and is checked by [`value_of`].
fn bytes_of(value: u64, padding: usize) -> String {
    format!("{value} {}", "x".repeat(padding))
}

/// What [`bytes_of`] wrote, if nothing of it changed.
pub(super) fn value_of(bytes: &[u8]) -> Option<u64> {
    let (value, padding) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
    value.parse().ok().filter(|_| padding.bytes().all(|byte| byte == b'x'))
}

/// Enqueues a record; its answer is recorded when it comes.
async fn send(shared: &Shared, producer: &Producer, number: u32, at: usize, chance: &Chance) {
    let (topic, partition) = shared.partitions[at];
    let value = shared.history.send(number, at);
    let padding = usize::try_from(*chance.pick(&[0, 0, 10, 100])).unwrap();
    let record = Record::to(topic).partition(partition).value(bytes_of(value, padding));
    let history = shared.history.clone();
    match producer.enqueue(record).await {
        Ok(delivery) => {
            shared.history.event(format_args!("producer {number} sends {value} to {at}"));
            chance.0.spawn("sim-delivery", async move {
                match delivery.await {
                    Ok(receipt) => history.acked(value, receipt.offset.map(|offset| offset.0)),
                    Err(error) => {
                        if matches!(error, ottla::producer::Error::Fenced { .. }) {
                            history
                                .violation(format!("value {value} was fenced, and its producer has no rival: {error}"));
                        }
                        history.failed(value, error.may_have_been_written(), &error);
                    }
                }
            });
        }
        Err(error) => history.failed(value, error.may_have_been_written(), &error),
    }
}

/// After the healing every producer that lives writes to every partition, within thirty seconds.
async fn heal(shared: &Shared, producer: &Producer, number: u32, chance: &Chance) {
    let env = &chance.0;
    let all = async {
        for at in 0..shared.partitions.len() {
            send(shared, producer, number, at, chance).await;
        }
        producer.flush().await
    };
    match env.timeout(Duration::from_secs(30), all).await {
        Ok(flushed) => shared.history.event(format_args!("producer {number} flushed: {:?}", flushed.err())),
        Err(_) => shared.history.violation(format!("producer {number} could not write for 30 s after all was healed")),
    }
}
