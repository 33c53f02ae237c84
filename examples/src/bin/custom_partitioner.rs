//! Choosing partitions yourself: one big customer gets a partition of its own, and the others share the rest by key.
//!
//! ```text
//! cargo run --release --bin custom_partitioner
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use ottla::{At, Choice, Client, KeyHash, NewTopic, Partitioner, Record, Utf8};

type Error = Box<dyn std::error::Error + Send + Sync>;

const BIG: &str = "megacorp";
const PARTITIONS: i32 = 4;

/// Partition 0 is for one key alone; all the others are hashed over the partitions from 1 up.
struct OneApart {
    key: &'static str,
}

impl Partitioner for OneApart {
    fn partition(&self, choice: &Choice<'_>) -> i32 {
        match choice.key() {
            Some(key) if key == self.key.as_bytes() => 0,
            // The rule of the default partitioner, over one partition fewer.
            Some(key) => 1 + KeyHash::murmur2().partition_of(key, choice.partitions() - 1),
            None => choice.partitions() - 1,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("custom_partitioner: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let client = Client::connect("memory://").await?;
    client.admin().create_topic(NewTopic::new("orders").partitions(PARTITIONS)).await?;

    // A closure `|choice| …` would do as well.
    let producer = client.producer().partitioner(OneApart { key: BIG }).build().await?;
    let mut sent: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for n in 0..3000 {
        // Two orders of three are the big customer's.
        let customer = if n % 3 == 0 { format!("shop-{}", n % 100) } else { BIG.to_owned() };
        let order = format!("order {n}");
        drop(producer.enqueue(Record::to("orders").key(customer.clone()).value(order.clone())).await?);
        sent.entry(customer).or_default().push(order);
    }
    // Says if a record whose delivery was dropped above was not written.
    producer.flush().await?;

    let reader = client.reader().topic("orders").start(At::Earliest).to_end().build().await?;
    let mut reader = reader.typed(Utf8, Utf8);
    let mut read: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut partition_of: BTreeMap<String, i32> = BTreeMap::new();
    let mut per_partition: BTreeMap<i32, usize> = BTreeMap::new();
    while let Some(message) = reader.next().await? {
        let (partition, offset) = (message.partition(), message.offset());
        let (Some(customer), Some(order)) = message.into_parts() else {
            return Err(format!("the record at offset {offset} of partition {partition} has no key or no value").into());
        };
        if (customer == BIG) != (partition == 0) {
            return Err(format!("an order of {customer} is in partition {partition}").into());
        }
        let first = *partition_of.entry(customer.clone()).or_insert(partition);
        if first != partition {
            return Err(format!("the orders of {customer} are in the partitions {first} and {partition}").into());
        }
        *per_partition.entry(partition).or_default() += 1;
        read.entry(customer).or_default().push(order);
    }
    client.close(Duration::from_secs(5)).await?;

    for (partition, records) in &per_partition {
        let customers = partition_of.values().filter(|at| *at == partition).count();
        println!("partition {partition}: {records:>4} orders of {customers} customers");
    }
    if sent != read {
        return Err("what came back is not what was written, in order per customer".into());
    }
    if per_partition.len() != PARTITIONS as usize {
        return Err(format!("{} of {PARTITIONS} partitions are in use", per_partition.len()).into());
    }
    println!("{BIG} has partition 0 to itself; every other customer has one partition, in order");
    Ok(())
}
