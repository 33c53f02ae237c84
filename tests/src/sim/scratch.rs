//! A topic that is deleted and created again: nothing of the old one is ever seen in the new one.

use std::collections::BTreeSet;

use ottla::{At, Client, ErrorCode, NewTopic, Record};

use super::chance::Chance;
use super::run::Shared;

const NAME: &str = "scratch";

pub(super) async fn run(shared: Shared, chance: Chance) {
    let env = chance.0.clone();
    let client = shared.cluster.client().await.unwrap();
    let mut life = 0_u64;
    while !shared.is_healed() {
        life += 1;
        if !recreate(&shared, &client, &chance).await {
            return;
        }
        shared.history.count("topic recreated");
        let before = shared.cluster.counts().sent_to_old;
        let Some(filled) = shared.unless_over(fill_and_read(&client, life, &chance)).await else { return };
        // A broker that was replaced and does not know may tell of the topic as it was: then nothing is proven.
        let to_old = shared.cluster.counts().sent_to_old - before;
        match filled {
            Ok(Ok(())) => {}
            Ok(Err(what)) if to_old > 0 => {
                shared.history.event(format_args!("scratch {life}, {to_old} requests to the old broker: {what}"));
            }
            Ok(Err(what)) => shared.history.violation(what),
            Err(error) => shared.history.event(format_args!("scratch {life}: {error}")),
        }
        env.sleep(chance.ms(100, 1_500)).await;
    }
}

/// Deletes and creates until both are certain; false once all is over.
async fn recreate(shared: &Shared, client: &Client, chance: &Chance) -> bool {
    while !shared.is_over() {
        match client.admin().delete_topic(NAME).await {
            Ok(()) => break,
            Err(error) if error.kafka_code() == Some(ErrorCode::UnknownTopicOrPartition) => break,
            Err(_) => chance.0.sleep(chance.ms(20, 500)).await,
        }
    }
    while !shared.is_over() {
        match client.admin().create_topic(NewTopic::new(NAME)).await {
            Ok(_) => return true,
            // An earlier try whose answer was lost.
            Err(error) if error.kafka_code() == Some(ErrorCode::TopicAlreadyExists) => return true,
            Err(_) => chance.0.sleep(chance.ms(20, 500)).await,
        }
    }
    false
}

async fn fill_and_read(client: &Client, life: u64, chance: &Chance) -> Result<Result<(), String>, ottla::Error> {
    let producer = client.producer().build().await?;
    let mut acked = BTreeSet::new();
    let mut sent = BTreeSet::new();
    for n in 0..chance.between(1, 6) {
        let value = format!("{life}.{n}");
        sent.insert(value.clone());
        if producer.send(Record::to(NAME).value(value.clone())).await.is_ok() {
            acked.insert(value);
        }
    }
    let mut reader = client.reader().topic(NAME).start(At::Earliest).to_end().build().await?;
    let mut read = BTreeSet::new();
    while let Some(message) = reader.next().await? {
        let value = String::from_utf8_lossy(message.value().map_or(&[][..], |value| &value[..])).into_owned();
        if !sent.contains(&value) {
            return Ok(Err(format!("life {life} of a topic that was created again has `{value}` of another life")));
        }
        if !read.insert(value.clone()) {
            return Ok(Err(format!("life {life} of a topic that was created again has `{value}` twice")));
        }
    }
    Ok(match acked.difference(&read).next() {
        Some(lost) => Err(format!("life {life} of a topic that was created again has lost `{lost}`")),
        None => Ok(()),
    })
}
