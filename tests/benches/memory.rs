//! Produce and consume, embedded on memory, beside what the machine's memory can do in the same run.
//!
//! ```text
//! cargo bench -p ottla-tests --bench memory            # five rounds
//! cargo bench -p ottla-tests --bench memory -- 11      # eleven
//! ```
//!
//! The limit of a produce or a consume is one copy of the record's bytes and one CRC-32C over them by one
//! core: what any log that keeps and checks bytes must do at least.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench: it reads the clock, prints, and may panic"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ottla::{At, Client, NewTopic, Record};
use ottla_tests::bench::{Samples, Watch, figure};
use ottla_tests::counting::{self, Counting};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Case {
    name: &'static str,
    size: usize,
    records: u64,
    partitions: i32,
}

const CASES: [Case; 5] = [
    Case { name: "100 B, 1 partition", size: 100, records: 4_000_000, partitions: 1 },
    Case { name: "100 B, 10 partitions", size: 100, records: 4_000_000, partitions: 10 },
    Case { name: "100 B, 100 partitions", size: 100, records: 4_000_000, partitions: 100 },
    Case { name: "1 KiB, 1 partition", size: 1024, records: 800_000, partitions: 1 },
    Case { name: "1 KiB, 100 partitions", size: 1024, records: 800_000, partitions: 100 },
];

#[derive(Default)]
struct Figures {
    limit: Samples,
    produced: Samples,
    produce_cpu: Samples,
    produce_allocations: Samples,
    produce_copied: Samples,
    consumed: Samples,
    consume_cpu: Samples,
    consume_allocations: Samples,
    by_next: Samples,
}

fn main() {
    // `cargo bench` passes flags of its own.
    let rounds: usize = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(5);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("rounds {rounds} after one to warm up; medians with the least and greatest; 2 worker threads");
    println!("durability Memory, acks=all, idempotent, embedded, one producer, one reader\n");
    for case in &CASES {
        let mut figures = Figures::default();
        for round in 0..=rounds {
            let mut one = Figures::default();
            limit(case, &mut one);
            runtime.block_on(async { tokio::spawn(run(case.size, case.records, case.partitions)).await.unwrap() }, &mut one);
            if round > 0 {
                figures.add(one);
            }
        }
    }
    runtime.block_on(async { tokio::spawn(latency(rounds)).await.unwrap() });
}
