//! What a server and its connections cost, over loopback, with the server in a process of its own: its memory and its
//! CPU are its own.
//!
//! ```text
//! cargo bench -p ottla-tests --bench network                  # every case, five rounds
//! cargo bench -p ottla-tests --bench network -- crowd 7       # one of crowd, slow, claims, lone, rates
//! OTTLA_BENCH_DIR=/mnt/disk cargo bench -p ottla-tests --bench network -- lone
//! ```
//!
//! - `crowd`: the memory of 2,000 idle connections, and of 200 busy ones besides.
//! - `slow`: how long an honest client waits beside 2,000 connections that send a byte a second each. Its
//!   limit: the same client alone, in the same round.
//! - `claims`: the memory of 1,000 connections that announce large requests and do not send them.
//! - `lone`: one record at a time, in turn with a ping-pong of as many bytes, and with an append and `fdatasync`
//!   where the acknowledgement is durable.
//! - `rates`: producing and consuming by the SDK. The limit: one stream of as many bytes.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench: it reads the clock, prints, and may panic"
)]

mod crowd;
mod lone;
mod process;
mod rates;
mod raw;
mod slow;

use std::future::Future;

/// Files that a crowd needs open, and some.
const FILES: u64 = 8_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    match words.first().map(String::as_str) {
        Some("serve") => return process::serve(&words[1..]),
        Some("echo") => return process::echo(),
        _ => {}
    }
    allow_files();
    let rounds: usize = words.iter().find_map(|word| word.parse().ok()).unwrap_or(5);
    let chosen = |case: &str| {
        let mut cases = words.iter().filter(|word| word.parse::<usize>().is_err()).peekable();
        cases.peek().is_none() || cases.any(|word| word == case)
    };
    println!("{rounds} rounds after one to warm up: medians (least–greatest). The server in a process of its own with");
    println!("a runtime of 2 threads, over loopback; acks=all.\n");
    if chosen("crowd") {
        crowd::idle_and_busy(rounds);
    }
    if chosen("slow") {
        slow::beside_an_honest_client(rounds);
    }
    if chosen("claims") {
        crowd::claims();
    }
    if chosen("lone") {
        lone::run();
    }
    if chosen("rates") {
        rates::run(rounds);
    }
}

/// Lets this process, and those that it starts, open as many files as a crowd needs.
fn allow_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|files| files < FILES) {
        limit.current = Some(limit.maximum.map_or(FILES, |most| most.min(FILES)));
        setrlimit(Resource::Nofile, limit).unwrap();
    }
}

/// Runs `work` in a task of a runtime of two threads.
fn on_runtime<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::spawn(work).await.unwrap() })
}
