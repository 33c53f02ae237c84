//! A real process that writes is killed again and again: what it said was acknowledged is there.
//!
//! `OTTLA_KILL_CYCLES` sets how often; the default is 20.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use ottla_broker_core::env::Env;
use ottla_broker_core::log::{LogStorage, OpenPartition, PartitionLog};
use ottla_broker_core::record::Batch;
use ottla_broker_core::{LeaderEpoch, Offset};

use super::crash::workload::{batch, keys};
use crate::disk::{DiskBackend, DiskOptions};

const DIRECTORY: &str = "OTTLA_KILL_DIRECTORY";
const EPOCH: &str = "OTTLA_KILL_EPOCH";
const PARTITIONS: usize = 3;

/// Small, so that files roll and are sorted all the time.
fn options() -> DiskOptions {
    DiskOptions { journal_bytes: 512 << 10, file_bytes: 64 << 10, tail_bytes: 64 << 10, ..DiskOptions::default() }
}

/// What is written at an offset: it can be told from the offset alone, but for the epoch.
fn expected(partition: usize, base: Offset, epoch: LeaderEpoch) -> Batch {
    let size = (base.0 as usize * 37 + partition * 101) % 2_000;
    batch(base, 1 + (base.0 % 3) as u32, size, epoch, base.0 as u64)
}

async fn open(directory: &Path) -> DiskBackend {
    DiskBackend::open(directory, options(), &Env::system()).await.unwrap()
}

/// The process that is killed. It does nothing where it is run as a test.
#[tokio::test]
async fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let epoch = LeaderEpoch(std::env::var(EPOCH).unwrap().parse().unwrap());
    let backend = open(Path::new(&directory)).await;
    let mut logs: Vec<Arc<dyn PartitionLog>> = Vec::new();
    for key in keys().into_iter().take(PARTITIONS) {
        let opened = backend.logs().open_many(&[OpenPartition { id: key.id, epoch }]).await.pop().unwrap();
        logs.push(opened.unwrap());
    }
    loop {
        let mut tickets = Vec::new();
        for (partition, log) in logs.iter().enumerate() {
            for _ in 0..3 {
                let batch = expected(partition, log.bounds_cell().get().end, epoch);
                let next = batch.next_offset();
                tickets.push((partition, next, log.append(batch).unwrap()));
            }
        }
        for (partition, next, ticket) in tickets {
            ticket.await.unwrap();
            let mut out = std::io::stdout().lock();
            writeln!(out, "acknowledged {partition} {next}").unwrap();
            out.flush().unwrap();
        }
    }
}

/// Runs it, and kills it after it said so many things. Says how far each partition was acknowledged.
fn run_and_kill(directory: &Path, epoch: i32, lines: u64) -> BTreeMap<usize, Offset> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "disk::tests::kill::child", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(EPOCH, epoch.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = BTreeMap::new();
    let mut seen = 0;
    // What it said before it died counts, also what is read after.
    for line in BufReader::new(child.stdout.take().unwrap()).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        let Some((_, said)) = line.split_once("acknowledged ") else { continue };
        // A line that was cut short is no acknowledgement that anybody has.
        let Some((partition, next)) = said.split_once(' ') else { continue };
        if let (Ok(partition), Ok(next)) = (partition.parse(), next.parse()) {
            acknowledged.insert(partition, Offset(next));
        }
        seen += 1;
        if seen == lines {
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert!(!status.success() && seen >= lines, "it ended by itself after {seen} lines: {status}");
    acknowledged
}

#[tokio::test]
async fn a_process_that_is_killed_loses_nothing_that_it_acknowledged() {
    let cycles = std::env::var("OTTLA_KILL_CYCLES").ok().and_then(|cycles| cycles.parse().ok()).unwrap_or(20_i32);
    let directory = tempfile::tempdir().unwrap();
    let random = Env::system();
    let mut acknowledged = BTreeMap::<usize, Offset>::new();
    for cycle in 1..=cycles {
        let lines = 1 + random.random_below(400);
        acknowledged.extend(run_and_kill(directory.path(), cycle, lines));
        let backend = open(directory.path()).await;
        for (partition, key) in keys().into_iter().take(PARTITIONS).enumerate() {
            let reader = backend.logs().open_reader(key.id).await.unwrap();
            let bounds = reader.bounds_cell().get();
            let most = acknowledged.get(&partition).copied().unwrap_or(Offset::ZERO);
            assert!(bounds.durable_end >= most, "cycle {cycle}: {partition} ends at {bounds:?}, acknowledged: {most}");
            let mut from = Offset::ZERO;
            while from < bounds.end {
                for batch in reader.read(from, bounds.end, 1 << 20).await.unwrap() {
                    assert_eq!(batch.base_offset(), from, "cycle {cycle}: {partition} has a gap");
                    assert_eq!(batch, expected(partition, from, batch.leader_epoch()), "cycle {cycle}: {partition}");
                    from = batch.next_offset();
                }
            }
            // What was read now is there for ever.
            acknowledged.insert(partition, bounds.end);
        }
        if random.random_below(2) == 0 {
            backend.logs().close().await.unwrap();
        }
    }
    println!("killed {cycles} times; the logs end at {acknowledged:?}");
}
