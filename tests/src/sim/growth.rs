//! Partitions are added to a topic while it is written and read.

use std::sync::Arc;
use std::time::Duration;

use ottla::{Client, NewTopic};

use super::cast::GROWING;
use super::chance::Chance;
use super::run::Shared;

/// The topic as it begins.
pub(super) fn topic(partitions: i32) -> NewTopic {
    NewTopic::new(GROWING).partitions(partitions)
}

/// Adds one partition after the other; what is left when the trouble ends comes at once.
pub(super) async fn run(shared: Shared, chance: Chance, (from, to): (i32, i32)) {
    let env = &chance.0;
    let cluster = shared.cluster.cluster();
    let Ok(client) = Client::builder().cluster(Arc::clone(&cluster)).env(env.clone()).connect().await else { return };
    for total in from + 1..=to {
        let _ = env.timeout(chance.ms(1_000, 9_000), shared.hurry.wait_for(|hurry| *hurry)).await;
        while !add(&shared, &client, total).await {
            if shared.is_over() {
                return;
            }
            env.sleep(Duration::from_millis(200)).await;
        }
        shared.history.count("partitions added");
        shared.open.change(|open| *open += 1);
    }
}

/// Whether the topic has as many now. An answer that was lost says nothing.
async fn add(shared: &Shared, client: &Client, total: i32) -> bool {
    let added = client.admin().add_partitions(GROWING, total).await;
    shared.history.event(format_args!("partitions of {GROWING} to be {total}: {added:?}"));
    let described = client.admin().describe_topic(GROWING).await;
    described.is_ok_and(|topic| topic.partitions.len() >= usize::try_from(total).unwrap())
}
