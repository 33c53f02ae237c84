//! What the SDK produces and consumes over the network.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla::{At, Client, NewTopic, Record, TopicName};
use ottla_tests::bench::{Samples, Watch, figure};

use crate::on_runtime;
use crate::process::{Other, stream};

#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    size: usize,
    records: u64,
}

const CASES: [Case; 2] =
    [Case { name: "100 B", size: 100, records: 2_000_000 }, Case { name: "1 KiB", size: 1024, records: 300_000 }];

#[derive(Default)]
struct Figures {
    limit: Samples,
    produced: Samples,
    consumed: Samples,
    /// Of the server and of the client, ns a record.
    produce_cpu: [Samples; 2],
    consume_cpu: [Samples; 2],
}

pub(crate) fn run(rounds: usize) {
    let echo = Other::echo();
    for case in CASES {
        let server = Arc::new(Other::server("memory"));
        let mut figures = Figures::default();
        for round in 0..=rounds {
            let mut once = Figures::default();
            let bytes = case.size * case.records as usize;
            let watch = Watch::start();
            stream(&echo, bytes);
            once.limit.push(bytes as f64 / watch.stop().wall.as_secs_f64());
            let there = Arc::clone(&server);
            once = on_runtime(async move { there_and_back(&there, case, round, once).await });
            if round > 0 {
                figures.add(&once);
            }
        }
        report(case, &figures);
    }
}

async fn there_and_back(server: &Other, case: Case, round: usize, mut once: Figures) -> Figures {
    let client = Client::connect(server.url()).await.unwrap();
    let topic = TopicName::new(format!("rates-{round}")).unwrap();
    client.admin().create_topic(NewTopic::new(topic.as_str()).partitions(1)).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    let value = Bytes::from(vec![7_u8; case.size]);
    let records = case.records as f64;
    let per_record = |spent: Duration| spent.as_nanos() as f64 / records;

    let before = server.cpu();
    let watch = Watch::start();
    for _ in 0..case.records {
        drop(producer.enqueue(Record::to(topic.clone()).value(value.clone())).await.unwrap());
    }
    producer.flush().await.unwrap();
    let spent = watch.stop();
    once.produced.push(records / spent.wall.as_secs_f64());
    once.produce_cpu[0].push(per_record(server.cpu() - before));
    once.produce_cpu[1].push(per_record(spent.cpu));

    let before = server.cpu();
    let watch = Watch::start();
    let mut reader = client.reader().topic(topic.as_str()).start(At::Earliest).to_end().build().await.unwrap();
    let mut read = 0;
    while let Some(batch) = reader.next_batch().await.unwrap() {
        for message in batch {
            black_box(message.unwrap().value());
            read += 1;
        }
    }
    let spent = watch.stop();
    assert_eq!(read, case.records);
    once.consumed.push(records / spent.wall.as_secs_f64());
    once.consume_cpu[0].push(per_record(server.cpu() - before));
    once.consume_cpu[1].push(per_record(spent.cpu));
    client.admin().delete_topic(topic.as_str()).await.unwrap();
    client.close(Duration::from_secs(5)).await.unwrap();
    once
}

impl Figures {
    fn add(&mut self, once: &Self) {
        for (all, one) in
            [(&mut self.limit, &once.limit), (&mut self.produced, &once.produced), (&mut self.consumed, &once.consumed)]
        {
            all.push(one.median());
        }
        for at in 0..2 {
            self.produce_cpu[at].push(once.produce_cpu[at].median());
            self.consume_cpu[at].push(once.consume_cpu[at].median());
        }
    }
}

fn report(case: Case, figures: &Figures) {
    println!(
        "{} records of {}, one partition, by the SDK over kafka://, memory:",
        figure(case.records as f64),
        case.name
    );
    println!("  limit: one stream of as many bytes {}B/s", figures.limit);
    for (what, rate, cpu) in
        [("produced", &figures.produced, &figures.produce_cpu), ("consumed", &figures.consumed, &figures.consume_cpu)]
    {
        let bytes = rate.scaled(case.size as f64);
        println!("  {what} {rate}/s, {bytes}B/s, {} of the limit", bytes.over(&figures.limit));
        println!("    {} ns of the server's CPU a record, {} of the client's", cpu[0], cpu[1]);
    }
    println!();
}
