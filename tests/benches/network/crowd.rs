//! Many connections: what each of them keeps in memory.

use std::time::Duration;

use ottla_tests::bench::{Samples, figure};

use crate::process::Other;
use crate::raw::{Raw, fetch_frame, produce_frame};

const IDLE: usize = 2_000;
const BUSY: usize = 200;
/// Requests of each kind that a busy connection makes.
const TURNS: usize = 50;
const CLAIMING: usize = 1_000;
/// What a busy connection fetches at a time.
const FETCHED: i32 = 64 << 10;

pub(crate) fn idle_and_busy(rounds: usize) {
    let (mut empty, mut idle, mut busy, mut each_idle, mut each_busy, mut rate, mut cpu) = (
        Samples::default(),
        Samples::default(),
        Samples::default(),
        Samples::default(),
        Samples::default(),
        Samples::default(),
        Samples::default(),
    );
    for round in 0..=rounds {
        let server = Other::server("memory");
        let mut first = Raw::connect(server.address);
        first.create_topic();
        // What there is to fetch.
        first.produce(&produce_frame(FETCHED as usize));
        server.settle();
        let without = server.resident().now;
        let crowd: Vec<Raw> = (0..IDLE)
            .map(|_| {
                let mut one = Raw::connect(server.address);
                one.greet();
                one
            })
            .collect();
        server.settle();
        let with_idle = server.resident().now;
        let before = server.cpu();
        let start = std::time::Instant::now();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let address = server.address;
                std::thread::spawn(move || work(address, BUSY / 4))
            })
            .collect();
        let working: Vec<Vec<Raw>> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let seconds = start.elapsed().as_secs_f64();
        let requests = (BUSY * TURNS * 2) as f64;
        let spent = (server.cpu() - before).as_secs_f64() * 1e6 / requests;
        let with_busy = server.resident().peak;
        if round > 0 {
            empty.push(without as f64);
            idle.push(with_idle as f64);
            busy.push(with_busy as f64);
            each_idle.push((with_idle - without) as f64 / IDLE as f64);
            each_busy.push((with_busy - with_idle) as f64 / BUSY as f64);
            rate.push(requests / seconds);
            cpu.push(spent);
        }
        drop((crowd, working));
    }
    println!("resident memory of the server, bytes:");
    println!("  {empty} without connections");
    println!("  {idle} with {IDLE} idle connections: {each_idle} each");
    let records = figure((BUSY * TURNS * 100) as f64);
    println!("  {busy} at the most with {BUSY} busy ones besides: {each_busy} each, with the {records} B");
    println!("    of records that they wrote; {rate} requests/s at {cpu} µs of the server's CPU, produce of 100 B and");
    println!("    fetch of {} KiB in turn\n", FETCHED >> 10);
}

/// Produces and fetches over many connections, all at once, and keeps them open.
fn work(address: std::net::SocketAddr, connections: usize) -> Vec<Raw> {
    let (produce, fetch) = (produce_frame(100), fetch_frame(FETCHED));
    let mut all: Vec<Raw> = (0..connections).map(|_| Raw::connect(address)).collect();
    for _ in 0..TURNS {
        for request in [&produce, &fetch] {
            for one in &mut all {
                one.send(request);
            }
            for one in &mut all {
                let len = one.receive();
                assert!(request != &fetch || len >= FETCHED as usize, "{len} bytes were fetched");
            }
        }
    }
    all
}

/// A connection that announces `announced` bytes and sends `sent` of them.
fn claim(server: &Other, announced: i32, sent: usize) -> Raw {
    let mut one = Raw::connect(server.address);
    let mut bytes = announced.to_be_bytes().to_vec();
    // It looks like a produce request.
    bytes.extend_from_slice(&[0, 0, 0, 9]);
    bytes.resize(4 + sent, 0);
    one.try_send(&bytes);
    one
}

pub(crate) fn claims() {
    println!(
        "{CLAIMING} connections that announce a request and do not send it; bytes of the server's memory each, at the most:"
    );
    for (name, log_in, announced, sent) in [
        ("100 MiB, of which 1,000 B come", false, 100 << 20, 1_000),
        ("100 MiB, of which 64 KiB come", false, 100 << 20, 64 << 10),
        ("100 MiB, of which 1,000 B come, before a log-in", true, 100 << 20, 1_000),
        ("64 KiB, of which 1,000 B come, before a log-in", true, 64 << 10, 1_000),
        ("64 KiB, of which all but a byte come, before a log-in", true, 64 << 10, (64 << 10) - 1),
    ] {
        let server = if log_in { Other::server_with_log_in() } else { Other::server("memory") };
        Raw::connect(server.address).greet();
        server.settle();
        let before = server.resident().now;
        let crowd: Vec<Raw> = (0..CLAIMING).map(|_| claim(&server, announced, sent)).collect();
        std::thread::sleep(Duration::from_millis(500));
        server.settle();
        let each = server.resident().peak.saturating_sub(before) as f64 / CLAIMING as f64;
        println!("  {}: {name}", figure(each));
        drop(crowd);
    }
    println!();
}
