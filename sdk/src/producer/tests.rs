//! The producer over a scripted cluster, on a paused clock.

mod fake;
mod order;
mod pace;
mod room;
mod surface;
mod topics;
mod trouble;

use fake::{Act, Fake};

use super::*;

fn record(value: impl ToString) -> Record {
    Record::to("t").value(value.to_string())
}

/// `count` records named by number, all enqueued before any task runs.
fn enqueue_now(producer: &Producer, count: usize) -> Vec<Delivery> {
    (0..count).map(|n| producer.try_enqueue(record(n)).unwrap()).collect()
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}

/// A producer that already knows the topic `t`.
async fn warm(builder: ProducerBuilder) -> Producer {
    let producer = builder.build().await.unwrap();
    producer.partitions_for("t").await.unwrap();
    producer
}

/// Lets every task run until all of them wait.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
