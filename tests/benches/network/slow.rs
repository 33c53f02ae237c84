//! Connections that send a byte a second, beside a client that works.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ottla_tests::bench::Samples;

use crate::process::Other;
use crate::raw::{Raw, produce_frame};

const SENDERS: usize = 2_000;
/// How long the honest client is watched, with and without the others.
const WATCHED: Duration = Duration::from_secs(3);
/// What each of them says it sends.
const ANNOUNCED: i32 = 10_000;

pub(crate) fn beside_an_honest_client(rounds: usize) {
    let server = Other::server("memory");
    let mut honest = Raw::connect(server.address);
    honest.create_topic();
    let mut alone = [Samples::default(), Samples::default()];
    let mut beside = [Samples::default(), Samples::default()];
    for round in 0..=rounds {
        let without = watch(&mut honest);
        let crowd = Crowd::enter(&server);
        let with = watch(&mut honest);
        drop(crowd);
        if round > 0 {
            for (at, q) in [0.5, 0.99].into_iter().enumerate() {
                alone[at].push(without.quantile(q));
                beside[at].push(with.quantile(q));
            }
        }
        server.settle();
    }
    println!("a lone produce of 100 B, µs, alone and beside {SENDERS} connections that send a byte a second each:");
    for (at, name) in ["p50", "p99"].into_iter().enumerate() {
        println!("  {name} {} and {}: × {}", alone[at], beside[at], beside[at].over(&alone[at]));
    }
    println!();
}

/// What single produce requests took, in µs.
fn watch(honest: &mut Raw) -> Samples {
    let request = produce_frame(100);
    let mut micros = Samples::default();
    let start = Instant::now();
    while start.elapsed() < WATCHED {
        let asked = Instant::now();
        honest.produce(&request);
        micros.push(asked.elapsed().as_nanos() as f64 / 1e3);
    }
    micros
}

/// Slow senders, each at its own moment of the second, until dropped.
struct Crowd {
    over: Arc<AtomicBool>,
    sender: Option<std::thread::JoinHandle<()>>,
}

impl Crowd {
    fn enter(server: &Other) -> Self {
        let mut streams: Vec<TcpStream> = (0..SENDERS)
            .map(|_| {
                let mut stream = TcpStream::connect(server.address).unwrap();
                stream.set_nodelay(true).unwrap();
                stream.write_all(&ANNOUNCED.to_be_bytes()).unwrap();
                stream
            })
            .collect();
        server.settle();
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let sender = std::thread::spawn(move || {
            let start = Instant::now();
            let apart = Duration::from_secs(1) / SENDERS as u32;
            let mut due = Duration::ZERO;
            while !told.load(Relaxed) {
                for stream in &mut streams {
                    stream.write_all(&[0]).unwrap();
                    due += apart;
                    std::thread::sleep(due.saturating_sub(start.elapsed()));
                }
            }
        });
        Self { over, sender: Some(sender) }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        if let Some(sender) = self.sender.take() {
            sender.join().unwrap();
        }
    }
}
