//! One record at a time: what an acknowledgement takes.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ottla::{Client, Record};
use ottla_tests::bench::Samples;

use crate::on_runtime;
use crate::process::{Other, PING, ping_pong};
use crate::raw::{Raw, TOPIC, produce_frame};

pub(crate) fn run() {
    let echo = Other::echo();
    let echo = Arc::new(echo);
    let server = Other::server("memory");
    on_runtime(measure("memory", 20_000, server, Arc::clone(&echo), None));
    let place = std::env::var_os("OTTLA_BENCH_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    std::fs::create_dir_all(&place).unwrap();
    let (log, raw) = (tempfile::tempdir_in(&place).unwrap(), tempfile::tempdir_in(&place).unwrap());
    let server = Other::server(log.path().to_str().unwrap());
    let raw = File::create(raw.path().join("raw")).unwrap();
    on_runtime(measure("fsync", 3_000, server, echo, Some(raw)));
}

fn micros(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64 / 1e3
}

fn ping(stream: &mut TcpStream) {
    let mut message = [7; PING];
    stream.write_all(&message).unwrap();
    stream.read_exact(&mut message).unwrap();
}

/// Takes turns, in one task: a ping-pong, a synced append if it is a disk, a produce request, and a record by the SDK.
async fn measure(level: &'static str, turns: usize, server: Other, echo: Arc<Other>, mut file: Option<File>) {
    let mut frames = Raw::connect(server.address);
    frames.create_topic();
    let request = produce_frame(100);
    let mut pinged = ping_pong(&echo);
    let client = Client::connect(server.url()).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    let value = Bytes::from(vec![7_u8; 100]);
    let (mut limit, mut by_frames, mut by_sdk) = (Samples::default(), Samples::default(), Samples::default());
    for turn in 0..turns + turns / 10 {
        let floor = micros(|| {
            ping(&mut pinged);
            if let Some(file) = &mut file {
                file.write_all(&value).unwrap();
                file.sync_data().unwrap();
            }
        });
        let bare = micros(|| frames.produce(&request));
        let start = Instant::now();
        producer.send(Record::to(TOPIC).value(value.clone())).await.unwrap();
        let whole = start.elapsed().as_nanos() as f64 / 1e3;
        if turn >= turns / 10 {
            limit.push(floor);
            by_frames.push(bare);
            by_sdk.push(whole);
        }
    }
    let beside = if file.is_some() { "a ping-pong and an append with fdatasync" } else { "a ping-pong" };
    println!("one record of 100 B at a time, {level}, {turns} turns with {beside}, µs:");
    for q in [0.5, 0.99] {
        let (limit, bare, whole) = (limit.quantile(q), by_frames.quantile(q), by_sdk.quantile(q));
        println!(
            "  p{:<3} limit {limit:.0}; by frames {bare:.0}, × {:.2}; by the SDK {whole:.0}, × {:.2}",
            q * 100.0,
            bare / limit,
            whole / limit
        );
    }
    println!();
}
